"""The storefront kit in odd pages: storage and locks forbidden, a language written otherwise, long lists, a bundle, a tab behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from recsys.web.resources.kit import STATIC
from tests.storefront.conftest import CARDS, LIST, START, filled, items, opened, page_with
from tests.support.servers.browser import Recommendations, ShopPages, Watched, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Route

FORBIDDEN = """
    const no = () => Promise.reject(new DOMException("denied", "SecurityError"));
    Object.defineProperty(navigator, "locks", { value: { request: no, query: no } });
    Object.defineProperty(window, "localStorage", { get() { throw new DOMException("denied", "SecurityError") } });
    window.unhandled = [];
    addEventListener("unhandledrejection", (event) => unhandled.push(String(event.reason)));
"""


@pytest.mark.long
def test_a_browser_that_forbids_storage_is_served(visit: Watched, shop: ShopPages, service: Recommendations) -> None:
    """Site data blocked: neither storage nor locks; lists are filled and events sent while the page is open."""
    shop.pages["/"] = page_with(service, script=FORBIDDEN + START)
    page = opened(visit, shop)
    page.evaluate("track('search', { query: 'without storage' })")
    wait_for(lambda: page.evaluate("flush().then(() => sent.length > 0)"))
    assert "without storage" in [event.query for event in service.events("search")]
    assert page.evaluate("unhandled") == []
    assert visit.errors == []


def test_a_language_with_an_underscore_is_one(
    visit: Watched, shop: ShopPages, service: Recommendations, context: BrowserContext
) -> None:
    """Prices are worded in it; one that no browser knows leaves them in the browser's own."""

    def in_euros(route: Route) -> None:
        answer = route.fetch()
        slates = answer.json()
        for item in (item for slate in slates["slates"] for item in slate["items"]):
            item |= {"price": 1234.5, "currency": "EUR"}
        route.fulfill(response=answer, json=slates)

    context.route("**/v1/slates", in_euros)
    prices = []
    for lang in ("de", "de_DE", "no language"):
        script = f"document.documentElement.lang = {lang!r}; {START}"
        shop.pages["/"] = page_with(service, script=script)
        prices.append(opened(visit, shop).locator(".recsys-price").all_inner_texts())
    assert prices[0] == prices[1]
    assert {price.replace("\xa0", " ") for price in prices[1]} == {"1.234,50 €"}
    assert all("1" in price for price in prices[2])
    assert visit.errors == []


def test_more_items_than_a_list_may_ask_for(visit: Watched, shop: ShopPages, service: Recommendations) -> None:
    """It asks for as many as it may, instead of not at all."""
    shop.pages["/"] = page_with(service, LIST.replace('limit="3"', 'limit="250"'))
    assert len(items(opened(visit, shop))) > 3
    assert visit.errors == []


def test_a_bundle_that_does_not_know_its_own_address(visit: Watched, shop: ShopPages, service: Recommendations) -> None:
    """As bundlers leave it that make no module: `start` names the service."""
    kit = (STATIC / "recsys.js").read_text().replace("import.meta.url", "undefined").replace("export ", "")
    start = f'start({{ token: "/token", consent: true, service: "{service.origin}" }});'
    html = (
        f'<!doctype html><html lang="en"><body>{LIST}<script type="module">{kit}; window.refresh = refresh; {start}</script>'
    )
    shop.pages["/"] = html
    visit.page.goto(shop.origin)
    wait_for(lambda: filled(visit.page))
    assert visit.errors == []


@pytest.mark.long
def test_a_card_seen_before_another_tab_counts_afterwards(visit: Watched, shop: ShopPages, service: Recommendations) -> None:
    """Whoever leaves within a second of seeing it, and comes back, has seen it then."""
    away = 'Object.defineProperty(document, "hidden", { get: () => window.away });'
    turn = "(away) => { window.away = away; document.dispatchEvent(new Event('visibilitychange')) }"
    shop.pages["/"] = page_with(service, script=f"window.away = true; {away} {START}")
    page = opened(visit, shop)
    page.wait_for_timeout(1500)
    page.evaluate("flush()")
    told = "sent.flatMap(({ events }) => events).filter((event) => event.event_type === 'impression').length"
    assert page.evaluate(told) == 0
    page.evaluate(turn, False)
    wait_for(lambda: page.evaluate(f"flush().then(() => {told} > 0)"))
    assert page.locator(CARDS).count() == 3
    assert visit.errors == []


@pytest.mark.long
def test_a_kit_of_two_addresses_is_told_of(visit: Watched, shop: ShopPages, service: Recommendations) -> None:
    """The second cannot fill the lists of the first."""
    again = f'<script type="module" src="{service.origin}/static/recsys.js?v=2"></script>'
    shop.pages["/"] = page_with(service, again)
    said: list[str] = []
    visit.page.on("console", lambda one: said.append(one.text))
    visit.page.goto(shop.origin)
    wait_for(lambda: visit.page.evaluate("true") and any("two addresses" in text for text in said))
    assert visit.errors == []
