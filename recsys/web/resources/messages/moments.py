"""Moments: who should hear from the shop now, each answered to the message tool once."""

from __future__ import annotations

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from typing import Annotated, Any, NamedTuple

from msgspec import UNSET, Meta, Raw, Struct, UnsetType
from msgspec.json import Decoder, decode, encode

from recsys.clock import DAY
from recsys.engine.serving_state import ServingState
from recsys.moments.finder import Finder
from recsys.settings.moments import MomentKind
from recsys.web.http.answers import MomentAnswer
from recsys.web.http.problems import Problem, invalid
from recsys.web.http.responses import NDJSON, Response, json_response
from recsys.web.operations import Call, Operation

MAX_MOMENTS = 5000
MOMENTS = 1000
NEXT_CURSOR = "Next-Cursor"
_CURSOR = struct.Struct(">QQ")
_CHECK_BYTES = 4
_ALLOWED = {
    "cursor": "what the header Next-Cursor of an earlier answer for this kind said",
    "limit": f"a whole number from 1 to {MAX_MOMENTS}",
}


class MomentParameters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Query string of a poll."""

    ALLOWED = _ALLOWED

    cursor: (
        Annotated[
            str,
            Meta(description=f"Only moments found after this; default: those of 24 hours. Allowed: {_ALLOWED['cursor']}."),
        ]
        | UnsetType
    ) = UNSET
    limit: Annotated[int, Meta(ge=1, le=MAX_MOMENTS, description=f"Most moments. Allowed: {_ALLOWED['limit']}.")] = MOMENTS


class _Reader(Struct, frozen=True):
    """Part of a line that says whom to write to, and where."""

    user_id: str
    channels: tuple[str, ...]


_read = Decoder(_Reader).decode


class Cursor(NamedTuple):
    """Position of a consumer: the number of the last row that it took, and when that was, in microseconds."""

    seq: int
    at: int

    def text(self, kind: str) -> str:
        """The cursor as an opaque text that holds for one kind."""
        plain = _CURSOR.pack(self.seq, self.at)
        return urlsafe_b64encode(plain + _check(plain, kind)).decode("ascii").rstrip("=")

    @classmethod
    def read(cls, text: str, kind: str) -> Cursor | None:
        """Read such a text; None: it is none, or was given for another kind."""
        try:
            made = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except ValueError:
            return None
        plain, check = made[: _CURSOR.size], made[_CURSOR.size :]
        if len(plain) < _CURSOR.size or check != _check(plain, kind):
            return None
        return cls(*_CURSOR.unpack(plain))


def poll(call: Call[MomentParameters]) -> Response:
    """Find who is newly due, write it down, and answer what was written after the cursor, the newest first."""
    live, kind, limit = call.service.live, _kind(call), call.parameters.limit
    serving = live.serving()
    now, received = live.now(serving), live.received()
    cursor = _cursor(call, kind, received)
    finder = call.service.finder(serving)
    finder.find(kind, now, limit, received)
    moments = live.state.moments
    with live.state.reading():
        after = moments.last_until(kind, now - DAY) if cursor is None else cursor.seq
        rows = moments.lines(kind, after, limit)
        last = live.state.last()
    # Where all was answered, rows of other kinds need not be passed over again.
    reached = rows[-1][0] if len(rows) == limit else last
    lines = [line for _, row in reversed(rows) if (line := _as_of_now(row, serving, finder)) is not None]
    return json_response(b"".join(lines), media=NDJSON, headers={NEXT_CURSOR: Cursor(reached, received).text(kind)})


def _kind(call: Call[MomentParameters]) -> MomentKind:
    kind, kinds = call.path["kind"], call.service.settings.moments.kinds
    if kind not in kinds:
        allowed = ", ".join(kinds)
        raise Problem(
            404, f"kind: {kind!r} is not among the moments that are on: {allowed}", parameter="kind", allowed=allowed
        )
    return kind


def _cursor(call: Call[MomentParameters], kind: str, received: int) -> Cursor | None:
    """The cursor that was given; None: there is none.

    Raises:
        Problem: 400 for one that was not given for this kind, is of another log, or so old that lines after it are gone.
    """
    given = call.parameters.cursor
    if given is UNSET:
        return None
    cursor, keep_days = Cursor.read(given, kind), call.service.settings.state.keep_days
    if cursor is None or cursor.seq > call.service.live.state.last():
        raise invalid("cursor", given, _ALLOWED["cursor"])
    if cursor.at < received - keep_days * DAY:
        raise invalid("cursor", given, f"{_ALLOWED['cursor']}, not older than {keep_days:g} days", "is too old")
    return cursor


def _as_of_now(line: bytes, serving: ServingState, finder: Finder) -> bytes | None:
    """A line with the channels of now; None: the shop may not write to its user, or to whose the id is by now, any more."""
    told = _read(line)
    owner = serving.owner_of(told.user_id)
    if told.user_id in serving.accounts or not finder.may_write_to(owner):
        return None
    channels = serving.person(owner).channels
    if channels != told.channels:
        line = encode({**decode(line, type=dict[str, Raw]), "channels": channels})
    return line + b"\n"


def _check(plain: bytes, kind: str) -> bytes:
    """Tells a cursor from other text, and from those of other kinds; it keeps no secret."""
    return blake2b(plain, digest_size=_CHECK_BYTES, key=kind.encode(), person=b"recsys cursor").digest()


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="get",
        path="/v1/moments/{kind}",
        summary="Tell who should hear from the shop now, as NDJSON; the header Next-Cursor says where to go on.",
        scope="messages",
        lane="stream",
        parameters=MomentParameters,
        view=poll,
        answers=(MomentAnswer,),
        media=NDJSON,
        problems=(404, 503),
    ),
)
