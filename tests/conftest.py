"""A small shop whose right answers a reader can work out, and real folders, engines and snapshots made from it."""

from __future__ import annotations

import ast
import os
import signal
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis
import polars as pl
import pytest

from recsys import clock
from recsys.engine.pipeline import Engine, answer
from recsys.settings import Settings
from recsys.settings.load import parse_settings
from recsys.snapshot.store import SnapshotStore, current_version, open_snapshot
from recsys.types import Query, Slate
from tests.support.kept import ARTIFACTS, Kept, files_in, write_files
from tests.support.shops.evaluated import Run, evaluated, taste_tables
from tests.support.training import train
from training.job.job import Fitted, fit

hypothesis.settings.register_profile(
    "calm", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("calm")
"""Properties are tried on the same examples every time, however busy the machine is."""

STARTS = (
    "benchmarks",
    "multiprocessing",
    "nbclient",
    "subprocess",
    "tests.support.servers.browser",
    "tests.support.servers.postgres",
    "tests.support.servers.running",
    "tests.support.servers.store",
)
"""A file that imports one of these has tests that start processes: `e2e`."""
ASKED = ("RECSYS_CASES", "RECSYS_DATA", "RECSYS_KNOWN_ROWS", "RECSYS_MADE_UP", "RECSYS_MUTATIONS")
"""Variables that ask something of tests; any other is a service's, such as the demo's keys, and tests set their own."""
KINDS = ("unit", "service", "e2e")
TRAINS = ("recsys.web", "simulator", "training")
"""A file that imports one of these, and none of those, has tests that train on a shop or ask the service: `service`."""


def pytest_configure(config: pytest.Config) -> None:
    """Let SIGHUP end what tests start, also where the tests themselves run under nohup, and no key of a demo open anything."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    for name in [each for each in os.environ if each.startswith("RECSYS_") and each not in ASKED]:
        del os.environ[name]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test `unit`, `service` or `e2e` by what its file imports, or the conftest.py of its folder."""
    for item in items:
        item.add_marker(kind_of(item.path))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Read no file whose tests were not asked for: of `-m unit`, or `-m "unit and …"`, only those of unit tests."""
    expression = config.option.markexpr
    asked = "" if " or " in expression else expression.partition(" and ")[0]
    is_other = asked in KINDS and collection_path.match("test_*.py") and kind_of(collection_path) != asked
    return True if is_other else None


@cache
def kind_of(file: Path) -> str:
    """What a file's tests are, by what it imports, or the conftest.py of its folder."""
    folder = file.parent / "conftest.py"
    is_root = folder.parent == Path(__file__).parent
    found = imports_of(file) | (imports_of(folder) if folder.exists() and not is_root else frozenset())
    return "e2e" if _any_in(found, STARTS) else "service" if _any_in(found, TRAINS) else "unit"


@cache
def imports_of(file: Path) -> frozenset[str]:
    """The modules that a file imports, wherever in it."""
    nodes = list(ast.walk(ast.parse(file.read_text())))
    plain = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    return frozenset(plain | {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module})


def _any_in(modules: Iterable[str], packages: Sequence[str]) -> bool:
    return any(module == package or module.startswith(package + ".") for module in modules for package in packages)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI nothing is skipped in silence: only tests of data that is not there may be, and they name its variable."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not os.environ.get("CI") or reporter is None:
        return
    unasked = [report for report in reporter.stats.get("skipped", ()) if "RECSYS_" not in str(report.longrepr)]
    for report in unasked:
        reporter.write_line(f"CI: skipped without naming missing data: {report.nodeid}: {report.longrepr}", red=True)
    if unasked:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
"""Every test's now."""

ITEMS: list[dict[str, Any]] = [
    {"item_id": "sofa-1", "title": "Oak sofa", "category": "Home > Sofas", "brand": "Oakly", "price": 900.0},
    {"item_id": "sofa-2", "title": "Velvet sofa", "category": "Home > Sofas", "brand": "Oakly", "price": 1200.0},
    {"item_id": "sofa-3", "title": "Corner sofa", "category": "Home > Sofas", "brand": "Norr", "price": 1500.0},
    {"item_id": "sofa-4", "title": "Day bed", "category": "Home > Sofas", "brand": "Norr", "price": 700.0},
    {"item_id": "lamp-1", "title": "Desk lamp", "category": "Home > Lamps", "brand": "Norr", "price": 80.0},
    {"item_id": "lamp-2", "title": "Floor lamp", "category": "Home > Lamps", "brand": "Norr", "price": 120.0},
    {"item_id": "lamp-3", "title": "Paper lamp", "category": "Home > Lamps", "brand": "Oakly", "price": 40.0},
    {"item_id": "bag-1", "title": "Tote bag", "category": "Fashion > Bags", "brand": "Sella", "price": 400.0},
    {"item_id": "bag-2", "title": "Evening bag", "category": "Fashion > Bags", "brand": "Sella", "price": 650.0},
    {"item_id": "soap-1", "title": "Soap", "category": "Beauty", "brand": "Sella", "price": 9.0, "replenishable": True},
    {"item_id": "soap-2", "title": "Fig soap", "category": "Beauty", "brand": None, "price": 11.0, "replenishable": True},
    {
        "item_id": "gone-1",
        "title": "Sold out",
        "category": "Home > Lamps",
        "brand": "Norr",
        "price": 60.0,
        "available": False,
    },
]

SETTINGS = """
[data.events]
paths = ["events.parquet"]
[data.items]
paths = ["items.parquet"]
[web]
auth = "off"
development = true
clock = "events"
"""


def ago(days: float = 0, minutes: float = 0, seconds: float = 0) -> datetime:
    """The moment so long before NOW."""
    return NOW - timedelta(days=days, minutes=minutes, seconds=seconds)


def micros(moment: datetime) -> int:
    """Microseconds since 1970."""
    return clock.to_microseconds(moment)


def event(user: str, item: str | None, kind: str = "view", at: datetime | None = None, **more: Any) -> dict[str, Any]:
    """One event row; without a time it is a day ago."""
    return {"user_id": user, "item_id": item, "event_type": kind, "timestamp": at or ago(days=1), **more}


_published: Kept[tuple[str, dict[str, tuple[bytes, int]]]] = Kept()
_fitted: Kept[Fitted] = Kept()


@dataclass
class Shop:
    """Tables in a folder, and what the project makes of them."""

    folder: Path
    events: list[dict[str, Any]] = field(default_factory=list)
    items: list[dict[str, Any]] = field(default_factory=lambda: list(ITEMS))
    toml: str = SETTINGS

    def add(self, *events: dict[str, Any]) -> Shop:
        """Add events."""
        self.events.extend(events)
        return self

    @property
    def settings(self) -> Settings:
        """The settings over this folder."""
        return parse_settings(self.toml, self.folder)

    def write(self) -> None:
        """Write the tables."""
        kinds: dict[str, Any] = {
            "user_id": pl.String,
            "item_id": pl.String,
            "event_type": pl.String,
            "timestamp": pl.Datetime("us", "UTC"),
        }
        optional = {"order_id": pl.String, "quantity": pl.Float64, "price": pl.Float64}
        pl.DataFrame(self.events, schema={**kinds, **optional}).write_parquet(self.folder / "events.parquet")
        words = ("item_id", "title", "category", "brand", "group_id")
        columns: dict[str, Any] = dict.fromkeys(words, pl.String) | {
            "price": pl.Float64,
            "available": pl.Boolean,
            "replenishable": pl.Boolean,
        }
        if any("published_at" in item for item in self.items):
            columns |= {"published_at": pl.Datetime("us", "UTC")}
        pl.DataFrame(self.items, schema=columns).write_parquet(self.folder / "items.parquet")

    def fit(self, before: datetime | None = None) -> Fitted:
        """Fit in memory, as of the newest event."""
        self.write()
        return fit(self.settings, now=NOW, before=before)

    def publish(self, now: datetime = NOW, force: str | None = None) -> str:
        """Fit and publish, past the gate with a reason; returns the version. What is in a new folder may be published before."""
        self.write()
        artifacts = self.folder / ARTIFACTS

        def make() -> tuple[str, dict[str, tuple[bytes, int]]]:
            version = train(self.settings, now=now, force=force).manifest.version
            return version, files_in(artifacts)

        version, files = _published.get(self.folder, f"{self.toml}\0{now}\0{force}", make)
        write_files(artifacts, files)
        return version

    def engine(self) -> Engine:
        """Fit and serve from memory."""
        self.write()
        return Engine(_fitted.get(self.folder, self.toml, self.fit).snapshot(), self.settings)

    def published_engine(self) -> Engine:
        """Publish and serve from the folder."""
        self.publish()
        artifacts = self.folder / "artifacts"
        version = current_version(artifacts)
        assert version is not None
        return Engine(open_snapshot(artifacts, version), self.settings)

    def store(self) -> SnapshotStore[Engine]:
        """Follow this folder's artifacts."""
        return SnapshotStore(self.folder / "artifacts", lambda snapshot: Engine(snapshot, self.settings))


def ask(engine: Engine, user: str | None = None, now: datetime = NOW, **more: Any) -> Slate:
    """Ask the pipeline as the service does."""
    history = engine.snapshot.histories.of(user or "")
    return answer(engine, Query(now=micros(now), user_id=user, **more), history)


def shown(engine: Engine, slate: Slate) -> list[str]:
    """The item ids of a slate, best first."""
    return [engine.catalog.item_id(row) for row in slate.items]


def busy_events() -> list[dict[str, Any]]:
    """Thirty shoppers: even ones love home, odd ones fashion and beauty; all look, some buy."""
    home, other = ["sofa-1", "sofa-2", "sofa-3", "lamp-1", "lamp-2", "lamp-3"], ["bag-1", "bag-2", "soap-1", "soap-2"]
    rows = []
    for number in range(30):
        loved: Sequence[str] = home if number % 2 == 0 else other
        for step in range(4):
            item = loved[(number // 2 + step) % len(loved)]
            rows.append(event(f"user-{number}", item, "view", ago(days=2 + number % 5, minutes=10 * step)))
        bought = loved[(number // 2) % len(loved)]
        rows.append(event(f"user-{number}", bought, "purchase", ago(days=1 + number % 5), order_id=f"order-{number}"))
        if number % 3 == 0:
            also = loved[(number // 2 + 3) % len(loved)]
            rows.append(event(f"user-{number}", also, "purchase", ago(days=1 + number % 5), order_id=f"order-{number}"))
    return rows


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The busy shop's published snapshots; read only."""
    shop = Shop(tmp_path_factory.mktemp("artifacts"), busy_events())
    shop.publish()
    return shop.folder / "artifacts"


@pytest.fixture(scope="session")
def shop_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables of three hundred shoppers with tastes; read only."""
    return taste_tables(tmp_path_factory.mktemp("tastes"))


@pytest.fixture(scope="session")
def run(shop_folder: Path) -> Run:
    """That shop, evaluated on its last sixty days."""
    return evaluated(shop_folder)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """An empty shop of a dozen items."""
    return Shop(tmp_path)


@pytest.fixture
def busy_shop(tmp_path: Path) -> Shop:
    """The shop with thirty shoppers' events."""
    return Shop(tmp_path, busy_events())


@pytest.fixture
def make_shop_in(tmp_path: Path) -> Callable[[str], Shop]:
    """Make further shops, each in its own folder."""

    def make(name: str) -> Shop:
        folder = tmp_path / name
        folder.mkdir()
        return Shop(folder)

    return make
