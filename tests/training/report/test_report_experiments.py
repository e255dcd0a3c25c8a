"""Results of experiments, as the report shows it: gathered from files, and drawn without running anything of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from recsys.experiments.read_outs import read_out_file
from tests.conftest import NOW, Shop
from tests.support.read_outs import read_out, write_read_out
from tests.training.report.test_report import EVIL, SHORT, Page
from training.report import write_report
from training.report.experiments import MAX_SHOWN, gather_experiments


@pytest.fixture
def gathered(shop: Shop) -> Shop:
    """A shop with two read-outs, the second read later."""
    shop.settings.artifacts.mkdir()
    write_read_out(shop.settings, read_out("first"))
    write_read_out(shop.settings, read_out("second", until=NOW + timedelta(days=30)))
    return shop


def test_read_outs_are_shown_the_newest_first(gathered: Shop) -> None:
    """With how far their drawings reach; those that cannot be read are told, and a shop without any has no section."""
    read_out_file(gathered.settings, "broken").write_text("{")
    write_read_out(gathered.settings, read_out("timeless", until=NOW.replace(tzinfo=None)))
    found = gather_experiments(gathered.settings)
    assert found is not None
    assert [(each.read_out.id, each.reach) for each in found.shown] == [("second", 0.35), ("first", 0.35)]
    assert ["broken" in found.problems[0], "until" in found.problems[1]] == [True, True]


def test_no_more_are_shown_than_a_page_can_hold(gathered: Shop) -> None:
    """Those that were read last."""
    for number in range(MAX_SHOWN):
        write_read_out(gathered.settings, read_out(f"later_{number:02}", until=NOW + timedelta(days=60)))
    found = gather_experiments(gathered.settings)
    assert found is not None
    assert {each.read_out.id for each in found.shown} == {f"later_{number:02}" for number in range(MAX_SHOWN)}


def test_a_shop_without_read_outs_has_no_section(shop: Shop) -> None:
    """Neither a heading nor a link."""
    assert gather_experiments(shop.settings) is None


def test_the_page_says_and_draws_it(busy_shop: Shop) -> None:
    """Verdict, shoppers, intervals; a text that tries to run stays text."""
    busy_shop.toml = SHORT
    busy_shop.publish()
    more: dict[str, Any] = {"verdicts": {"changed": f"better {EVIL}"}, "since": EVIL}
    write_read_out(busy_shop.settings, read_out("trial", **more))
    page = Page(write_report(busy_shop.settings, NOW).read_text())
    assert "Experiments" in page.headings
    assert not {tag for tag, _ in page.tags} & {"script", "img"}
    for sentence in (
        f"better {EVIL}",
        "changed : 10 shoppers (50 % drawn)",
        "Shoppers who bought (decides)",
        "+20.0 %",
        "+5.0 % to +35.0 %",
        "too early",
        "the drawings reach from −35 % to +35 %",
    ):
        assert sentence in page.text.replace("\u00a0", " "), sentence
