"""Today: figures of the service, what shoppers did with lists, what came to a stop, and the trainings."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from recsys.clock import DAY, HOUR, MINUTE
from recsys.live.databases import log_in
from recsys.live.log import EventLog
from recsys.snapshot.retention import point_line
from recsys.snapshot.store import publishing
from recsys.types import Event, Send
from recsys.web.app import Application
from recsys.web.console.activity import MAX_ROWS, Activity, PlacementActivity, Stopped
from recsys.web.console.snapshots import Gate
from recsys.web.console.traffic import quantile, traffic
from tests.conftest import NOW, Shop, micros
from tests.console.conftest import console_app, logged_in
from tests.support.servers.serving import READ

AT = micros(NOW)
PLACEMENTS = ("home", "cart")


def happened(number: int, kind: str, at: int = AT, item: str = "sofa-1", user: str = "ann", **more: Any) -> Event:
    """One live event."""
    return Event(event_id=f"e{number}", user_id=user, event_type=kind, timestamp=at, item_id=item, **more)


@pytest.fixture
def log(tmp_path: Path) -> EventLog:
    """An empty log."""
    return log_in(tmp_path)


def looked_at(log: EventLog) -> Activity:
    """What was counted of a log."""
    activity = Activity(log, PLACEMENTS)
    activity.catch_up(lambda: None)
    return activity


def test_what_was_shown_clicked_and_bought_after(log: EventLog) -> None:
    """A purchase counts for the placement on which its shopper clicked the item before, and for no other."""
    home: dict[str, Any] = {"properties": {"placement": "home"}}
    cart: dict[str, Any] = {"properties": {"placement": "cart"}}
    log.add_events(
        [
            happened(1, "impression", **home),
            happened(2, "impression", item="sofa-2", **home),
            happened(3, "click", **home),
            happened(4, "click", user="bob", **cart),
            happened(5, "purchase", AT + MINUTE),
            happened(6, "purchase", AT + MINUTE, item="sofa-2"),
            happened(7, "purchase", AT + MINUTE, user="eve"),
            happened(8, "purchase", AT + 8 * DAY, user="bob"),
        ],
        AT,
    )
    found = looked_at(log).by_placement(AT + MINUTE, 24)
    assert found == [PlacementActivity("home", 2, 1, 1), PlacementActivity("cart", 0, 1, 0)]


def test_only_the_span_that_is_asked_for_counts(log: EventLog) -> None:
    """The last 24 hours hold nothing of three days ago; 28 days do."""
    log.add_events([happened(1, "click", AT - 3 * DAY), happened(2, "click")], AT)
    activity = looked_at(log)
    assert [each.clicked for each in activity.by_placement(AT, 24)] == [1]
    assert [each.clicked for each in activity.by_placement(AT, 28 * 24)] == [2]


def test_a_click_in_a_message_counts_for_its_send(log: EventLog) -> None:
    """Its placement is the one that the send was declared with; what names an unknown placement, or none, stands apart."""
    log.pins.declare(Send(send_id="w14", placement="cart", limit=4, expires_at=AT + DAY), AT)
    log.add_events(
        [
            happened(1, "click", send_id="w14"),
            happened(2, "click", send_id="never-declared"),
            happened(3, "click", properties={"placement": "made-up"}),
        ],
        AT,
    )
    assert {each.placement: each.clicked for each in looked_at(log).by_placement(AT, 24)} == {"cart": 1, "": 2}


def test_each_look_goes_on_where_the_last_one_ended(log: EventLog) -> None:
    """Nothing is counted twice, and nothing is left out."""
    activity = looked_at(log)
    assert activity.by_placement(AT, 24) == []
    for number in range(3):
        log.add_events([happened(number, "click")], AT)
        activity.catch_up(lambda: None)
    assert [each.clicked for each in activity.by_placement(AT, 24)] == [3]


def test_of_a_large_log_only_the_newest_is_read(log: EventLog) -> None:
    """A look reads `MAX_ROWS` rows at most, and says since when it has looked."""
    log.add_events([happened(1, "click", AT - HOUR)], AT)
    log.reach(MAX_ROWS + 1)
    log.add_events([happened(2, "click")], AT)
    activity = looked_at(log)
    assert [each.clicked for each in activity.by_placement(AT, 24)] == [1]
    assert activity.since == AT


def test_what_no_longer_comes_has_stopped(log: EventLog) -> None:
    """Purchases that came at this time yesterday and do not come today are missed; what never came often is not."""
    yesterday = AT - DAY
    log.add_events([happened(number, "purchase", yesterday - number * MINUTE) for number in range(8)], AT)
    log.add_events([happened(10 + number, "view", yesterday) for number in range(9)], AT)
    log.add_events([happened(20, "view"), happened(21, "search", yesterday)], AT)
    activity = looked_at(log)
    assert activity.stopped(AT) == [Stopped("purchase", 8)]
    assert activity.stopped(AT + 12 * HOUR) == []


def test_quantiles_of_a_histogram() -> None:
    """Between two bounds they lie on a straight line; beyond the last bound nothing is known."""
    buckets = {0.01: 50.0, 0.1: 90.0, 1.0: 99.0, float("inf"): 100.0}
    assert quantile(buckets, 0.5) == pytest.approx(0.01)
    assert quantile(buckets, 0.7) == pytest.approx(0.055)
    assert quantile(buckets, 0.999) is None
    assert quantile({}, 0.5) is None


def test_figures_are_those_of_the_metrics(artifacts: Path) -> None:
    """Calls, failures, and of the lists how many a fallback completed or that came short."""
    app = console_app(artifacts)
    web = app.test_client()
    for address in (
        "/v1/users/user-0/recommendations?limit=100",
        "/v1/users/user-0/recommendations?limit=1",
        "/v1/items/none",
    ):
        web.get(address, headers=READ)
    found = traffic(app.service.metrics.samples())
    assert (found.requests, found.failed, found.lists) == (3, 0, 2)
    assert found.share_of_lists("short") == 0.5
    assert [(each.placement, each.lists, each.short) for each in found.placements] == [("home", 2, 0.5)]
    refused = {each.route: each.refused for each in found.routes}
    assert refused == {"/v1/users/{user_id}/recommendations": 0, "/v1/items/{item_id}": 1}


def test_the_page_says_that_all_is_well(app: Application) -> None:
    """Nothing failed and nothing stopped; what serves is named with its gate."""
    page = logged_in(app, "viewer").get("/console/").text
    assert "All is well" in page
    assert "· serving" in page


def test_a_training_of_a_snapshot_line_is_marked(busy_shop: Shop) -> None:
    """Its row names the line, so that nobody takes it for one that served; one that cannot be read is marked as well."""
    beside, broken, serving = (busy_shop.publish(NOW + timedelta(minutes=minutes)) for minutes in range(3))
    artifacts = busy_shop.folder / "artifacts"
    with publishing(artifacts):
        point_line(artifacts, beside, "candidate")
        point_line(artifacts, broken, "candidate")
    (artifacts / broken / "manifest.json").write_text("{")
    page = logged_in(console_app(artifacts), "viewer").get("/console/").text
    for named in (f"{beside} · line candidate<", f"{broken} · line candidate<", f"{serving} · serving<"):
        assert named in page


def test_the_page_says_what_is_wrong(busy_shop: Shop) -> None:
    """A snapshot that cannot be taken live is told of, without the folders of this machine."""
    version = busy_shop.publish()
    app = console_app(busy_shop.folder / "artifacts")
    web = logged_in(app, "viewer")
    (busy_shop.folder / "artifacts" / "CURRENT").write_text("20990101T000000Z-000000000000\n")
    app.service.live.refresh()
    page = web.get("/console/").text
    assert "The newest snapshot is not taken live" in page
    assert str(busy_shop.folder) not in page
    assert version in page


def test_without_a_snapshot_the_page_still_answers(tmp_path: Path) -> None:
    """It says that nothing is published; other pages say that nothing is loaded."""
    web = logged_in(console_app(tmp_path / "artifacts"), "viewer")
    assert "No snapshot is loaded" in web.get("/console/").text
    answer = web.get("/console/shopper?user_id=ann")
    assert (answer.status_code, answer.mimetype) == (503, "text/html")
    assert "no snapshot is loaded yet" in answer.text


def test_a_forced_snapshot_says_why() -> None:
    """The reason for which the gate was overruled stands beside the training."""
    assert [Gate(passed=True).outcome, Gate(first=True).outcome] == ["passed", "passed, as the first one"]
    assert Gate(passed=False, forced="the sale begins").outcome == "forced: the sale begins"
