"""Keeping the live log small, and forgetting for good.

`compact` moves old events into Parquet files that training reads like the log itself. A file is whole on the disk before the log
loses its rows, and readers pass over rows of the log that a file has, so it may be killed at any point: nothing is lost and nothing
counts twice, and the next run ends what was begun. `purge` deletes what forgotten shoppers left in files that were written before.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from recsys import clock
from recsys.disk import locked, sync, why_unwritten, write_whole
from recsys.live.databases import open_log, open_slates
from recsys.live.erasure import ErasureKeys, Tombstone, Tombstones
from recsys.live.log import EventLog
from recsys.settings import Settings
from recsys.snapshot.id_index import IdMap
from recsys.snapshot.mirror import mirror_of
from recsys.snapshot.retention import delete
from recsys.snapshot.store import current_version, open_snapshot, publishing, read_manifest, remove_leftovers, versions
from recsys.tables.checks.rejects import FORGOTTEN, rejects_file
from recsys.tables.erased_rows import NAMING, ErasedRows
from recsys.tables.live_rows import (
    EVENTS_FOLDER,
    RECEIVED,
    SEQ,
    compacted_files,
    event_frame,
    last_moved,
    read_live,
)
from recsys.tables.shop import map_tables
from recsys.tables.sources import ROW
from recsys.tables.values.ids import made_alike
from recsys.types import DataError, SnapshotError
from training.runners.finished import forget_finished

EVENTS_PER_FILE = 1_000_000
"""Most events of one file, and in memory at a time."""
_LOCK = ".lock"


@dataclass(frozen=True, slots=True)
class Moved:
    """Result of a run: files written, events in them, events that stay in the log, and the number up to which it might move;
    and what it dropped: expired sends, and rows of what was pinned to them; of moments, lines and ids."""

    files: tuple[Path, ...]
    events: int
    left: int
    may_move: int
    sends: int = 0
    pins: int = 0
    moments: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Purged:
    """Deleted rows, and those that could not be deleted: snapshot = forgotten ids in it, or why it was not looked into."""

    forgotten: int
    snapshots: tuple[str, ...]
    files: tuple[Path, ...]
    events: int
    rejects: tuple[Path, ...]
    remaining: dict[str, int | str]
    slates: int = 0
    """Logged slates that were deleted."""
    logged: int = 0
    """Rows of the live log that were deleted: put back from a backup, or written beside an erasure."""
    parts: bool = False
    """Whether parts of a training that was stopped were deleted."""


def compact(settings: Settings, now: datetime, max_n: int = EVENTS_PER_FILE) -> Moved:
    """Move the events out of the log that every kept snapshot knows and that came more than `state.keep_days` ago, `max_n` a file,
    and drop what is pinned to sends that expired before then, the lines of moments as old, and moments after `remember_days`.

    Raises:
        StateError: if the log cannot be read or written.
        SnapshotError: if a kept snapshot's manifest cannot be read.
        DataError: if a file cannot be written, or does not hold what was written.
    """
    folder = settings.path(settings.state.folder) / EVENTS_FOLDER
    oldest_kept = now - timedelta(days=settings.state.keep_days)
    with closing(open_log(settings)) as state:
        may_move = min(_folded_everywhere(settings), state.last())
        if not state.last():
            return Moved((), 0, 0, 0)
        with _alone(folder):
            finish(state, folder)
            files, events = [], 0
            while (rows := due(state, folder, may_move, oldest_kept, max_n)).height:
                files.append(write(folder, rows))
                events += rows.height
                finish(state, folder)
            state.drop_superseded_items(may_move)  # newer ones are still asked for, to replay a logged slate
            dropped = state.pins.drop_expired(clock.to_microseconds(oldest_kept))
            state.item_changes.drop(clock.to_microseconds(oldest_kept))
            state.dislikes.drop(clock.to_microseconds(oldest_kept))
            forgotten = now - timedelta(days=settings.moments.remember_days)
            retired = state.moments.retire(*(clock.to_microseconds(each) for each in (oldest_kept, forgotten)))
        return Moved(tuple(files), events, state.count_events(), may_move, dropped["sends"], dropped["pins"], retired)


def due(state: EventLog, folder: Path, may_move: int, oldest_kept: datetime, max_n: int = EVENTS_PER_FILE) -> pl.DataFrame:
    """The next events to move, `max_n` at a time: everything from the last one moved to the first that has to stay."""
    frames, height = [event_frame([])], 0
    for batch in state.events_between(last_moved(state, compacted_files(folder)), may_move):
        frame = event_frame(batch)
        frames.append(frame.filter((frame[RECEIVED] >= oldest_kept).cum_sum() == 0))
        height += frames[-1].height
        if frames[-1].height < frame.height or height >= max_n:
            break
    return pl.concat(frames).head(max_n)


def write(folder: Path, rows: pl.DataFrame) -> Path:
    """Write events as one file, whole on the disk when it has its name."""
    target = folder / f"events-{rows[SEQ][0]}-{rows[SEQ][-1]}.parquet"
    _replace(target, rows)
    return target


def finish(state: EventLog, folder: Path) -> None:
    """Delete from the log what stands in files, and what an interrupted run left half-written."""
    for leftover in folder.glob("*.tmp"):
        leftover.unlink(missing_ok=True)
    if moved := last_moved(state, compacted_files(folder)):
        state.drop_events(moved)


def purge(settings: Settings, erasure_keys: ErasureKeys | None) -> Purged:
    """Delete the snapshots that hold a forgotten shopper, though never the current one, and their rows in other files of ours; and,
    whether anybody is forgotten or not, what a training that was stopped keeps.

    Raises:
        StateError: if the log cannot be read.
        SettingsError: if somebody was forgotten with a secret that `erasure_keys` does not have.
        DataError: if a file cannot be read or written.
    """
    with closing(open_log(settings)) as state:
        rows = [(news.seq, news.row) for news in state.news(0).shared if isinstance(news.row, Tombstone)]
    tombstones = Tombstones(erasure_keys, [row for _, row in rows])
    if not tombstones:
        return Purged(0, (), (), 0, (), {}, parts=forget_finished(settings.artifacts))
    if settings.artifacts.is_dir():
        with publishing(settings.artifacts):
            remove_leftovers(settings.artifacts)
    snapshots, remaining = _purge_snapshots(settings, erasure_keys, rows)
    files, events = _purge_events(settings, tombstones)
    slates = open_slates(settings, lambda: tombstones).forget()
    parts = forget_finished(settings.artifacts)
    rejects = _purge_rejects(settings, tombstones)
    with closing(open_log(settings)) as state:
        logged = state.forget_again(tombstones)
    return Purged(len(tombstones), snapshots, files, events, rejects, remaining, slates, logged, parts)


def _folded_everywhere(settings: Settings) -> int:
    """The last number of the log that every kept snapshot has taken in; 0 without snapshots."""
    artifacts = settings.artifacts
    return min((read_manifest(artifacts, version).state_sequence for version in versions(artifacts)), default=0)


def _purge_snapshots(
    settings: Settings, erasure_keys: ErasureKeys | None, rows: list[tuple[int, Tombstone]]
) -> tuple[tuple[str, ...], dict[str, int | str]]:
    artifacts, mirror = settings.artifacts, mirror_of(settings)
    doomed, remaining = dict[str, int](), dict[str, int | str]()
    for version in versions(artifacts):
        try:
            found = _holds(artifacts, version, erasure_keys, rows)
        except SnapshotError as error:
            remaining[version] = str(error)
            continue
        if found and version == current_version(artifacts):
            remaining[version] = found
        elif found:
            doomed[version] = found
    if mirror:
        mirror.remote.delete(())  # what one that was cut off left
    for version, found in doomed.items():  # one whole before the next: what is cut off leaves the files of one at most
        if mirror:
            mirror.remote.delete((version,))
            if version in mirror.remote.versions():  # it serves again since another machine's rollback
                remaining[version] = found
                continue
        delete(artifacts, version)
    return tuple(version for version in doomed if version not in remaining), remaining


def _holds(artifacts: Path, version: str, erasure_keys: ErasureKeys | None, rows: list[tuple[int, Tombstone]]) -> int:
    """Forgotten ids among the users and links of a snapshot.

    A shopper who was forgotten before its tables were read is not in it, or is there again with a new history.
    """
    sequence = read_manifest(artifacts, version).state_sequence
    tombstones = Tombstones(erasure_keys, [row for seq, row in rows if seq > sequence])
    if not tombstones:
        return 0
    snapshot = open_snapshot(artifacts, version)
    past, links = snapshot.histories, snapshot.groups["links"]
    known, anonymous = (
        [ids.text(row) for row in range(len(ids))] for ids in (IdMap(links, "known"), IdMap(links, "anonymous"))
    )
    found = {each for each in known if tombstones.spans(each)}
    for each in anonymous:
        if any(tombstones.cover(each, link.timestamp) for link in snapshot.links.of(each)):
            found.add(each)
    for row in range(len(past.users)):
        times = past.at(row).times
        if any(((times >= since) & (times <= until)).any() for since, until in tombstones.spans(past.users.text(row))):
            found.add(past.users.text(row))
    return len(found)


def _purge_events(settings: Settings, tombstones: Tombstones) -> tuple[tuple[Path, ...], int]:
    folder = settings.path(settings.state.folder) / EVENTS_FOLDER
    if not compacted_files(folder):
        return (), 0
    changed, events = [], 0
    others = map_tables(settings, [name for name in NAMING if name != "events"])
    with _alone(folder):
        forgotten = ErasedRows(tombstones, others, read_live(settings), settings.data.nobody)
        for file in compacted_files(folder):
            rows = pl.read_parquet(file.path)
            theirs = forgotten.of_events(made_alike(rows.lazy(), settings.data.ids).rename({SEQ: ROW}))[ROW]
            if len(theirs):
                _replace(file.path, rows.filter(~pl.col(SEQ).is_in(theirs.implode())))
                changed.append(file.path)
                events += len(theirs)
    return tuple(changed), events


def _purge_rejects(settings: Settings, tombstones: Tombstones) -> tuple[Path, ...]:
    """Delete the rejects files that were written before somebody was forgotten; the next reading of the tables writes new ones."""
    deleted = []
    for name in NAMING:
        file = rejects_file(settings, name)
        if file.exists() and pl.read_parquet_metadata(file).get(FORGOTTEN) != tombstones.fingerprint:
            file.unlink()
            deleted.append(file)
    return tuple(deleted)


def _replace(target: Path, rows: pl.DataFrame) -> None:
    """Write a file aside, look at it, and give it its name when it has reached the disk."""
    try:
        with write_whole(target) as aside:
            rows.write_parquet(aside)
            if not pl.read_parquet(aside, columns=[SEQ])[SEQ].equals(rows[SEQ]):
                raise DataError(f"{aside} does not hold the events that were written to it; look at its disk")
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{target} cannot be written: {why_unwritten(error, target.parent)}") from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other run is at the folder."""
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync(folder.parent)
    with locked(folder / _LOCK):
        yield
