"""An empty store of each database, and the same store opened a second time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from recsys.live.log import EventLog
from tests.live.drivers import Driver, PostgresDriver, SqliteDriver
from tests.support.servers.postgres import PostgresServer, postgres_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server for all tests of this folder; they are skipped where PostgreSQL is not installed."""
    with postgres_server() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgres"])
def driver(request: pytest.FixtureRequest) -> Driver:
    """One database after the other."""
    if request.param == "sqlite":
        return SqliteDriver()
    return PostgresDriver(request.getfixturevalue("postgres").url)


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
