"""Explored lists: logged lists whose first places were drawn, answered again as then and by a candidate, over the same snapshot."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.engine.inspection.replay import engine_of, history_of, take_updates
from recsys.engine.merchandising.exploration import Drawn
from recsys.engine.pipeline import Built, Engine, build, resolve_query
from recsys.live.databases import open_log, open_slates
from recsys.live.log import EventLog
from recsys.live.slate_log import LoggedSlate, SlateHead, SlateLog
from recsys.recommenders import configure
from recsys.settings import Settings
from recsys.settings.placements import BlendSettings
from recsys.snapshot.manifest import Manifest
from recsys.snapshot.store import Snapshot, open_snapshot
from recsys.types import DataError, SnapshotError
from training.experiments.before_a_test.off_policy import Explored

ENGINES_KEPT = 8
"""Most settings, as logged, whose engines are kept over one snapshot."""

Progress: TypeAlias = Callable[[int, int], None]


class Again(NamedTuple):
    """One list: the ids that were shown at its k drawn places, their chances float64[k], what the candidate may show there with the
    chance of each at each place float64[c, k], the same as logged, and both rankings before any draw, in ids."""

    head: SlateHead
    user_id: str
    shown: tuple[str, ...]
    logged: NDArray[np.float64]
    items: tuple[str, ...]
    candidate: NDArray[np.float64]
    drawable: NDArray[np.float64]
    rankings: tuple[tuple[str, ...], tuple[str, ...]]


class Found(NamedTuple):
    """Lists that were answered again, and how many there were that could not be, by why not."""

    lists: list[Again]
    left_out: Mapping[str, int]
    untrained: bool
    """Whether the candidate has settings that only training takes in."""


def check_explored(log: SlateLog, placement: str | None) -> None:
    """Raise DataError if no list that was drawn is logged."""
    if not any(_is_drawn(head, placement) for head in log.heads()):
        where = "" if placement is None else f" of {placement!r}"
        raise DataError(
            f"no list{where} with exploration is logged in {log.driver.name}: give the placement `exploration`, raise "
            "`state.slate_share`, and wait (docs/experiments.md)"
        )


def choose(log: SlateLog, placement: str | None, until: int, sample: int) -> tuple[list[SlateHead], int]:
    """Choose logged lists that were drawn, at most so many, by their ids, which are hashes: a sample by chance, always the same one.

    Those after `until` (microseconds) are too young; tells how many.

    Raises:
        DataError: if all are too young.
    """
    young = 0

    def old() -> Iterable[SlateHead]:
        nonlocal young
        for head in log.heads():
            if _is_drawn(head, placement):
                if head.query.now <= until:
                    yield head
                else:
                    young += 1

    heads = heapq.nsmallest(sample, old(), key=lambda head: head.recommendation_id)
    if not heads:
        raise DataError(
            f"all {young:,} lists with exploration are too young: what was bought after them is not known yet; wait, or "
            "give fewer --days"
        )
    return heads, young


def answered_again(candidate: Settings, heads: Sequence[SlateHead], progress: Progress) -> Found:
    """Answer logged lists again, as then and by a candidate.

    Raises:
        DataError: if none can be: their snapshots are gone, or what answers changed since.
        SettingsError: if the candidate lacks a placement of theirs.
    """
    log, slates = open_log(candidate), open_slates(candidate)
    lists: list[Again] = []
    left_out: Counter[str] = Counter()
    untrained, done = False, 0
    for version, group in groupby(sorted(heads, key=lambda head: (head.snapshot, head.items_sequence)), _snapshot_of):
        ordered = list(group)
        try:
            pair = Pair(open_snapshot(candidate.artifacts, version), candidate, log)
        except SnapshotError as error:
            gone = not (candidate.artifacts / version).exists()
            left_out[f"snapshot {version} is gone" if gone else str(error)] += len(ordered)
            done += len(ordered)
            continue
        untrained |= pair.untrained
        for head in ordered:
            again = _again(pair, slates, head)
            if isinstance(again, str):
                left_out[again] += 1
            else:
                lists.append(again)
            done += 1
            progress(done, len(heads))
    if not lists:
        why = "; ".join(f"{count:,}: {text}" for text, count in left_out.items())
        raise DataError(
            f"none of {len(heads):,} lists with exploration can be answered again ({why}); `snapshot.keep` "
            "says how many snapshots stay"
        )
    return Found(lists, left_out, untrained)


class Pair:
    """One snapshot, and the two engines over it: as logged, and the candidate's."""

    def __init__(self, snapshot: Snapshot, candidate: Settings, log: EventLog) -> None:
        self._snapshot, self._log = snapshot, log
        plain = Engine(snapshot, msgspec.structs.replace(candidate, campaigns={}))
        self._kept: dict[bytes, Engine] = {}
        manifest = snapshot.manifest
        self.candidate = plain.in_arms(plain.settings, _blend(candidate.blend, manifest), ())
        fitted = manifest.behaviour, configure({name: manifest.recommenders[name] for name in plain.recommenders})
        self.untrained = fitted != (candidate.behaviour, configure(candidate.recommenders))

    def again(self, note: LoggedSlate) -> Again | str:
        """Answer a logged list by both; a text says why not."""
        if note.lines:
            return "another snapshot ranked for an arm"
        catalog = self._snapshot.catalog
        seen = max(self._snapshot.manifest.state_sequence, catalog.revision)
        if note.items_sequence > seen:
            updates = self._log.item_updates(note.items_sequence, seen)
            take_updates(note.items_sequence, self._snapshot, ((number, update) for number, _, update in updates))
        self.candidate.campaigns.put(note.campaigns)
        then, now = _built(self._engine(note), note), _built(self.candidate, note)
        shown = self._ids(row for row, *_ in then.builder.picks)
        if then.drawn is None or shown != tuple(item for item, _ in note.shown):
            return "what answers changed since"
        k = len(note.propensities)
        chances, wanted = _chances(then, k), _chances(now, k)
        return Again(
            SlateHead(note.recommendation_id, note.snapshot, note.items_sequence, note.query, note.propensities),
            note.user_id or "",
            shown[:k],
            np.array(note.propensities),
            self._ids(wanted),
            np.array([*wanted.values()]).reshape(-1, k),
            np.array([chances.get(row, np.zeros(k)) for row in wanted]).reshape(-1, k),
            (self._ids(_ranking(then)), self._ids(_ranking(now))),
        )

    def _ids(self, rows: Iterable[int]) -> tuple[str, ...]:
        return tuple(self._snapshot.catalog.item_id(row) for row in rows)

    def _engine(self, note: LoggedSlate) -> Engine:
        key = msgspec.json.encode((note.placements, note.profile, note.blend, note.experiments), order="deterministic")
        engine = self._kept.get(key)
        if engine is None:
            if len(self._kept) >= ENGINES_KEPT:
                self._kept.clear()
            engine = self._kept[key] = engine_of(note, self._snapshot)
        engine.campaigns.put(note.campaigns)
        return engine


def beside(lists: Sequence[Again], numbers: Mapping[str, int], persons: NDArray[np.int64]) -> Explored:
    """Lay lists out as arrays, of items numbered from 0; the lists may have different numbers of places."""
    n, k = len(lists), max(len(each.shown) for each in lists)
    c = max(1, *(len(each.items) for each in lists))
    shown, items = np.full((n, k), -1, np.int32), np.full((n, c), -1, np.int32)
    logged, wanted = np.ones((n, k)), np.zeros((n, k))
    candidate, drawable = np.zeros((n, c, k)), np.zeros((n, c, k))
    for at, each in enumerate(lists):
        places, count = len(each.shown), len(each.items)
        shown[at, :places] = [numbers[item] for item in each.shown]
        items[at, :count] = [numbers[item] for item in each.items]
        logged[at, :places] = each.logged
        candidate[at, :count, :places], drawable[at, :count, :places] = each.candidate, each.drawable
        wanted[at] = ((shown[at] == items[at, :, None]) * candidate[at]).sum(axis=0)
    return Explored(persons, shown, logged, wanted, items, candidate, drawable)


def _blend(given: BlendSettings, manifest: Manifest) -> BlendSettings:
    """The weights of a candidate: where it has the defaults, those that its snapshot learned in their place."""
    learned = [each for each in manifest.learned_segments if getattr(given, each) == getattr(BlendSettings(), each)]
    return msgspec.structs.replace(given, **{each: getattr(manifest.blend, each) for each in learned})


def _is_drawn(head: SlateHead, placement: str | None) -> bool:
    return bool(head.propensities) and placement in (None, head.query.placement)


def _again(pair: Pair, slates: SlateLog, head: SlateHead) -> Again | str:
    try:
        note = slates.read(head.recommendation_id)
    except DataError:
        return "dropped or erased meanwhile"
    return pair.again(note)


def _built(engine: Engine, note: LoggedSlate) -> Built:
    asked = resolve_query(engine, note.query, history_of(note.history, engine))
    return build(engine, asked, note.query.limit)


def _chances(built: Built, k: int) -> dict[int, NDArray[np.float64]]:
    """Chance of each row at each of the first k places, float64[k]; what is not drawn stands where it stands."""
    found: dict[int, NDArray[np.float64]] = {}
    drawn = 0
    if built.drawn is not None:
        drawn = len(built.drawn.rows)
        for row, chances in zip(built.drawn.rows, built.drawn.chances, strict=True):
            found[row] = np.zeros(k)
            found[row][:drawn] = chances[:k]
    for place, (row, *_) in enumerate(built.builder.picks[:k]):
        if place >= drawn:
            found.setdefault(row, np.zeros(k))[place] = 1.0
    return found


def _ranking(built: Built) -> list[int]:
    """The rows of a list as it was ranked, before any draw."""
    drawn: Drawn | None = built.drawn
    rows = [row for row, *_ in built.builder.picks]
    return rows if drawn is None else [*drawn.rows, *rows[len(drawn.rows) :]][: len(rows)]


def _snapshot_of(head: SlateHead) -> str:
    return head.snapshot
