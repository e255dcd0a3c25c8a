"""The page of the report: pictures of the shop's own, its name, one row where figures are the same, details folded."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.conftest import NOW, Shop, busy_events
from tests.training.report.test_report import SHORT, Page
from training.evaluation.evaluate import ScoreRow, Subject
from training.evaluation.metrics import Interval
from training.report import shop_name, write_report
from training.report.accuracy import alike

ADDRESSES = ("https://cdn.shop.example/a.jpg?w=200&h=200", "http://shop.example/b.jpg", "javascript:alert(1)", "/c.jpg")


class Pictured(Shop):
    """A shop whose items have pictures."""

    def write(self) -> None:
        """Write the tables, the items' pictures too."""
        super().write()
        file = self.folder / "items.parquet"
        pictures = pl.Series("image_url", [ADDRESSES[row % len(ADDRESSES)] for row in range(len(self.items))])
        pl.read_parquet(file).with_columns(pictures).write_parquet(file)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The report of a shop that has a name and pictures."""
    shop = Pictured(tmp_path_factory.mktemp("pictured"), busy_events(), toml=SHORT + '[messages]\nshop = "Möbel & Co"\n')
    shop.publish()
    return Page(write_report(shop.settings, NOW).read_text())


@pytest.mark.long
def test_items_have_their_pictures(page: Page) -> None:
    """Those of the shop whose addresses are http or https, asked for without saying from where; nothing else is loaded."""
    pictures = page.all("img")
    assert {each["src"] for each in pictures} == set(ADDRESSES[:2])
    assert {(each["referrerpolicy"], each["alt"], each["loading"]) for each in pictures} == {("no-referrer", "", "lazy")}
    [policy] = [each["content"] for each in page.all("meta") if each.get("http-equiv") == "Content-Security-Policy"]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data: https: http:"


def test_the_page_has_the_shops_name(page: Page, tmp_path: Path) -> None:
    """That which its messages say; where they say none, the folder of its settings."""
    assert "Recommendations report: Möbel & Co" in page.text
    assert shop_name(Shop(tmp_path).settings) == tmp_path.name


def test_details_are_folded(page: Page) -> None:
    """Each part of them says what it holds."""
    assert len(page.all("details")) == len(page.all("summary")) >= 6
    assert [each for each in page.all("details") if "open" in each] == []


def test_rows_alike_are_one() -> None:
    """Placements with the same figures share a row, with all their names; one that differs in a digit has its own."""

    def row(name: str, mean: float) -> ScoreRow:
        metrics = {"ndcg10": Interval(mean, 0.1, 0.3)}
        subject = Subject("placement", name)
        return ScoreRow(subject=subject, task="new", users=5, metrics=metrics, coverage=0.5, long_tail=0.1, personalized=1.0)

    found = alike([row("home", 0.2), row("pdp", 0.2001), row("cart", 0.2)])
    assert [names for names, _ in found] == [("home", "cart"), ("pdp",)]
    assert alike([]) == ()
