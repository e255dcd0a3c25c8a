"""`make restock`: who runs out of stock, worked out by hand, with what happened since the snapshot; and the report's section."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recsys.engine.pipeline import Engine
from recsys.engine.serving_state import ServingState
from recsys.item_updates import ItemUpdate
from recsys.live.databases import log_in
from recsys.live.log import EventLog
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.store import current_version, open_snapshot
from recsys.types import Event
from tests.conftest import NOW, SETTINGS, Shop, ago, busy_events, event, micros
from training.__main__ import main
from training.batch.restock import SCHEMA, sold_lately
from training.report import write_report


@dataclass
class Stocked(Shop):
    """A shop that says how many pieces it has of some items."""

    stock: dict[str, float] = field(default_factory=dict)

    def write(self) -> None:
        """Write the tables; the item table with a column of stock."""
        super().write()
        file = self.folder / "items.parquet"
        items = pl.read_parquet(file)
        pieces = [self.stock.get(item_id) for item_id in items["item_id"]]
        items.with_columns(pl.Series("stock", pieces, pl.Float64)).write_parquet(file)

    @property
    def state(self) -> EventLog:
        """The live log."""
        return log_in(self.settings.path(self.settings.state.folder))

    def sell(self, item: str, count: int, days: float = 3) -> None:
        """Sell pieces so many days ago, each to somebody else."""
        self.add(*(event(f"{item}-{number}", item, "purchase", ago(days)) for number in range(count)))

    def happen(self, *rows: dict[str, Any]) -> None:
        """Accept live events."""
        events = [
            Event(**row | {"event_id": f"live-{at}", "timestamp": micros(row["timestamp"])}) for at, row in enumerate(rows)
        ]
        with closing(self.state) as state:
            assert all(state.add_events(events, micros(NOW)))

    def serving(self) -> ServingState:
        """What is newer than the snapshot, laid over it."""
        artifacts = self.folder / "artifacts"
        serving = ServingState(
            Engine(open_snapshot(artifacts, current_version(artifacts) or ""), self.settings), self.state, None
        )
        serving.catch_up()
        return serving

    def run(self, *arguments: str) -> int:
        """Run the command over this folder."""
        file = self.folder / "settings.toml"
        file.write_text(self.toml)
        return main(["--settings", str(file), "restock", *arguments])

    def found(self, *arguments: str) -> list[tuple[Any, ...]]:
        """Run the command and read what it wrote."""
        out = self.folder / "out.parquet"
        assert self.run("--out", str(out), *arguments) == 0
        return pl.read_parquet(out).rows()


@pytest.fixture
def stocked(tmp_path: Path) -> Stocked:
    """Four sofas of which the first is sold out, the second nearly, the third lasts and of the fourth nothing is known."""
    shop = Stocked(tmp_path, stock={"sofa-1": 0, "sofa-2": 3, "sofa-3": 100, "lamp-1": 50})
    for item, count in {"sofa-1": 2, "sofa-2": 12, "sofa-3": 12, "sofa-4": 12}.items():
        shop.sell(item, count)
    return shop


def sold_of(catalog: Catalog, sold: Any) -> dict[str, float]:
    """What was sold, by item."""
    return {catalog.item_id(row): float(count) for row, count in enumerate(sold) if count}


def test_items_at_risk_stand_by_revenue_at_risk(stocked: Stocked, capsys: pytest.CaptureFixture[str]) -> None:
    """12 in 28 days are 6 in 14, of which 3 are missing: 3,600; of the one sold out 1 is: 900. The others last, or are unknown."""
    stocked.publish()
    home = "Home > Sofas"
    expected = [
        ("sofa-2", "Velvet sofa", "Oakly", home, 3, 12, 7, 3, 3600),
        ("sofa-1", "Oak sofa", "Oakly", home, 0, 2, 0, 1, 900),
    ]
    assert stocked.found() == expected
    printed = capsys.readouterr().out
    assert "2 at risk: 4.0 pieces missing, 4,500.00 of revenue\n" in printed
    stocked.toml += "[moments]\nlead_days = 7\n"
    assert stocked.found("--lead-days", "14") == expected
    assert stocked.found() == [("sofa-1", "Oak sofa", "Oakly", home, 0, 2, 0, 0.5, 450)]


def test_top_bounds_what_is_shown_and_not_what_is_written(stocked: Stocked, capsys: pytest.CaptureFixture[str]) -> None:
    """The total line and the file are about all items at risk; a CSV holds the same as a Parquet file."""
    stocked.publish()
    file = stocked.folder / "deep" / "out.csv"
    assert stocked.run("--top", "1", "--out", str(file)) == 0
    printed = capsys.readouterr().out
    assert "sofa-2" in printed
    assert "sofa-1" not in printed
    assert "2 at risk, 1 of them not shown: 4.0 pieces missing, 4,500.00 of revenue\n" in printed
    assert pl.read_csv(file, schema=SCHEMA).rows() == stocked.found()
    assert [path.name for path in file.parent.iterdir()] == ["out.csv"]


def test_a_title_is_no_formula_in_a_spreadsheet(stocked: Stocked) -> None:
    """What begins as a formula does has an apostrophe before it in a CSV, also behind what ends a cell elsewhere; in a Parquet file a
    text is as it is."""
    title = '=HYPERLINK("https://evil.example");@x'
    stocked.items = [{**item, "title": title} if item["item_id"] == "sofa-2" else item for item in stocked.items]
    stocked.publish()
    for ending, expected in ((".csv", """'=HYPERLINK("https://evil.example");'@x"""), (".parquet", title)):
        file = stocked.folder / f"out{ending}"
        assert stocked.run("--out", str(file)) == 0
        found = pl.read_csv(file, schema=SCHEMA) if ending == ".csv" else pl.read_parquet(file)
        assert found.filter(item_id="sofa-2")["title"].to_list() == [expected]


def test_an_item_without_a_price_stands_last(stocked: Stocked, capsys: pytest.CaptureFixture[str]) -> None:
    """It has no revenue at risk, and the total says that it is not in it."""
    stocked.items = [{**item, "price": None} if item["item_id"] == "sofa-2" else item for item in stocked.items]
    stocked.publish()
    assert [(row[0], row[-1]) for row in stocked.found()] == [("sofa-1", 900), ("sofa-2", None)]
    assert "900.00 of revenue; 1 without a price" in capsys.readouterr().out


def test_live_updates_and_sales_are_laid_over(stocked: Stocked, capsys: pytest.CaptureFixture[str]) -> None:
    """A new stock figure and price count from the next run on, and so does every purchase; stock is what the shop says it is."""
    stocked.publish()
    with closing(stocked.state) as state:
        state.add_items([ItemUpdate("sofa-1", stock=40.0), ItemUpdate("sofa-2", price=1000.0)], micros(NOW))
        state.add_items([ItemUpdate("lamp-2", stock=1.0)], micros(NOW))
    stocked.happen(
        event("new", "sofa-2", "purchase", ago(days=1), quantity=4.0),
        event("sofa-2-0", "sofa-2", "refund", ago(days=1)),
        event("new", "lamp-2", "purchase", ago(days=1), quantity=4.0),
    )
    rows = [(row[0], *row[4:]) for row in stocked.found()]
    assert " 5.6 " in capsys.readouterr().out
    assert rows == [("sofa-2", 3, 15, pytest.approx(5.6), 4.5, 4500), ("lamp-2", 1, 4, 7, 1, 120)]


@pytest.mark.long
def test_what_was_sold_is_what_a_training_now_would_count(tmp_path: Path) -> None:
    """Live orders with refunds of both, the window that has moved on, late and early ones: the same as folded in."""
    shop = Stocked(tmp_path, busy_events())
    for item, days in {"bag-1": 29, "bag-2": 27.5, "lamp-2": 26}.items():
        shop.sell(item, 5, days)
    shop.add(
        event("ann", "sofa-4", "purchase", ago(days=5), order_id="a", quantity=3.0),
        event("bob", "soap-1", "purchase", ago(days=5), order_id="b", quantity=2.0),
        event("bob", "soap-1", "refund", ago(days=4), order_id="b", quantity=1.0),
        event("eve", "soap-2", "purchase", ago(days=40), order_id="e"),
        event("eve", "soap-2", "purchase", ago(days=4), order_id="f"),
        event("fay", "soap-1", "purchase", ago(days=2)),
    )
    shop.publish()
    catalog = shop.serving().engine.catalog
    before = sold_of(catalog, catalog.sold)
    assert sold_of(catalog, sold_lately(shop.serving(), shop.state)) == before
    shop.happen(
        event("ann", "sofa-4", "refund", ago(days=1), order_id="a", quantity=1.0),
        event("eve", "soap-2", "refund", ago(days=1), order_id="e"),
        event("fay", "soap-1", "refund", ago(days=3)),
        event("cat", "gone-1", "purchase", ago(days=3), quantity=2.0),
        event("cat", "gone-1", "refund", ago(days=1)),
        event("dan", "lamp-3", "purchase", ago(days=2), quantity=0.0),
        event("dan", "lamp-3", "purchase", ago(days=-1), quantity=6.0),
        event("dan", "lamp-3", "view", ago(days=-1)),
        event("dan", "no such item", "purchase", ago(days=1)),
    )
    found = sold_of(catalog, sold_lately(shop.serving(), shop.state))
    changed = {item: found.get(item, 0) - before.get(item, 0) for item in {*found, *before}}
    assert {item: by for item, by in changed.items() if by} == {"lamp-3": 6, "sofa-4": -1, "bag-2": -5}
    shop.publish(ago(days=-2))
    after = shop.serving().engine.catalog
    assert found == sold_of(after, after.sold)


def test_where_nothing_runs_out_it_says_so(stocked: Stocked, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, and a file with its columns and no rows."""
    stocked.stock = {"sofa-1": 1000}
    stocked.publish()
    assert stocked.found() == []
    assert "✓ no item runs out of stock within 14 days at the pace of the last 28\n" in capsys.readouterr().out
    assert pl.read_parquet_schema(stocked.folder / "out.parquet") == SCHEMA


@pytest.mark.parametrize(
    ("publishes", "arguments", "said"),
    [
        (True, [], "no item has a stock figure; give the items table a column `stock`"),
        (False, [], "no snapshot is published in"),
        (True, ["--out", "out.xlsx"], "--out out.xlsx: the ending must be one of .csv, .parquet"),
    ],
)
def test_what_cannot_be_done_is_explained(
    stocked: Stocked, publishes: bool, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without stock figures, without a snapshot or with another ending: code 1, one message, no file."""
    stocked.stock = {}
    if publishes:
        stocked.publish()
    assert stocked.run("--out", str(stocked.folder / "out.csv"), *arguments) == 1
    printed = capsys.readouterr()
    assert said in " ".join(printed.err.split())
    assert printed.out == ""
    assert not list(stocked.folder.glob("out*"))


@pytest.mark.long
def test_the_report_has_a_section_where_the_shop_gives_stock(stocked: Stocked) -> None:
    """The sentence, the items and a link; without stock figures there is neither section nor link."""
    stocked.toml = SETTINGS + "[evaluation]\ndays = 2\nresamples = 100\n"
    stocked.publish()
    text = write_report(stocked.settings, NOW).read_text()
    assert '<a href="#stock">' in text
    assert "<strong>2</strong> of 3 products that sold in the last 28 days run out within 14 days" in text
    assert "1 is sold out already" in text
    assert text.index("Velvet sofa") < text.index("Oak sofa")
    stocked.stock = {}
    stocked.publish(ago(days=-1))
    text = write_report(stocked.settings, NOW).read_text()
    assert 'href="#stock"' not in text
    assert 'id="stock"' not in text
