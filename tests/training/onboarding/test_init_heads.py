"""`init` on files that say how orders stand beside other tables with a status, whose ids look like numbers of orders."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from recsys.settings import Settings
from recsys.settings.load import load_settings
from recsys.tables.shop import read_shop
from tests.training.onboarding.test_init import NOW
from training.cli.init import init

LINES = "order_id,customer_id,created_at,product_id,quantity,price\n" + "".join(
    f"{at + 1},{at % 7 + 1},2025-12-{at % 28 + 1:02}T10:00:00Z,{at % 40 + 1},1,{at % 5 + 1}.50\n" for at in range(45)
)
HEADS = "".join(f"{at + 1},{'cancelled' if at % 9 == 8 else 'completed'}\n" for at in range(45))


def rows(row: str, words: tuple[str, str]) -> str:
    """Sixty rows of ids that are those of all orders, items and users."""
    return "".join(f"{at + 1},{row.replace('#', str(at))},{words[at % 7 == 0]}\n" for at in range(60))


def written(folder: Path, **files: str) -> Settings:
    """The settings that are written for these files."""
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    assert init([str(folder / "*.csv")], folder / "settings.toml", NOW, yes=True) == 0
    return load_settings(folder / "settings.toml")


@pytest.mark.parametrize("heads", [False, True])
@pytest.mark.parametrize("words", [("active", "archived"), ("archived", "active")])
def test_a_catalogue_with_a_status_stays_one(words: tuple[str, str], heads: bool, tmp_path: Path) -> None:
    """Its ids may be those of all orders; a file of heads beside it is joined, and takes no catalogue's place."""
    text = "id,title,price,category,status\n" + rows("Thing #,2.50,Cat > A", words)
    more = {"orders": f"id,status\n{HEADS}"} if heads else {}
    settings = written(tmp_path, lines=LINES, catalogue=text, **more)
    assert [Path(path).name for path in settings.data.items.paths] == ["catalogue.csv"]
    joined = [Path(path).name for join in settings.data.events.join for path in join.paths]
    assert (joined, settings.data.events.void_orders) == ((["orders.csv"], ("status",)) if heads else ([], ()))


@pytest.mark.parametrize(
    "more",
    ["name,total", "name,customer_id,created_at", "code", "items,customer_id,created_at", "title,price", "price,brand"],
)
def test_heads_are_joined_though_their_ids_are_those_of_items(more: str, tmp_path: Path) -> None:
    """A buyer's name, a total and a number of items are columns of orders, and numbers begin at 1 in every table."""
    cells = {
        "items": "2",
        "title": "Order #",
        "price": "9.00",
        "brand": "Visa",
        "name": "Ann #",
        "total": "9.00",
        "customer_id": "7",
        "created_at": "2025-12-01T10:00:00Z",
        "code": "x#",
    }
    text = ",".join(cells[name] for name in more.split(","))
    heads = "".join(f"{row.partition(',')[0]},{text},{row.partition(',')[2]}\n" for row in HEADS.splitlines())
    settings = written(tmp_path, lines=LINES, orders=f"id,{more},status\n{heads}")
    assert (settings.data.events.void_orders, settings.data.items.paths) == (("status",), ())


@pytest.mark.parametrize(
    ("names", "read"), [(("orders_2024", "orders_2025"), [(2024, 30), (2025, 27)]), (("a", "b"), [(2024, 30)])]
)
def test_events_with_items_are_no_heads_of_others(
    names: tuple[str, str], read: list[tuple[int, int]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Numbers of orders that begin anew each year: each year's states are its own, and none of its rows is lost."""
    head = "Bestellnummer;Kunde;Bestelldatum;Artikelnummer;Menge;Einzelpreis"
    year = {
        at: [f"{no + 1000};k{no % 7};{no % 28 + 1:02}.12.{at} 10:00;ART-{no % 5};1;2,50" for no in range(30)]
        for at in (2024, 2025)
    }
    states = [f"{row};{'storniert' if no % 10 == 9 else 'versendet'}" for no, row in enumerate(year[2025])]
    old, new = "\n".join([head, *year[2024], ""]), "\n".join([f"{head};Status", *states, ""])
    settings = written(tmp_path, **dict(zip(names, (old, new), strict=True)))
    assert settings.data.events.join == ()
    years = read_shop(settings).events.group_by(pl.col("timestamp").dt.year().alias("year")).agg(pl.len())
    assert years.sort("year").collect().rows() == read
    assert ("b.csv looks like events too, and is not used" in capsys.readouterr().out) == ("b" in names)
