"""Promises of every log of slates, asked of each driver through its public methods only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from recsys.live.erasure import ErasureKeys, Tombstone, Tombstones
from recsys.live.slate_log import LoggedEvent, LoggedSlate
from recsys.settings import ProfileSettings
from recsys.types import DataError, Query
from tests.live.drivers import Driver

KEYS = ErasureKeys(["s" * 32])


def note(number: int, user: str | None = "ana", **more: Any) -> LoggedSlate:
    """What is logged of a slate that was asked for and answered at a moment."""
    made = LoggedSlate(
        recommendation_id=f"{number:024}",
        answered_at=number,
        user_id=user,
        snapshot="v",
        items_sequence=0,
        query=Query(now=number, user_id=user),
        placements={},
        profile=ProfileSettings(),
        history=(LoggedEvent("sofa-1", 7, number, 0, 5, 1.0, 19.99),),
        sha256="",
    )
    return msgspec.structs.replace(made, **more)


def erased(*rows: tuple[str, int, int]) -> Callable[[], Tombstones]:
    """Tombstones of users for spans of time."""
    return lambda: Tombstones(KEYS, [Tombstone(KEYS.sign(user), until, since) for user, since, until in rows])


def test_before_the_first_write_there_is_nothing(driver: Driver, tmp_path: Path) -> None:
    """Reading and forgetting find nothing, and make nothing."""
    log = driver.open_slates(tmp_path / "state", 9)
    assert (log.newest(9), log.forget(), log.forget(["ana"])) == ([], 0, 0)
    with pytest.raises(DataError, match="no slate 'x' is logged"):
        log.read("x")
    assert list(tmp_path.iterdir()) == []


def test_what_was_logged_is_read_again(driver: Driver, tmp_path: Path) -> None:
    """Every field comes back, by the slate's id, from whoever opens the log."""
    driver.open_slates(tmp_path, 9).write([note(1), note(2, None)])
    assert driver.open_slates(tmp_path, 9).read(f"{2:024}") == note(2, None)
    assert driver.open_slates(tmp_path, 9).newest(1) == [note(2, None)]


def test_the_log_is_bounded(driver: Driver, tmp_path: Path) -> None:
    """The oldest go first; what is gone says so."""
    log = driver.open_slates(tmp_path, 3)
    for number in range(5):
        log.write([note(number)])
    assert [each.answered_at for each in log.newest(9)] == [4, 3, 2]
    with pytest.raises(DataError, match="no slate '000000000000000000000001' is logged"):
        log.read(f"{1:024}")


def test_the_first_of_an_id_stays(driver: Driver, tmp_path: Path) -> None:
    """The same slate answered twice is one note."""
    log = driver.open_slates(tmp_path, 9)
    log.write([note(1), note(1)])
    log.write([note(1, answered_at=77)])
    assert [each.answered_at for each in log.newest(9)] == [1]


def test_the_erased_leave_the_log(driver: Driver, tmp_path: Path) -> None:
    """What tombstones cover is deleted, of the users asked for, and counted; what an id was asked for at other times stays."""
    slates = [note(1), note(2), note(3, "ben"), note(4), note(5, "ben")]
    driver.open_slates(tmp_path, 99).write(slates)
    log = driver.open_slates(tmp_path, 99, erased(("ana", 0, 2), ("ben", 4, 9)))
    assert log.forget(["ana", "nobody"]) == 2
    assert [each.answered_at for each in log.newest(99)] == [5, 4, 3]
    assert (log.forget(), log.forget()) == (1, 0)
    assert [each.answered_at for each in log.newest(99)] == [4, 3]


def test_a_slate_that_knew_what_is_erased_goes(driver: Driver, tmp_path: Path) -> None:
    """Also one that was asked for later, when the id was somebody else's, or as of a moment to come."""
    log = driver.open_slates(tmp_path, 9, erased(("tablet", 3, 5)))
    past, future = LoggedEvent("sofa-1", 3, 4, 0, -1, None, None), Query(now=99, user_id="tablet")
    log.write([note(7, "tablet", history=(past,)), note(8, "tablet"), note(4, "tablet", query=future, history=())])
    assert [each.answered_at for each in log.newest(9)] == [8]


def test_the_erased_are_not_logged(driver: Driver, tmp_path: Path) -> None:
    """A slate that waited while its user was erased is left out; one of later is not, nor one of nobody."""
    log = driver.open_slates(tmp_path, 9, erased(("ana", 0, 5)))
    log.write([note(5), note(6), note(4, None)])
    assert [each.answered_at for each in log.newest(9)] == [4, 6]
