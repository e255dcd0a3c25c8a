"""The storefront kit and what is refused: one event or list that is wrong, and a proxy's page, take nothing else with them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.storefront.conftest import CARDS, LIST, opened, page_with, visitor
from tests.support.servers.browser import Recommendations, ShopPages, Watched, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Route

ANY_ORIGIN = {"Access-Control-Allow-Origin": "*"}
WAITING = "Object.keys(localStorage).filter((key) => key !== 'recsys:visitor').length"


def warnings(visit: Watched) -> list[str]:
    """What the page warns of, from now on."""
    said: list[str] = []
    visit.page.on("console", lambda one: said.extend([one.text] * (one.type == "warning")))
    return said


def refuse(route: Route, status: int = 400, words: str = "events: one is wrong") -> None:
    """Answer as the service does where it takes nothing."""
    problem = {"status": status, "detail": words}
    route.fulfill(status=status, headers=ANY_ORIGIN, content_type="application/problem+json", body=json.dumps(problem))


@pytest.mark.long
def test_half_a_character_loses_nothing(visit: Watched, shop: ShopPages, service: Recommendations) -> None:
    """A text that is cut in the middle of an emoji is sent with a mark in its place, and what waits beside it is sent too."""
    page = opened(visit, shop)
    page.evaluate("track('view', 'lamp-3'); track('search', { query: 'sofa ' + '\\u{1F6CB}'[0] }); flush()")
    wait_for(lambda: [event for event in service.events("search") if event.query == "sofa \ufffd"])
    assert [event.item_id for event in service.events("view") if event.user_id == visitor(page)] == ["lamp-3"]
    assert all(json.loads(body).get("events") for body in visit.asked("/v1/events"))
    assert not [body for body in visit.asked("/v1/events") if "\\ud83d" in body]
    page.evaluate("track('search', { query: 'C:\\\\ud83d' }); flush()")  # a backslash and letters, as they were typed
    wait_for(lambda: [event for event in service.events("search") if event.query == "C:\\ud83d"])
    assert visit.errors == []


@pytest.mark.long
def test_one_event_that_is_refused_takes_no_other_with_it(
    visit: Watched, shop: ShopPages, service: Recommendations, context: BrowserContext
) -> None:
    """It alone is dropped, and the page's console says why; the others arrive."""
    said = warnings(visit)
    page = opened(visit, shop)
    context.route(
        "**/v1/events", lambda route: refuse(route) if "poison" in (route.request.post_data or "") else route.continue_()
    )
    queries = ["before", "near", "poison", "after", "last"]
    page.evaluate("queries => { for (const query of queries) track('search', { query }); flush() }", queries)

    def stated() -> list[str | None]:
        return [event.query for event in service.events("search") if event.user_id == visitor(page)]

    wait_for(lambda: len(stated()) == 4)
    assert sorted(map(str, stated())) == ["after", "before", "last", "near"]
    wait_for(lambda: page.evaluate(WAITING) == 0)
    assert any("one is wrong" in text for text in said)
    assert visit.own_errors() == []


@pytest.mark.long
@pytest.mark.parametrize("status", [400, 403, 404, 408])
def test_a_proxys_page_empties_no_queue(
    visit: Watched, shop: ShopPages, service: Recommendations, context: BrowserContext, status: int
) -> None:
    """What stands between the browser and the service may refuse for a while: it is tried again."""
    page = opened(visit, shop)
    page.evaluate("flush()")
    context.route("**/v1/events", lambda route: route.fulfill(status=status, headers=ANY_ORIGIN, body="<html>proxy</html>"))
    page.evaluate("query => { track('search', { query }); return flush() }", f"proxy {status}")
    wait_for(lambda: page.evaluate(WAITING) and [error for error in visit.errors if str(status) in error])
    assert page.evaluate(f"flush().then(() => {WAITING})") >= 1
    context.unroute("**/v1/events")
    page.evaluate("flush()")
    wait_for(lambda: [event for event in service.events("search") if event.query == f"proxy {status}"])
    assert visit.own_errors() == []


@pytest.mark.long
def test_one_list_that_is_wrong_leaves_the_others(visit: Watched, shop: ShopPages, service: Recommendations) -> None:
    """They are filled, it keeps what stood in it, and the page's console says what is wrong."""
    shop.pages["/"] = page_with(service, LIST + '<recsys-list id="wrong" placement="hmoe">Ours</recsys-list>')
    said = warnings(visit)
    page = opened(visit, shop)
    assert page.locator(CARDS).count() == 3
    assert page.inner_text("#wrong") == "Ours"
    assert any("hmoe" in text for text in said)
    assert visit.own_errors() == []


@pytest.mark.long
def test_what_a_visitor_did_is_told_after_signing_in(
    visit: Watched, shop: ShopPages, service: Recommendations, context: BrowserContext
) -> None:
    """Under the visitor's id, where it could not be sent before."""
    page = opened(visit, shop)
    mine = visitor(page)
    context.route("**/v1/events", lambda route: route.abort())
    page.evaluate("track('search', { query: 'as visitor, late' }); flush()")
    wait_for(lambda: page.evaluate(WAITING) and visit.errors)
    shop.user_id = "user-0"
    page.evaluate("renew()")
    wait_for(lambda: page.evaluate("true") and len(shop.tokens) > 1)
    context.unroute("**/v1/events")
    page.evaluate("track('search', { query: 'as user, then' }); flush()")
    wait_for(lambda: page.evaluate(f"flush().then(() => {WAITING} === 0)"))
    stated = {event.query: event.user_id for event in service.events("search")}
    assert (stated["as visitor, late"], stated["as user, then"]) == (mine, "user-0")
    assert visit.own_errors() == []
