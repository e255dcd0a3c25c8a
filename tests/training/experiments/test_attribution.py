"""Attribution: each order to the click that it followed, no revenue twice but where it is only assisted."""

from __future__ import annotations

import msgspec
import polars as pl
import pytest

from recsys.clock import DAY
from recsys.engine.choice import Answered
from recsys.engine.inspection.replay import logged
from recsys.engine.pipeline import Engine, answer
from recsys.live.databases import open_slates
from recsys.live.erasure import Tombstones
from recsys.settings.campaigns import Action, Campaign, Pin
from recsys.snapshot.store import open_snapshot
from recsys.types import Assignment, DataError, Query
from tests.conftest import NOW, Shop, ago, event, micros
from training.experiments.attribution import NOT_LOGGED, Lists, attributed, attribution
from training.experiments.ledger import Ledger

LISTS = Lists(
    pl.DataFrame({"recommendation_id": ["r1", "r2"], "placement": ["home", "pdp"], "rule": ["blend", "similar"]}),
    pl.DataFrame({"recommendation_id": ["r1", "r2"], "item_id": ["sofa", "sofa"], "recommender": ["ease", "item_item"]}),
    pl.DataFrame({"send_id": ["m1"], "moment_kind": ["cart"]}),
    pl.DataFrame({"recommendation_id": ["r1", "r1", "r2"], "campaign": ["spring", "brand", "spring"]}),
)


def ledger(clicks: list[tuple[str, int, str, str]], bought: list[tuple[str, int, str, float]]) -> Ledger:
    """Clicks (person, day, list, item) and lines (person, day, item, amount)."""
    rows = [(unit, day * DAY, recommendation, item, None) for unit, day, recommendation, item in clicks]
    kinds = {"unit": pl.String, "time": pl.Int64, "recommendation_id": pl.String, "item_id": pl.String, "send_id": pl.String}
    clicked = pl.DataFrame(rows, schema=kinds, orient="row")
    lines = [(unit, day * DAY, item, 0, amount, 1.0, 0.0) for unit, day, item, amount in bought]
    names = ["unit", "time", "item_id", "order", "amount", "units", "returned"]
    seen = clicked.drop("item_id").unique(["unit", "recommendation_id"])
    owners = pl.DataFrame(schema={"id": pl.String, "unit": pl.String})
    return Ledger(pl.DataFrame(lines, schema=names, orient="row"), seen, clicked, owners, "EUR")


def figures_by(found: pl.DataFrame, by: str) -> dict[str, dict[str, float]]:
    """The figures of one dimension by value."""
    return {row["value"]: row for row in found.filter(pl.col("by") == by).iter_rows(named=True)}


def test_the_last_click_gets_it_and_all_share_it() -> None:
    """Two lists were clicked for the sofa; the later one gets the order, both get half; the lamp was only assisted."""
    clicks = [("ann", 1, "r1", "sofa"), ("ann", 3, "r2", "sofa")]
    found = figures_by(
        attributed(ledger(clicks, [("ann", 4, "sofa", 100.0), ("ann", 5, "lamp", 10.0)]), LISTS, 7), "placement"
    )
    figures = ("bought", "last_touch", "shared", "assisted")
    assert [found["pdp"][name] for name in figures] == [1, 100.0, 50.0, 110.0]
    assert [found["home"][name] for name in figures] == [0, 0.0, 50.0, 110.0]


def test_what_was_given_back_whole_was_not_bought() -> None:
    """A line of which nothing was kept is no purchase of the click, and takes no other click's share."""
    known = ledger([("ann", 1, "r1", "sofa")], [("ann", 2, "sofa", 0.0), ("ann", 3, "sofa", 5.0)])
    nothing = pl.when(pl.col("amount") == 0).then(0.0).otherwise("units").alias("units")
    found = figures_by(attributed(known._replace(lines=known.lines.with_columns(nothing)), LISTS, 7), "placement")
    assert (found["home"]["bought"], found["home"]["last_touch"]) == (1, 5.0)


def test_a_campaign_gets_what_lists_brought_while_it_ran() -> None:
    """Of a list under two campaigns each gets all; the last click decides among lists, not among campaigns."""
    clicks = [("ann", 1, "r1", "sofa"), ("ann", 3, "r2", "sofa"), ("bob", 1, "r1", "sofa")]
    found = figures_by(
        attributed(ledger(clicks, [("ann", 4, "sofa", 100.0), ("bob", 4, "sofa", 10.0)]), LISTS, 7), "campaign"
    )
    figures = ("clicks", "bought", "last_touch", "shared", "assisted")
    assert [found["spring"][name] for name in figures] == [3, 2, 110.0, 110.0, 110.0]
    assert [found["brand"][name] for name in figures] == [2, 1, 10.0, 60.0, 110.0]


def test_only_orders_in_time_count() -> None:
    """Before the click, after the window, by somebody else: nothing."""
    bought = [("ann", 0, "sofa", 1.0), ("ann", 9, "sofa", 2.0), ("bob", 2, "sofa", 4.0)]
    found = figures_by(attributed(ledger([("ann", 1, "r1", "sofa")], bought), LISTS, 7), "rule")
    assert (found["blend"]["clicks"], found["blend"]["bought"], found["blend"]["assisted"]) == (1, 0, 0.0)


def test_recommenders_are_those_of_the_clicked_item() -> None:
    """An item of a list that is not logged is nobody's."""
    clicks = [("ann", 1, "r1", "sofa"), ("bob", 1, "r9", "sofa")]
    found = figures_by(attributed(ledger(clicks, [("ann", 2, "sofa", 5.0)]), LISTS, 7), "recommender")
    assert (found["ease"]["last_touch"], found[NOT_LOGGED]["clicks"]) == (5.0, 1)
    assert {row["seen"] for row in found.values()} == {None}, "a list has several"


def test_a_report_is_printed_and_written(busy_shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """From events of the tables to a file, with a click that was followed by an order."""
    busy_shop.add(
        event("user-3", "sofa-4", "impression", ago(days=0.5), recommendation_id="r1"),
        event("user-3", "sofa-4", "click", ago(days=0.4), recommendation_id="r1"),
        event("user-3", "sofa-4", "purchase", ago(days=0.3), order_id="o1", price=700.0, quantity=1.0),
    )
    busy_shop.write()
    frame = pl.DataFrame(busy_shop.events, infer_schema_length=None)
    frame.write_parquet(busy_shop.folder / "events.parquet")
    assert attribution(busy_shop.settings, NOW, 7, None) == 0
    assert "only a holdout can tell" in " ".join(capsys.readouterr().out.split())
    rows = pl.read_csv(busy_shop.settings.artifacts / "experiments" / "attribution.csv")
    assert figures_by(rows, "placement")[NOT_LOGGED]["last_touch"] == 700.0


def test_a_campaign_gets_nothing_of_lists_whose_arm_turns_it_off(busy_shop: Shop) -> None:
    """Of two shoppers under one campaign, only the list of the one for whom it is on counts for it."""
    version = busy_shop.publish()
    engine = Engine(open_snapshot(busy_shop.settings.artifacts, version), busy_shop.settings)
    pin = Action(pin=Pin(item_id="lamp-2", place=1))
    engine.campaigns.put({"autumn": Campaign(placements=("home",), actions=(pin,))})
    home = msgspec.structs.replace(engine.placement("home"), campaigns_off=("autumn",))
    settings = msgspec.structs.replace(engine.settings, placements={"home": home})
    without = engine.in_arms(settings, engine.blend, (Assignment("helps", "without"),))
    notes = []
    for user, answering in (("user-3", engine), ("user-4", without)):
        query, history = Query(now=micros(NOW), user_id=user), engine.snapshot.histories.of(user)
        notes.append(logged(Answered(answering, query, history, answer(answering, query, history)), 1))
        name = notes[-1].recommendation_id
        busy_shop.add(event(user, notes[-1].shown[0][0], "click", ago(days=0.4), recommendation_id=name))
    open_slates(busy_shop.settings, lambda: Tombstones(None, [])).write(notes)
    pl.DataFrame(busy_shop.events, infer_schema_length=None).write_parquet(busy_shop.folder / "events.parquet")
    assert attribution(busy_shop.settings, NOW, 7, None) == 0
    rows = pl.read_csv(busy_shop.settings.artifacts / "experiments" / "attribution.csv")
    assert figures_by(rows, "placement")["home"]["clicks"] == 2
    assert figures_by(rows, "campaign")["autumn"]["clicks"] == 1


def test_what_cannot_be_told_is_said(busy_shop: Shop) -> None:
    """A window out of range, and events of which none names a list."""
    busy_shop.write()
    with pytest.raises(DataError, match="--days 0: allowed are 1 to 90"):
        attribution(busy_shop.settings, NOW, 0, None)
    with pytest.raises(DataError, match="no event names a list"):
        attribution(busy_shop.settings, NOW, 7, None)
