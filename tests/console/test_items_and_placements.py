"""The pages of an item and of placements: counts, stock, why it is not shown, and one list on two snapshots."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from flask.testing import FlaskClient

from recsys.item_updates import ItemUpdate
from recsys.settings.when import When
from recsys.web.app import Application
from recsys.web.console.render import conditions
from tests.conftest import Shop, busy_events
from tests.console.conftest import console_app, logged_in
from tests.support.servers.serving import ADMIN


def fact(page: str, name: str) -> str:
    """The figure beside a name."""
    found = re.search(rf"<dt>{re.escape(name)}</dt><dd><bdi>(.*?)</bdi>", page)
    assert found, page
    return found[1]


def items_of(page: str, placement: str) -> list[str]:
    """The ids on a list of a page."""
    return re.findall(r'/item\?item=([^"]+)"', page.partition(f'id="list-{placement}"')[2].partition("</section>")[0])


def test_an_item_in_counts(viewer: FlaskClient) -> None:
    """Shoppers are counted, and none is named."""
    bought = [row for row in busy_events() if row["item_id"] == "sofa-1" and row["event_type"] == "purchase"]
    page = viewer.get("/console/item?item=sofa-1").text
    assert fact(page, "Own it") == str(len({row["user_id"] for row in bought}))
    assert "user-" not in page


def test_what_stands_beside_an_item(viewer: FlaskClient) -> None:
    """Its neighbours and complements are those that the API answers."""
    web = viewer.application.test_client()
    page = viewer.get("/console/item?item=sofa-1").text
    for placement, path in (("similar", "similar"), ("bought_together", "bought-together")):
        answer = web.get(f"/v1/items/sofa-1/{path}", headers=ADMIN).json
        assert answer is not None
        assert items_of(page, placement) == [item["item_id"] for item in answer["items"]]


def test_why_nobody_sees_an_item(tmp_path: Path, artifacts: Path) -> None:
    """An item that sold out says so; one that the shop calls unavailable too; a good one says nothing."""
    app = console_app(artifacts, tmp_path / "state")
    web = logged_in(app, "viewer")
    assert "the shop says that it is not available" in web.get("/console/item?item=gone-1").text
    assert "Nobody sees it" not in web.get("/console/item?item=sofa-1").text
    app.service.live.update([ItemUpdate("sofa-1", stock=0.0)])
    page = web.get("/console/item?item=sofa-1").text
    assert "it has no stock" in page
    assert "Not shown: it is not available" in page


def test_where_a_shopper_sees_an_item(viewer: FlaskClient) -> None:
    """Each placement says at which place, or why not; those beside items need a shopper."""
    nobody = viewer.get("/console/item?item=sofa-1").text
    somebody = viewer.get("/console/item?item=sofa-1&user_id=user-0").text
    assert "Where somebody unknown sees it" in nobody
    assert ("placement=pdp" in nobody, "placement=pdp" in somebody) == (False, True)


def test_bestsellers_lead_to_items(viewer: FlaskClient) -> None:
    """Who knows no id finds one; the list is longer than those beside an item."""
    assert len(items_of(viewer.get("/console/item").text, "bestsellers")) == 11


def test_all_placements_are_listed(app: Application, viewer: FlaskClient) -> None:
    """Each leads to its preview."""
    page = viewer.get("/console/placements").text
    for name in app.service.settings.placement_names():
        assert f'href="/console/placements?placement={name}"' in page


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("placement=nowhere", 400, "is unknown"),
        ("placement=home&version=..%2F..%2Fetc", 404, "there is no snapshot"),
        ("placement=home&version=20200101T000000Z-aaaaaaaaaaaa", 404, "there is no snapshot"),
    ],
)
def test_what_is_not_there_is_named(viewer: FlaskClient, query: str, status: int, said: str) -> None:
    """Neither a placement nor a snapshot is taken for another one, and a version is never made into a path."""
    answer = viewer.get(f"/console/placements?{query}")
    assert (answer.status_code, said in answer.text) == (status, True)


@pytest.mark.long
def test_one_list_on_two_snapshots(shop: Shop) -> None:
    """The earlier one is opened when it is asked for: its list is the one that it answers, with what the log has since."""
    shop.add(*[row for row in busy_events() if row["item_id"] != "sofa-1"])
    older = shop.publish()
    shop.add(*busy_events())
    shop.publish()
    app = console_app(shop.folder / "artifacts")
    web = logged_in(app, "viewer")
    page = web.get(f"/console/placements?placement=bestsellers&version={older}").text
    now, then = items_of(page, "bestsellers1"), items_of(page, "bestsellers2")
    assert older in page
    assert "sofa-1" in now
    assert now != then
    assert f"{len(set(now) & set(then))} items stand on both lists" in page
    app.service.live.update([ItemUpdate(then[0], available=False)])
    after = web.get(f"/console/placements?placement=bestsellers&version={older}").text
    assert then[0] not in items_of(after, "bestsellers2")


def test_an_earlier_moment_of_a_list(viewer: FlaskClient) -> None:
    """`now` is that of the question: before anything happened nobody was known."""
    page = viewer.get("/console/placements?placement=home&user_id=user-0&now=2020-01-01T00:00:00Z").text
    assert "new shopper" in page.partition('id="list-home"')[2].partition("</section>")[0]
    shares = re.findall(r'<td class="n"><bdi>([\d.]+)%', page)
    assert shares[0] == "100.0"


def test_what_each_rule_does(viewer: FlaskClient) -> None:
    """The shares of the shoppers for whom each rule leads add up to all of them."""
    page = viewer.get("/console/placements?placement=home").text
    shares = [float(share) for share in re.findall(r'<td class="n"><bdi>([\d.]+)%', page)]
    assert len(shares) == 5
    assert sum(shares) == pytest.approx(100, abs=0.3)


@pytest.mark.parametrize(
    ("when", "words"),
    [
        (When(), "always"),
        (When(known=False), "is not known"),
        (When(intent="buyer", focus=True), "intent is buyer and has focus"),
        (When(brand=False), "has no brand"),
        (When(lifecycle=("active", "first_time")), "lifecycle is active or first time"),
    ],
)
def test_conditions_in_words(when: When, words: str) -> None:
    """A rule's conditions read as a sentence."""
    assert conditions(msgspec.structs.asdict(when)) == words
