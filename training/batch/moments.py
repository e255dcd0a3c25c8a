"""Batch: everybody who is due for a kind of moment, or for any, through the code that answers polls, on all cores into one file.

The file is whole, and on the disk, before anything is written down as notified: a run that ends between the two is followed by one
that finds the same moments, under the same ids.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec
import polars as pl

from recsys import clock
from recsys.engine.pipeline import Engine
from recsys.engine.serving_state import ServingState
from recsys.engine.settings_check import check_settings
from recsys.live.databases import log_in, open_log
from recsys.live.driver import until_written
from recsys.live.erasure import ErasureKeys, Tombstones, tombstones_now
from recsys.live.log import EventLog
from recsys.live.moments import Moment, not_forgotten
from recsys.moments.finder import Finder
from recsys.moments.kinds import KINDS
from recsys.settings import Settings
from recsys.settings.moments import MomentKind
from recsys.snapshot.store import open_snapshot, publish
from recsys.types import DataError, StateError
from training import console
from training.batch.export import FORMATS, Progress, published, write_lines
from training.job.job import fit
from training.processes import map_in_order

_TEXTS, _LIST = pl.String(), pl.List(pl.String)
SCHEMA = pl.Schema(
    {
        "moment_id": _TEXTS,
        "user_id": _TEXTS,
        "kind": _TEXTS,
        "since": pl.Datetime("us", "UTC"),
        "anchors": _LIST,
        "items": _LIST,
        "reasons": _LIST,
        "lifecycle": _TEXTS,
        "locale": _TEXTS,
        "timezone": _TEXTS,
        "channels": _LIST,
        "usual_hour": pl.Int8(),
        "copy": _TEXTS,
        "creative": _TEXTS,
        "coupon": _TEXTS,
        "content_id": _TEXTS,
    }
)
ALL = "all"
"""In place of a kind: all that are on."""
_LISTS = ("anchors", "items", "reasons", "channels")
_CHUNK = 1_000


@dataclass(frozen=True)
class Place:
    """Place to look: one version, and a log, None: that of the shop."""

    settings: Settings
    artifacts: Path
    version: str
    log: Path | None
    erasure_keys: ErasureKeys | None = None

    def state(self) -> EventLog:
        """Open the log."""
        return open_log(self.settings) if self.log is None else log_in(self.log)

    def open(self, state: EventLog) -> tuple[ServingState, Finder]:
        """Open the version, lay the log over it, and make what finds who is due."""
        engine = Engine(open_snapshot(self.artifacts, self.version), self.settings)
        serving = ServingState(engine, state, self.erasure_keys)
        serving.catch_up()
        return serving, Finder(serving, state, lambda query: serving.answer(query, is_message=True).slate)


@dataclass(frozen=True)
class Search:
    """Time of a look, in microseconds; `past`: as of a moment that is over, as if nobody had been notified of anything."""

    now: int
    past: bool


class Written(NamedTuple):
    """A run: how many people were looked at, how many moments the file has, and how many of them were written down."""

    looked_at: int
    due: int
    notified: int


def moments(
    settings: Settings,
    now: datetime,
    kind: str,
    as_of: datetime | None,
    out: Path,
    dry_run: bool,
    erasure_keys: ErasureKeys | None = None,
) -> int:
    """Write who is due for a kind, or for `ALL` that are on, to a file, and down in the log as a poll does, unless it is of the past
    or a dry run.

    Raises:
        DataError: for a kind that there is not or that is off, and for an ending that is not one of `FORMATS`.
        SnapshotError, StateError, SettingsError: as training and serving.
    """
    check_settings(settings)
    kinds = _checked(settings, kind, as_of is not None, out)
    with tempfile.TemporaryDirectory(prefix="recsys-moments-") as aside:
        artifacts, log = settings.artifacts, None
        if as_of is not None:
            artifacts, log = Path(aside, "artifacts"), Path(aside, "state")
            with console.steps("Training") as watch:
                fitted = fit(settings, now=now, before=as_of, watch=watch, erasure_keys=erasure_keys)
            publish(artifacts, fitted.manifest, fitted.groups)
        started = time.perf_counter()
        place = Place(settings, artifacts, published(artifacts), log, erasure_keys)
        with console.bar("Looking", "people") as progress:
            run = write_moments(place, kinds, now, as_of, out, progress, only_look=dry_run or as_of is not None)
        seconds = time.perf_counter() - started
    console.facts(
        f"Moments in {out}",
        [
            *((each, KINDS[each].summary) for each in kinds),
            ("looked at", run.looked_at),
            ("due", run.due),
            ("written down", "no" if dry_run or as_of else run.notified),
            ("seconds", round(seconds, 1)),
        ],
    )
    return 0


def write_moments(
    place: Place,
    kinds: Sequence[MomentKind],
    now: datetime,
    as_of: datetime | None,
    out: Path,
    progress: Progress,
    *,
    only_look: bool,
) -> Written:
    """Look at everybody worth it and write a file, then write down who was notified by it; of each person one moment at most, unless
    the run is of the past.

    Raises:
        StateError: if the log cannot be written; the file is whole then.
    """
    state = place.state()
    serving, finder = place.open(state)
    by_events = as_of is None and place.settings.web.clock == "events"
    search = Search(serving.newest if by_events else clock.to_microseconds(as_of or now), as_of is not None)
    candidates = {kind: finder.candidates(kind, search.now) for kind in kinds}
    total = sum(map(len, candidates.values()))
    del serving, finder
    with tempfile.TemporaryFile(prefix="recsys-moments-") as found_aside:
        found_last = _Spool(found_aside)

        def frames() -> Iterator[pl.DataFrame]:
            done, named = 0, set[str]()
            for count, found in _looked_at(place, search, candidates):
                kept = found if search.past else [each for each in found if each.user_id not in named]
                named.update(each.user_id for each in kept)
                found_last.put(kept)
                done += count
                progress(done, total)
                yield _frame(kept, out)

        due = write_lines(out, _schema(out), frames())
        return Written(
            total, due, 0 if only_look else _write_down(place, state, found_last, clock.to_microseconds(now), out)
        )


class _Spool:
    """Moments kept in a file, chunk by chunk, until they may be written down."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def put(self, moments: Sequence[Moment]) -> None:
        """Keep a chunk."""
        body = msgspec.msgpack.encode(moments)
        self._file.write(len(body).to_bytes(8, "big") + body)

    def chunks(self) -> Iterator[list[Moment]]:
        """Everything that was kept, in its order."""
        self._file.seek(0)
        while size := self._file.read(8):
            yield msgspec.msgpack.decode(self._file.read(int.from_bytes(size, "big")), type=list[Moment])


def _write_down(place: Place, state: EventLog, spool: _Spool, received_at: int, out: Path) -> int:
    """Write moments down as notified, but of people who were forgotten since; returns how many were not there yet.

    Raises:
        StateError: saying what the file holds all the same.
    """
    per_day, known, forgotten = place.settings.moments.per_day, 0, Tombstones(None, ())

    def look() -> None:
        nonlocal known, forgotten
        known = state.last()  # before the tombstones are read
        forgotten = tombstones_now(place.erasure_keys, state.tombstones())

    def write(chunk: Sequence[Moment]) -> int:
        return sum(state.moments.write(not_forgotten(chunk, forgotten), per_day, received_at, known))

    try:
        look()  # and again where somebody is forgotten meanwhile
        return sum(until_written(partial(write, chunk), look) for chunk in spool.chunks())
    except StateError as error:
        raise StateError(
            f"{error}. {out} is complete, but not all of it is written down: the next run, or a poll, finds the same moments "
            "again under the same moment_id"
        ) from error


def _checked(settings: Settings, kind: str, past: bool, out: Path) -> tuple[MomentKind, ...]:
    """The kinds that are meant, the most urgent first."""
    allowed = tuple(KINDS) if past else settings.moments.kinds
    chosen = settings.moments.kinds if kind == ALL else tuple(each for each in allowed if each == kind)
    if not chosen:
        on = "" if past else "that are on (moments.kinds) "
        raise DataError(f"--kind {kind!r}: the kinds {on}are {', '.join(allowed)}; {ALL} is all that are on")
    if out.suffix.removeprefix(".") not in FORMATS:
        raise DataError(f"--out {out}: the ending must be one of {', '.join('.' + name for name in FORMATS)}")
    return chosen


def _looked_at(
    place: Place, search: Search, candidates: Mapping[MomentKind, Sequence[str]]
) -> Iterator[tuple[int, list[Moment]]]:
    """Look at chunk after chunk on all cores, in order, never more than a few chunks ahead, each with its number of people."""
    chunks = ((kind, chunk) for kind, user_ids in candidates.items() for chunk in _chunks(user_ids))
    for (_, chunk), found in map_in_order(partial(_look, search), chunks, _open, place):
        yield len(chunk), found


def _chunks(user_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (user_ids[start : start + _CHUNK] for start in range(0, len(user_ids), _CHUNK))


_opened: list[Finder] = []


def _open(place: Place) -> None:
    _opened[:] = [place.open(place.state())[1]]


def _look(search: Search, chunk: tuple[MomentKind, Sequence[str]]) -> list[Moment]:
    kind, user_ids = chunk
    looks = _opened[0].look(kind, user_ids, search.now, whatever_was_notified=search.past)
    return [each.moment for each in looks if each.moment is not None]


def _schema(out: Path) -> pl.Schema:
    """The columns of a file; CSV has lists as JSON."""
    return pl.Schema(dict(SCHEMA) | dict.fromkeys(_LISTS, pl.String())) if out.suffix == ".csv" else SCHEMA


def _frame(moments: Iterable[Moment], out: Path) -> pl.DataFrame:
    rows = [_row(msgspec.json.decode(moment.line)) for moment in moments]
    if out.suffix == ".csv":
        rows = [row | {name: msgspec.json.encode(row[name]).decode() for name in _LISTS} for row in rows]
    return pl.DataFrame(rows, schema=_schema(out) | {"since": pl.String()}).with_columns(
        pl.col("since").str.to_datetime(time_unit="us", time_zone="UTC")
    )


def _row(line: dict[str, Any]) -> dict[str, Any]:
    """The columns of one line."""
    items = line["slate"]["items"]
    more = {
        "items": [item["item_id"] for item in items],
        "reasons": [item["reason"]["text"] for item in items],
        "content_id": line["content"]["content_id"] if line["content"] else None,
    }
    return {name: more.get(name, line.get(name)) for name in SCHEMA}
