"""Finished parts of a killed training: taken up where they are the same, and for nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from threading import Event

import msgspec
import numpy as np
import polars as pl
import pytest

from recsys.settings import BehaviourSettings, Settings
from recsys.snapshot.catalog import Catalog, catalog_arrays
from recsys.snapshot.histories import Tables
from recsys.tables.items import finish_items
from recsys.types import Arrays, DataError
from tests.conftest import ITEMS, ago, busy_events
from tests.support.shops.handmade import canonical, item_frame
from training.runners import finished as module
from training.runners.base import Fit, Settled
from training.runners.finished import FOLDER, Finished, FinishedParts, finished_parts, forget_finished
from training.runners.local import LocalParts, LocalRunner

PATIENCE_SECONDS = 60


@cache
def catalog() -> Arrays:
    """The catalogue of the small shop."""
    return catalog_arrays(finish_items(item_frame(ITEMS), None), None)


@cache
def rows() -> pl.LazyFrame:
    """Its events."""
    return canonical(busy_events())


@pytest.fixture
def run(tmp_path: Path) -> Iterator[FinishedParts]:
    """A run that nothing ends."""
    with ExitStack() as held:
        yield FinishedParts(tmp_path, Settings(), held)


def settled(finished: Finished, events: pl.LazyFrame | None = None, partitions: int = 3) -> Settled:
    """The events settled, with finished parts."""
    taken = rows() if events is None else events
    return LocalRunner(finished).settled(taken, catalog(), BehaviourSettings(), partitions)


def kept(artifacts: Path) -> dict[str, int]:
    """Everything that is kept, with the time at which it was written."""
    return {place.name: place.stat().st_mtime_ns for place in artifacts.glob(f"{FOLDER}/*/*")}


def next_run(artifacts: Path, held: ExitStack, settings: Settings | None = None) -> FinishedParts:
    """A run that starts when the one before is gone."""
    return FinishedParts(artifacts, settings or Settings(), held)


def arrays(settled: Settled) -> list[bytes]:
    """The bytes of settled events."""
    return [getattr(settled.events, name).tobytes() for name in settled.events.__slots__]


class Learner:
    """A fit that counts items, dies at a partition of its choice, and knows how often it was asked."""

    def __init__(self, dies_at: int | None = None) -> None:
        self.dies_at, self.asked, self.merged = dies_at, 0, 0

    def partial(self, tables: Tables) -> Arrays:
        """Count the items of a partition."""
        if self.asked == self.dies_at:
            raise KeyboardInterrupt
        self.asked += 1
        return {"count": np.bincount(np.maximum(tables.events.items, 0), minlength=tables.catalog.n_items)}

    def fit(self) -> Fit:
        """It as a fit."""
        return Fit(self.partial, self.merge, "counts")

    def merge(self, parts: Sequence[Arrays]) -> Arrays:
        """Add the counts up."""
        self.merged += 1
        return {"count": np.sum([part["count"] for part in parts], axis=0)}

    def learn(self, settled: Settled, settings: str = "counts") -> list[int]:
        """Learn from settled events."""
        tables = Tables(settled.events, Catalog(catalog()), len(settled.user_ids), 7, 20)
        fit = self.fit()._replace(settings=settings)
        (found,) = settled.parts.learn({"counts": fit}, tables, catalog())
        return [*found["count"].tolist()]


def test_a_fit_goes_on_from_the_partitions_that_were_summed_up(tmp_path: Path) -> None:
    """Of a fit that dies at its third partition the next run asks for the third alone, a fit that ended is not made again, and other
    settings of it take nothing up."""
    first, second, third = Learner(dies_at=2), Learner(), Learner()
    with ExitStack() as held, pytest.raises(KeyboardInterrupt):
        first.learn(settled(next_run(tmp_path, held)))
    with ExitStack() as held:
        found = second.learn(settled(next_run(tmp_path, held)))
    assert (first.asked, second.asked, second.merged) == (2, 1, 1)
    with ExitStack() as held:
        run = next_run(tmp_path, held)
        assert third.learn(settled(run)) == found
        assert (third.asked, third.merged) == (0, 0)
        third.learn(settled(run), settings="otherwise")
    assert (third.asked, third.merged) == (3, 1)
    assert found == Learner().learn(LocalRunner().settled(rows(), catalog(), BehaviourSettings(), 1))


def test_a_fit_is_taken_up_as_it_was_written(tmp_path: Path) -> None:
    """One whose bytes changed on the disk is summed up and merged again."""
    first, second = Learner(), Learner()
    with ExitStack() as held:
        found = first.learn(settled(next_run(tmp_path, held)))
    (file,) = tmp_path.glob(f"{FOLDER}/*/*/count.npy")
    file.write_bytes(file.read_bytes()[:-1] + b"\x55")
    with ExitStack() as held:
        assert second.learn(settled(next_run(tmp_path, held))) == found
    assert (second.asked, second.merged) == (3, 1)


def test_the_next_fit_is_summed_up_while_one_is_merged() -> None:
    """Its partitions are asked for before the one before it is merged, and each learns from its own sums."""
    summed, events = Event(), settled(module.NOTHING_KEPT)
    tables = Tables(events.events, Catalog(catalog()), len(events.user_ids), 7, 20)

    def total(parts: Sequence[Arrays]) -> Arrays:
        return {"total": np.sum([part["number"] for part in parts], axis=0)}

    def first(parts: Sequence[Arrays]) -> Arrays:
        assert summed.wait(PATIENCE_SECONDS)
        return total(parts)

    def second(_tables: Tables) -> Arrays:
        summed.set()
        return {"number": np.array(100)}

    fits = {"first": Fit(lambda _tables: {"number": np.array(1)}, first, 0), "second": Fit(second, total, 0)}
    found = events.parts.learn(fits, tables, catalog())
    assert [each["total"].item() for each in found] == [3, 300]


def test_partitions_are_taken_up_as_they_were_written(tmp_path: Path) -> None:
    """Mapped partitions are not made again; one whose bytes changed on the disk, or that was written to its half, is."""
    whole = arrays(settled(module.NOTHING_KEPT))
    with ExitStack() as held:
        assert arrays(settled(next_run(tmp_path, held))) == whole
    before = kept(tmp_path)
    broken = sorted(before)[1]
    (file,) = tmp_path.glob(f"{FOLDER}/*/{broken}/times.npy")
    file.write_bytes(file.read_bytes()[:-1] + b"\x55")
    (file.parents[1] / ".half").mkdir()
    with ExitStack() as held:
        assert arrays(settled(next_run(tmp_path, held))) == whole
    after = kept(tmp_path)
    assert before.keys() == after.keys()
    assert {name for name in before if before[name] != after[name]} == {broken}


@pytest.mark.parametrize("changed", ["rows", "settings", "program"])
def test_nothing_is_taken_for_something_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str) -> None:
    """With another row, other settings or another program, what was kept is deleted before anything new is."""
    with ExitStack() as held:
        settled(next_run(tmp_path, held))
    before, settings, events = kept(tmp_path), Settings(), rows()
    if changed == "rows":
        others = busy_events()
        others[5] |= {"timestamp": ago(3)}
        events = canonical(others)
    elif changed == "settings":
        settings = msgspec.structs.replace(settings, seed=settings.seed + 1)
    else:
        monkeypatch.setattr(module, "_program", lambda: "another")
    with ExitStack() as held:
        settled(next_run(tmp_path, held, settings), events)
    assert len(before) == len(kept(tmp_path)) == 3
    assert not {*before.values()} & {*kept(tmp_path).values()}


def test_two_runs_at_once_do_not_share(run: FinishedParts, tmp_path: Path) -> None:
    """Beside a run that keeps its parts another one keeps none, learns the same, and deletes nothing when it ends."""
    settled(run)
    before = kept(tmp_path)
    with finished_parts(tmp_path, Settings()) as second:
        assert arrays(settled(second)) == arrays(settled(run))
        assert not second.keeps
        assert not forget_finished(tmp_path)
    assert kept(tmp_path) == before


def test_a_run_that_ends_leaves_nothing(tmp_path: Path) -> None:
    """Neither a run that publishes nor one that is refused leaves parts; arrays that were read from them stay."""
    with finished_parts(tmp_path, Settings()) as finished:
        parts = settled(finished)
        assert len(kept(tmp_path)) == 3
    assert not (tmp_path / FOLDER).exists()
    assert arrays(parts) == arrays(settled(module.NOTHING_KEPT))

    def refused() -> None:
        with finished_parts(tmp_path, Settings()) as finished:
            settled(finished)
            raise DataError("refused")

    with pytest.raises(DataError):
        refused()
    assert not (tmp_path / FOLDER).exists()
    assert LocalParts(1).finished is module.NOTHING_KEPT


@pytest.mark.parametrize("left", [b"", b"\x93NUMPY", b"no array"])
def test_a_part_that_was_cut_off_is_made_again(run: FinishedParts, tmp_path: Path, left: bytes) -> None:
    """A file that a power cut left empty, or short, ends no training."""
    settled(run)
    for file in tmp_path.glob(f"{FOLDER}/*/*/*.npy"):
        file.write_bytes(left)
    assert arrays(settled(run)) == arrays(settled(module.NOTHING_KEPT))


def test_a_run_that_keeps_nothing_leaves_nothing_of_others(run: FinishedParts, tmp_path: Path) -> None:
    """Parts of a killed run are deleted by a run of one partition that ends, and by one that begins among stray files."""
    settled(run)
    run._held.close()
    with finished_parts(tmp_path, Settings()) as single:
        settled(single, partitions=1)
        assert kept(tmp_path)
    assert not (tmp_path / FOLDER).exists()
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "stray").write_text("")
    with finished_parts(tmp_path, Settings()) as several:
        settled(several)
        assert several.keeps
        assert len(kept(tmp_path)) == 3
    assert not (tmp_path / FOLDER).exists()


def test_an_interrupted_run_says_that_parts_are_kept(tmp_path: Path) -> None:
    """Ctrl-C leaves what is finished to the next run, and tells; where nothing is kept there is nothing to tell."""

    def stop(partitions: int) -> None:
        with finished_parts(tmp_path, Settings()) as finished:
            settled(finished, partitions=partitions)
            raise KeyboardInterrupt

    def interrupted(partitions: int) -> KeyboardInterrupt:
        with pytest.raises(KeyboardInterrupt) as stopped:
            stop(partitions)
        return stopped.value

    assert not hasattr(interrupted(1), "__notes__")
    assert interrupted(3).__notes__ == ["finished parts are kept for the next training, or until `make purge`"]
    assert len(kept(tmp_path)) == 3


def test_without_room_nothing_is_kept(run: FinishedParts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is nearly full, or a folder that nobody may write to, stops no training."""
    monkeypatch.setattr(module, "LEAST_FREE", 1 << 60)
    assert arrays(settled(run)) == arrays(settled(module.NOTHING_KEPT))
    assert not kept(tmp_path)
    (tmp_path / "file").write_text("")
    with ExitStack() as held:
        nowhere = next_run(tmp_path / "file", held)
        assert arrays(settled(nowhere)) == arrays(settled(module.NOTHING_KEPT))
        assert not nowhere.keeps
