"""The storefront kit and what a shopper sees and does of a list: each item once, however it is opened and however tall it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.storefront.conftest import CARDS, LIST, asked_again, items, opened, page_with
from tests.support.servers.browser import Recommendations, ShopPages, Watched, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Page


def told(page: Page, kind: str) -> list[dict[str, Any]]:
    """What the service has taken of the page, of one kind."""
    found: list[dict[str, Any]] = page.evaluate(
        "kind => flush().then(() => sent.flatMap(({ events }) => events).filter((event) => event.event_type === kind))", kind
    )
    return found


@pytest.mark.long
def test_what_stays_on_the_screen_is_seen_once(visit: Watched, shop: ShopPages, service: Recommendations) -> None:
    """A list that is asked for again tells only what is new in it; a click names the list in which its item was seen."""
    shop.pages["/"] = page_with(service, LIST.replace("home", "bestsellers"))
    page = opened(visit, shop)
    wait_for(lambda: len(told(page, "impression")) == 3)
    for _ in range(2):
        asked_again(page)
        page.wait_for_timeout(1500)
    assert len(told(page, "impression")) == 3
    page.click(f"{CARDS} >> nth=0")
    wait_for(lambda: told(page, "click"))
    assert {event["recommendation_id"] for event in told(page, "impression") + told(page, "click")} == {
        page.evaluate("shown[0].slate.recommendation_id")
    }
    page.evaluate("document.querySelector('recsys-list').setAttribute('placement', 'popular')")
    wait_for(lambda: len(told(page, "impression")) > 3)
    assert visit.errors == []


@pytest.mark.long
def test_a_card_is_opened_in_another_tab(visit: Watched, shop: ShopPages, service: Recommendations) -> None:
    """With the middle button, which fires no click; the right one opens nothing, and neither refuses a card."""
    shop.pages["/"] = page_with(service, LIST.replace("limit", 'dislike="No" limit'))
    page = opened(visit, shop)
    first = items(page)[0]
    page.click(f"{CARDS} >> nth=1 >> a", button="right")
    page.click(f"{CARDS} >> nth=0 >> button", button="middle")
    wait_for(lambda: told(page, "click"))
    assert [event["item_id"] for event in told(page, "click")] == [first]
    assert told(page, "dislike") == []
    assert items(page)[0] == first


@pytest.mark.long
def test_a_card_taller_than_the_window_is_seen(visit: Watched, shop: ShopPages, service: Recommendations) -> None:
    """Half of what of it fits into the window is enough."""
    style = "<style>recsys-list li { height: 4000px; display: block } body { margin: 0 }</style>"
    shop.pages["/"] = page_with(service, style + LIST)
    page = opened(visit, shop)
    wait_for(lambda: told(page, "impression"), 20)
    assert [event["item_id"] for event in told(page, "impression")] == items(page)[:1]
