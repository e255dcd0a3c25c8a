"""The storefront kit and what a shopper sees and does of a list: each item once, however it is opened and however tall it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.storefront.conftest import CARDS, LIST, asked_again, items, opened, page_with
from tests.support.servers.browser import Recommendations, ShopPages, Watched, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page, Route


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
    """With the middle button on a link, which fires no click; the right one opens nothing, and neither refuses a card."""
    card = '<template><a href="/other"><b data-text="item_id"></b></a></template>'
    shop.pages["/"] = page_with(service, LIST.replace("limit", 'dislike="No" limit').replace("<p", f"{card}<p"))
    page = opened(visit, shop)
    first = items(page)[0]
    page.click(f"{CARDS} >> nth=1 >> a", button="right")
    page.click(f"{CARDS} >> nth=1 >> button", button="middle")
    page.click(f"{CARDS} >> nth=0 >> a", button="middle")
    wait_for(lambda: told(page, "click"))
    assert [event["item_id"] for event in told(page, "click")] == [first]
    assert told(page, "dislike") == []
    assert items(page)[0] == first


@pytest.mark.long
def test_a_list_that_does_not_come_changes_nothing(
    visit: Watched, shop: ShopPages, service: Recommendations, context: BrowserContext
) -> None:
    """Where a page asks for another list and the service is away, what stays on the screen was seen once."""
    shop.pages["/"] = page_with(service, LIST.replace("home", "bestsellers"))
    page = opened(visit, shop)
    wait_for(lambda: len(told(page, "impression")) == 3)
    context.route("**/v1/slates", lambda route: route.abort())
    page.evaluate("document.querySelector('recsys-list').setAttribute('placement', 'popular')")
    page.wait_for_selector("recsys-list[aria-busy]")
    page.wait_for_selector("recsys-list[aria-busy]", state="detached")
    page.evaluate("document.querySelector('recsys-list').connectedCallback()")
    page.wait_for_timeout(1500)
    assert len(told(page, "impression")) == 3


@pytest.mark.long
def test_a_card_taller_than_the_window_is_seen(visit: Watched, shop: ShopPages, service: Recommendations) -> None:
    """Half of what of it fits into the window is enough."""
    style = "<style>recsys-list li { height: 4000px; display: block } body { margin: 0 }</style>"
    shop.pages["/"] = page_with(service, style + LIST)
    page = opened(visit, shop)
    wait_for(lambda: told(page, "impression"), 20)
    assert [event["item_id"] for event in told(page, "impression")] == items(page)[:1]


@pytest.mark.long
def test_a_list_that_goes_on_repeats_no_other(visit: Watched, shop: ShopPages, service: Recommendations) -> None:
    """What another list of the page shows is left out of its further pages."""
    body = '<recsys-list limit="2" more="More"></recsys-list><recsys-list placement="bestsellers" limit="4"></recsys-list>'
    shop.pages["/"] = page_with(service, body)
    page = opened(visit, shop)
    while page.query_selector(".recsys-more"):
        page.click(".recsys-more")
        page.wait_for_selector("recsys-list[aria-busy]", state="detached")
    assert len(items(page)) == len(set(items(page))) == 11
    assert visit.errors == []


@pytest.mark.long
def test_what_is_heard_of_a_list(visit: Watched, shop: ShopPages, service: Recommendations, context: BrowserContext) -> None:
    """An item without a title is no "null", and what has the focus after "Undo" is the list."""

    def nameless(route: Route) -> None:
        answer = route.fetch()
        slates = answer.json()
        for item in (item for slate in slates["slates"] for item in slate["items"]):
            item["title"] = None
        route.fulfill(response=answer, json=slates)

    context.route("**/v1/slates", nameless)
    shop.pages["/"] = page_with(service, LIST.replace("limit", 'dislike="No" limit'))
    page = opened(visit, shop)
    assert page.get_attribute(".recsys-dislike >> nth=0", "aria-label") == "No: "
    page.click(".recsys-dislike >> nth=0")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.tagName") == "RECSYS-LIST"
    assert visit.errors == []
