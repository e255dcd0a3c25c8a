"""Visitors who turned out to be known users: from then on what they did belongs to that user."""

from __future__ import annotations

from typing import Any

from recsys.types import Link
from recsys.web.http.answers import RowResultsAnswer
from recsys.web.http.bodies import IdentitiesBody, IdentityRow, said_at
from recsys.web.http.parameters import read_row
from recsys.web.http.problems import invalid
from recsys.web.http.responses import Response
from recsys.web.http.row_results import ACCEPTED, judge, row_results_response
from recsys.web.operations import Call, Operation
from recsys.web.serving.live import Live

_ANONYMOUS = "an anonymous visitor's id, never a known user's: two known users are not joined"
_SOMEBODY = "an id of one person or browser"
_KNOWN = "a known user's id, never one that was linked as an anonymous one"


class Linker:
    """Judges the links of one request, each against the snapshot, the log and those before it."""

    def __init__(self, live: Live, received: int) -> None:
        self.serving, self._received = live.serving(), received
        self._anonymous: set[str] = set()
        self._known: set[str] = set()

    def read(self, raw: Any) -> Link:
        """Read one link.

        Raises:
            Problem: 400, naming the member; of another user nothing but that an id is taken.
        """
        row = read_row(raw, IdentityRow)
        self._check(row)
        self._anonymous.add(row.anonymous_id)
        self._known.add(row.user_id)
        return Link(row.anonymous_id, row.user_id, min(said_at(row.timestamp, self._received), self._received))

    def _check(self, row: IdentityRow) -> None:
        for name, text in (("anonymous_id", row.anonymous_id), ("user_id", row.user_id)):
            if text in self.serving.null_users:
                raise invalid(name, text, _SOMEBODY, "names nobody (`data.null_users`)")
        if row.anonymous_id == row.user_id:
            raise invalid("anonymous_id", row.anonymous_id, _ANONYMOUS, "is the same as user_id")
        if row.anonymous_id in self._known or self.serving.is_known(row.anonymous_id):
            raise invalid("anonymous_id", row.anonymous_id, _ANONYMOUS)
        if row.user_id in self._anonymous or self.serving.is_anonymous(row.user_id):
            raise invalid("user_id", row.user_id, _KNOWN)


def post_identities(call: Call[IdentitiesBody]) -> Response:
    """Link anonymous ids to known users; what was done under the anonymous id follows at once."""
    live = call.service.live
    with live.state.linking():
        linker = Linker(live, live.received())
        links, rejected = judge(enumerate(call.parameters.identities), linker.read)
        live.link(links, linker.serving)
    return row_results_response(RowResultsAnswer(len(links), tuple(rejected)))


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="post",
        path="/v1/identities",
        summary="Say which known users anonymous visitors turned out to be.",
        scope="events",
        parameters=IdentitiesBody,
        rows=(IdentityRow,),
        view=post_identities,
        answers=(RowResultsAnswer,),
        status=ACCEPTED,
        problems=(413, 415, 503),
    ),
)
