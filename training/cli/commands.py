"""Commands of the offline job, each with the short summary that it ends with."""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from recsys import clock
from recsys.engine.settings_check import check_settings
from recsys.item_filters import Condition
from recsys.live import databases
from recsys.live.erasure import ErasureKeys
from recsys.settings import Settings
from recsys.snapshot.mirror import mirror_of
from recsys.snapshot.retention import drop_line, lines, point_line, roll_back
from recsys.snapshot.store import current_version, publish, publishing, read_manifest, verify, versions
from recsys.types import Bought, DataError, Query, SnapshotError
from training import console
from training.batch import compact as compaction
from training.batch.export import Shape, Source, published, read_users
from training.batch.export import export as write_export
from training.cli import reference
from training.cli.memory import said_of
from training.gate.gate import gate_of, summary_rows, verdict_of
from training.gate.snapshot_checks import when
from training.job.default_blend import in_words
from training.job.job import Fitted, fit
from training.job.job import train as run_train
from training.processes import ended_while_deaf

STOPPED = (
    "stopped; nothing half-done serves, and parts that are finished are kept for the next training, or until `make purge`"
)
"""What a training says that had to be ended inside compiled work."""


def train(
    settings: Settings,
    now: datetime,
    before: datetime | None,
    force: str | None = None,
    erasure_keys: ErasureKeys | None = None,
    line: str = "",
) -> int:
    """Fit, pass the gate and publish, to a snapshot line where one is named, then say what was learned."""
    with ended_while_deaf(STOPPED), console.steps("Training") as watch:
        fitted = run_train(
            settings,
            now=now,
            gate=gate_of(settings, now, force, erasure_keys, lambda said: console.say(f"• {said}")),
            before=before,
            watch=watch,
            erasure_keys=erasure_keys,
            line=line,
        )
    _summary(fitted, settings, line)
    return 0


def export(
    settings: Settings,
    now: datetime,
    lists: Sequence[tuple[Path, Bought | None]],
    users: Path | None,
    placement: str,
    limit: int | None,
    as_of: datetime | None,
    erasure_keys: ErasureKeys | None = None,
    shape: Shape = "long",
    conditions: Mapping[str, Condition] | None = None,
) -> int:
    """Write recommendations for many users: a file for each way to treat what they own, all from one snapshot."""
    check_settings(settings)
    chosen = settings.placement(placement)
    if chosen is None:
        raise DataError(f"--placement {placement!r}: there are {', '.join(settings.placement_names())}")
    ids = None if users is None else read_users(users)
    artifacts = settings.artifacts
    with tempfile.TemporaryDirectory(prefix="recsys-as-of-") as aside:
        if as_of is not None:
            with console.steps("Training") as watch:
                fitted = fit(settings, now=now, before=as_of, watch=watch, erasure_keys=erasure_keys)
            artifacts = Path(aside)
            publish(artifacts, fitted.manifest, fitted.groups)
        version = published(artifacts)
        moment = _moment(settings, read_manifest(artifacts, version).as_of, now, as_of)
        source = Source(settings, artifacts, version, as_of is None, erasure_keys)
        for out, bought in lists:
            query = Query(now=moment, placement=placement, limit=limit or chosen.limit, bought=bought)
            _write_lists(source, query, ids, out, shape, conditions)
    return 0


def _write_lists(
    source: Source,
    query: Query,
    ids: Sequence[str] | None,
    out: Path,
    shape: Shape,
    conditions: Mapping[str, Condition] | None,
) -> None:
    """Write one file and say what is in it."""
    started = time.perf_counter()
    with console.bar("Exporting", "users") as progress:
        asked, written = write_export(source, query, ids, out, progress, shape, conditions)
    seconds = time.perf_counter() - started
    console.facts(
        f"Recommendations in {out}",
        [
            ("users", asked),
            ("lines", written),
            *((("items per user", round(written / max(asked, 1), 2)),) if shape == "long" else ()),
            ("placement", query.placement),
            ("snapshot", source.version),
            ("as of", when(query.now)),
            ("seconds", round(seconds, 1)),
            ("users per second", round(asked / max(seconds, 1e-9))),
        ],
    )


def rollback(settings: Settings, to: str | None) -> int:
    """Point CURRENT elsewhere."""
    artifacts = settings.artifacts
    mirror = mirror_of(settings)
    base = mirror and mirror.remote.current()
    before = current_version(artifacts)
    version = roll_back(artifacts, to, lambda version: mirror.remote.announce(version, base) if mirror and base else None)
    console.say(f"✓ CURRENT was {before}, is {version}; running services follow within seconds")
    return 0


def snapshots(settings: Settings) -> int:
    """List what is published."""
    artifacts = settings.artifacts
    current = current_version(artifacts)
    marks: dict[str, list[str]] = {current: ["← current"]} if current else {}
    for name, named in lines(artifacts).items():
        for version in named:
            marks.setdefault(version, []).append(f"line {name}")
    rows: list[tuple[object, ...]] = []
    for version in reversed(versions(artifacts)):
        mark = "; ".join(marks.get(version, ()))
        try:
            manifest = read_manifest(artifacts, version)
        except SnapshotError as error:
            if (artifacts / version).exists():  # else another process deleted it meanwhile
                rows.append((version, "", "", "", "", "", "; ".join(filter(None, (mark, str(error))))))
            continue
        size, counts = sum(entry.bytes for entry in manifest.files.values()) / 1e6, manifest.counts
        rows.append(
            (version, when(manifest.as_of), counts["events"], counts["users"], counts["items"], round(size, 1), mark)
        )
    console.table(f"Snapshots in {artifacts}", ("version", "as of", "events", "users", "items", "MB", ""), rows)
    return 0


def line(settings: Settings, name: str, to: str | None) -> int:
    """Let a line name a version, here and in the store, or end it."""
    artifacts, mirror = settings.artifacts, mirror_of(settings)
    if to is not None:
        with publishing(artifacts):
            verify(artifacts, to)
            point_line(artifacts, to, name)
        if mirror:
            mirror.remote.change_line(name, (to,))
        console.say(f"✓ {to} is the newest version of the line {name}")
        return 0
    gone = {*mirror.end_line(name)} if mirror else set()
    if not gone or name in lines(artifacts):
        gone |= {*drop_line(artifacts, name)}
    console.say(f"✓ the line {name} is ended, with {len(gone)} versions; its arms' experiments do not run any more")
    return 0


def compact(settings: Settings, now: datetime) -> int:
    """Move old live events out of the log, and say how many in one line."""
    moved = compaction.compact(settings, now)
    files = ", ".join(str(file) for file in moved.files)
    done = f"{moved.events:,} events moved to {files}" if files else "nothing to move"
    why = (
        ""
        if files or not moved.left
        else f" (older than {settings.state.keep_days:g} days and in every kept snapshot: none)"
    )
    console.say(f"✓ {done}{why}; {moved.left:,} stay in the log")
    if moved.sends:
        console.say(f"✓ {moved.sends:,} expired sends dropped, with {moved.pins:,} rows of what was pinned to them")
    if any(moved.moments):
        console.say(f"✓ {moved.moments[0]:,} old moments emptied, {moved.moments[1]:,} forgotten about")
    return 0


def purge(settings: Settings, erasure_keys: ErasureKeys | None) -> int:
    """Delete what still holds forgotten shoppers, and say what remains."""
    purged = compaction.purge(settings, erasure_keys)
    if purged.parts:
        console.say("✓ the parts that a training that was stopped had finished are deleted")
    if not purged.forgotten:
        console.say("✓ nobody is forgotten: nothing to purge")
        return 0
    for version in purged.snapshots:
        console.say(f"✓ snapshot {version} is deleted")
    for file in purged.files:
        console.say(f"✓ {file} is without them")
    for file in purged.rejects:
        console.say(f"✓ {file} is deleted")
    for version, holds in purged.remaining.items():
        console.say(
            f"✗ snapshot {version} was not looked into: {holds}"
            if isinstance(holds, str)
            else f"✗ the current snapshot {version} still holds {holds:,} forgotten ids: run `make train`, then this again"
        )
    console.say(
        f"{'✗' if purged.remaining else '✓'} {purged.forgotten:,} ids are forgotten; {len(purged.snapshots):,} snapshots deleted, "
        f"{purged.events:,} compacted events, {purged.slates:,} logged slates and {purged.logged:,} other rows of the log removed. "
        "The shop's own tables, backups, and files that were exported before are not touched: they are left to the shop"
    )
    return 1 if purged.remaining else 0


def docs(out: Path) -> int:
    """Write the reference pages."""
    for file in reference.write(out):
        console.say(f"✓ {file}")
    return 0


OUT_OF_TIME = (
    "not learned within training.learn_blend_minutes, so the default weights answer; make tune learns it, or raise them"
)


def _summary(fitted: Fitted, settings: Settings, line: str) -> None:
    manifest = fitted.manifest
    rejected = sum(count.rejected for count in fitted.shop.counts.values())
    slowest = sorted(fitted.seconds.items(), key=lambda step: -step[1])[:4]
    console.facts(
        f"Published {manifest.version}" + (f" to the line {line}; what serves stays" if line else ""),
        [
            ("folder", settings.artifacts / manifest.version),
            ("as of", when(manifest.as_of)),
            *manifest.counts.items(),
            ("bad rows left out", rejected),
            ("partitions", said_of(settings.training, fitted.shop)),
            *((("live events folded in", live.kept),) if (live := fitted.shop.counts.get("live")) else ()),
            *((f"blend of {segment}, learned", in_words(manifest.blend, segment)) for segment in manifest.learned_segments),
            *((f"blend of {segment}", OUT_OF_TIME) for segment in manifest.stopped_segments),
            *((("ranker", manifest.ranker.said),) if manifest.ranker.said else ()),
            *(summary_rows(verdict) if (verdict := verdict_of(manifest)) else ()),
            ("size, MB", round(sum(entry.bytes for entry in manifest.files.values()) / 1e6, 1)),
            ("seconds", round(sum(fitted.seconds.values()), 1)),
            ("of which", ", ".join(f"{name} {seconds:.1f}" for name, seconds in slowest)),
            ("peak memory, MB", round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)),
        ],
    )


def _moment(settings: Settings, snapshot_as_of: int, now: datetime, as_of: datetime | None) -> int:
    if as_of is not None:
        return clock.to_microseconds(as_of)
    return snapshot_as_of if settings.web.clock == "events" else clock.to_microseconds(now)


def migrate(settings: Settings) -> int:
    """Bring the tables of live state in the database to the present format."""
    taken = databases.migrate(settings)
    if taken is None:
        console.say("live state is in SQLite files, which are migrated when they are opened: nothing to do")
    elif not taken:
        console.say("✓ the database has every migration")
    else:
        console.say(f"✓ taken: {', '.join(taken)}")
    return 0
