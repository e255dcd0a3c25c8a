"""An empty store of each database, and the same store opened a second time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from recsys.live.log import EventLog
from tests.live.drivers import DRIVERS, Driver


@pytest.fixture(params=DRIVERS, ids=lambda driver: driver.name)
def driver(request: pytest.FixtureRequest) -> Driver:
    """One database after the other."""
    made: Driver = request.param
    return made


@pytest.fixture
def state(driver: Driver, tmp_path: Path) -> Iterator[EventLog]:
    """An empty store."""
    made = driver.open_log(tmp_path / "state")
    yield made
    made.close()


@pytest.fixture
def other(driver: Driver, tmp_path: Path) -> Iterator[EventLog]:
    """The same store, opened a second time."""
    made = driver.open_log(tmp_path / "state")
    yield made
    made.close()
