"""Floods, guests, gift cards and absurd lines: what pollutes a shop's tables does not reach anybody's list or revenue."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from recsys.engine.pipeline import Engine
from tests.support.cases import NOW, Case, ids, needs_cases, open_case
from training.job.job import Fitted
from training.report.customers import sum_up_customers

pytestmark = needs_cases
NEW, POPULAR = "/v1/users/somebody-new/recommendations?limit=10", "/v1/bestsellers?limit=10"
FLOOD, GUESTS = "pollution-01-visitors-with-one-view", "pollution-02-one-id-for-all-guests"
CARDS, ABSURD = "pollution-03-gift-cards-and-free-samples", "pollution-04-one-absurd-line"
ACCESSORY = "pollution-05-accessory-and-main-thing"


def lists(case: Case) -> tuple[list[str], list[str]]:
    """What somebody new sees first, and the bestsellers, after training."""
    case.train(force="a made-up shop")
    return listed(case)


def listed(case: Case) -> tuple[list[str], list[str]]:
    """The same, of what was trained last."""
    client = case.serve()
    return ids(client, NEW), ids(client, POPULAR)


@pytest.mark.long
@pytest.mark.parametrize(("shoppers", "fresh"), [(300, 300), (600, 50), (600, 100), (600, 200), (60, 300)])
def test_fresh_ids_make_nothing_popular(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shoppers: int, fresh: int) -> None:
    """An item that only a flood of one-event ids looked at is not among the first ten, and the flood is named as a group."""
    sizes = (("range(300):", f"range({shoppers}):"), ("range(300)]", f"range({fresh})]"))
    case = open_case(FLOOD, tmp_path, monkeypatch, *sizes)
    [found] = [each for each in case.read().findings if "flood" in each.rule]
    assert (found.rows, found.example) == (fresh, f"{fresh} ids with one event, all of JUNK")
    assert all("JUNK" not in each for each in lists(case))


@pytest.mark.long
def test_fresh_ids_that_came_in_live_make_nothing_popular_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same views over HTTP, and one more training."""
    case = open_case(FLOOD, tmp_path, monkeypatch)
    rows = [line.split(",") for line in (case.folder / "events.csv").read_text().splitlines() if line.startswith("fresh-")]
    case.keep_lines("events.csv", without="fresh-")
    case.train(force="a made-up shop")
    events = [dict(zip(("user_id", "timestamp", "event_type", "item_id"), row, strict=False)) for row in rows]
    assert case.serve().post("/v1/events", json={"events": events}).get_json()["accepted"] == 300
    assert all("JUNK" not in each for each in lists(case))


@pytest.mark.long
@pytest.mark.parametrize("who", ["guest", "-1", "null", " Guest "])
def test_an_id_of_all_guests_is_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, who: str) -> None:
    """It is named with its number of events, has no profile, no history and no export line, and no list knows of it."""
    case = open_case(GUESTS, tmp_path, monkeypatch, ('"guest"', f'"{who}"'))
    [found] = [each for each in case.read().findings if each.rule == "names somebody"]
    assert f"{who.strip() and who}: 3,0" in found.example
    exported = case.train(force="a made-up shop").snapshot().histories.users
    with_guests = listed(case)
    client = case.serve()
    profile = client.get(f"/v1/users/{who}/profile").get_json()
    assert (profile["known"], profile["orders"], profile["revenue"]) == (False, 0, None)
    assert {exported.row(each) for each in (who, "0", "undefined")} == {-1}
    lines = (case.folder / "events.csv").read_text().splitlines(keepends=True)
    kept = [line for line in lines if line.partition(",")[0] not in (who, "0", "undefined")]
    (case.folder / "events.csv").write_text("".join(kept))
    assert len(kept) < len(lines)
    assert lists(case) == with_guests


def test_an_id_of_all_guests_that_nobody_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More events than a person has are a finding that says which setting takes the id."""
    case = open_case(GUESTS, tmp_path, monkeypatch, ('"guest"', '"filiale-1"'))
    [found] = [each for each in case.read().findings if "more events than a person" in each.rule]
    assert found.example == "filiale-1: 3,040 events"
    assert "data.null_users" in found.advice


@pytest.mark.long
def test_lines_that_are_no_recommendation_teach_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gift cards and samples are in no list, complements are those of a shop without them, and the card's money is revenue."""
    case = open_case(CARDS, tmp_path, monkeypatch)
    fitted = case.train(force="a made-up shop")
    client = case.serve()
    paths = [NEW, POPULAR, "/v1/items/P10/bought-together?limit=10", "/v1/items/P10/similar?limit=10"]
    found = [ids(client, path) for path in paths]
    assert not {"CARD50", "SAMPLE"} & {each for items in found for each in items}
    rows = fitted.shop.events.filter(pl.col("event_type") == "purchase").collect()
    user = rows.filter(pl.col("item_id") == "CARD50")["user_id"][0]
    expected = rows.filter(pl.col("user_id") == user).select((pl.col("price") * pl.col("quantity")).sum()).item()
    assert client.get(f"/v1/users/{user}/profile").get_json()["revenue"] == pytest.approx(expected)
    for text in ("CARD50", "SAMPLE"):
        case.keep_lines("events.csv", without=text)
    case.train(force="a made-up shop")
    client = case.serve()
    assert [ids(client, path) for path in paths] == found


@pytest.mark.long
def test_an_absurd_line_is_in_no_revenue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A price with its cents lost and a wholesale line are found; revenue and value are those of the sound rows, ranks hold."""
    case = open_case(ABSURD, tmp_path, monkeypatch)
    found = {each.column: each.example for each in case.read().findings if each.level == "emptied"}
    assert found == {"price": "9,999,999 of P36", "quantity": "1,000,000 of P37"}
    fitted = case.train()
    _, ranked = listed(case)
    client = case.serve()
    revenue = {user: client.get(f"/v1/users/{user}/profile").get_json()["revenue"] for user in ("s001", "s002")}
    total = _revenue(case, fitted)
    case.keep_lines("events.csv", without=",w1,")
    case.keep_lines("events.csv", without=",w2,")
    sound = case.train()
    assert listed(case)[1][:9] == ranked[:9]
    client = case.serve()
    assert revenue == {user: client.get(f"/v1/users/{user}/profile").get_json()["revenue"] for user in revenue}
    assert total == pytest.approx(_revenue(case, sound))
    assert fitted.manifest.counts["purchases"] == sound.manifest.counts["purchases"] + 2


@pytest.mark.long
def test_an_accessory_does_not_lead_to_the_main_thing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A phone brings its cover; a cover brings what costs as little, before the phone at thirty times its price."""
    case = open_case(ACCESSORY, tmp_path, monkeypatch)
    case.train(force="a made-up shop")
    client = case.serve()
    assert ids(client, "/v1/items/PHONE/bought-together")[0] == "COVER"
    assert ids(client, "/v1/items/COVER/bought-together")[0] in ("CABLE", "BAG")


def _revenue(case: Case, fitted: Fitted) -> float | None:
    """The shop's revenue, as the report has it."""
    engine = Engine(fitted.snapshot(), case.settings)
    customers = sum_up_customers(fitted.shop, engine, fitted.manifest.as_of, NOW.date(), NOW)
    return None if customers is None else customers.revenue
