"""The storefront kit and "no, thanks": a card that goes at once, a list that is filled up, and a way back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.storefront.conftest import CARDS, items, opened, page_with
from tests.support.servers.browser import Recommendations, ShopPages, Watched, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Page

REFUSABLE = '<recsys-list limit="4" label="For you" dislike="Not for me" undo="Show it again"></recsys-list>'


def events(visit: Watched) -> list[dict[str, Any]]:
    """What the page said about items, as the service took it."""
    stated: list[dict[str, Any]] = visit.page.evaluate("sent.flatMap(({ events }) => events)")
    return [event for event in stated if event["event_type"] in ("dislike", "undo", "click")]


def settled(page: Page, gone: str, count: int) -> bool:
    """Whether the list has so many cards, without an item; where the service was too slow, the page asks again."""
    if page.query_selector("recsys-list[aria-busy]"):
        return False
    if len(items(page)) == count and gone not in items(page):
        return True
    page.evaluate("refresh()")
    return False


@pytest.mark.long
def test_a_card_that_is_refused_goes_and_the_next_item_comes(
    visit: Watched, shop: ShopPages, service: Recommendations
) -> None:
    """At once, by the keyboard alone; the button is named after its item, and what takes it back has the focus."""
    shop.pages["/"] = page_with(service, REFUSABLE)
    page = opened(visit, shop)
    before = items(page)
    title = page.evaluate("shown[0].slate.items[1].title")
    page.get_by_role("button", name=f"Not for me: {title}", exact=True).focus()
    page.keyboard.press("Enter")
    assert before[1] not in items(page)
    assert page.evaluate("document.activeElement.textContent") == "Show it again"
    wait_for(lambda: settled(page, before[1], 4))
    assert {before[0], before[2], before[3]} < set(items(page))
    assert page.evaluate("document.activeElement.className") == "recsys-undo"
    stated = [(event["event_type"], event["item_id"], event["hides"]) for event in events(visit)]
    assert stated == [("dislike", before[1], "item")]
    page.reload()
    wait_for(lambda: settled(page, before[1], 4))
    assert visit.errors == []


@pytest.mark.long
def test_it_is_taken_back(visit: Watched, shop: ShopPages, service: Recommendations) -> None:
    """The item stands where it stood, and the button has done its work."""
    shop.pages["/"] = page_with(service, REFUSABLE)
    page = opened(visit, shop)
    before = items(page)
    page.click(".recsys-dislike >> nth=0")
    wait_for(lambda: settled(page, before[0], 4))
    filler = next(item for item in items(page) if item not in before)
    page.keyboard.press("Enter")
    assert page.query_selector(".recsys-undo") is None
    wait_for(lambda: settled(page, filler, 4))
    assert items(page) == before
    assert [event["event_type"] for event in events(visit)] == ["dislike", "undo"]
    assert visit.errors == []


def test_the_shops_own_card_says_what_is_refused(visit: Watched, shop: ShopPages, service: Recommendations) -> None:
    """An element of its template, also inside a link, which is not followed; the whole brand goes, from every list."""
    card = (
        '<a data-href="url"><b data-text="title"></b><button data-dislike="brand" aria-label="Hide the brand">x</button></a>'
    )
    shop.pages["/"] = page_with(service, f'<recsys-list limit="4"><template>{card}</template></recsys-list>')
    page = opened(visit, shop)
    first = page.evaluate("shown[0].slate.items[0]")
    page.get_by_role("button", name=f"Hide the brand: {first['title']}", exact=True).click()

    def brands() -> set[str]:
        return {item["brand"] for item in page.evaluate("shown.at(-1).slate.items")}

    wait_for(lambda: settled(page, first["item_id"], len(items(page))) and events(visit) and first["brand"] not in brands())
    stated = [(event["event_type"], event["item_id"], event["hides"]) for event in events(visit)]
    assert stated == [("dislike", first["item_id"], "brand")]
    assert page.url == shop.origin + "/"
    assert visit.errors == []


@pytest.mark.long
def test_a_list_that_goes_on_stays_as_long_as_it_was(visit: Watched, shop: ShopPages, service: Recommendations) -> None:
    """A shopper who refuses something on the second page does not lose sight of it."""
    shop.pages["/"] = page_with(service, REFUSABLE.replace("limit", 'more="Show more" limit'))
    page = opened(visit, shop)

    def went_on() -> bool:
        is_busy = page.query_selector("recsys-list[aria-busy]")  # before the items: a page may just arrive
        if len(items(page)) == 4 and not is_busy:
            page.click(".recsys-more")
        return len(items(page)) == 8

    wait_for(went_on)
    gone = items(page)[5]
    page.click(f"{CARDS} >> nth=5 >> button")
    wait_for(lambda: settled(page, gone, 8))
    gone = items(page)[0]
    page.click(f"{CARDS} >> nth=0 >> button")
    page.click(f"{CARDS} >> nth=0 >> button")  # the next at once
    wait_for(lambda: settled(page, gone, 8))
    assert page.locator(".recsys-more").count() == 1
    assert visit.errors == []


@pytest.mark.long
def test_without_the_service_the_card_goes_all_the_same(visit: Watched, shop: ShopPages, service: Recommendations) -> None:
    """The rest of the list stays, and the service hears of it later."""
    shop.pages["/"] = page_with(service, REFUSABLE)
    page = opened(visit, shop)
    before = items(page)
    page.context.set_offline(True)
    page.click(".recsys-dislike >> nth=0")
    page.wait_for_timeout(300)
    assert items(page) == before[1:]
    page.context.set_offline(False)
    wait_for(lambda: [event for event in events(visit) if event["event_type"] == "dislike"])
    wait_for(lambda: settled(page, before[0], 4))
    assert visit.own_errors() == []
