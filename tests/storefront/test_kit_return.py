"""The storefront kit on a page that the browser kept whole while its visitor was elsewhere (the back/forward cache)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.storefront.conftest import filled, page_with
from tests.support.servers.browser import Recommendations, ShopPages, Watched, launched, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright


@pytest.fixture(scope="module")
def keeping(driver: Playwright) -> Iterator[Browser]:
    """A browser that keeps pages; the driver's own arguments would forbid it."""
    with launched(driver, "--enable-features=BackForwardCache", without=["--disable-back-forward-cache"]) as browser:
        yield browser


@pytest.mark.long
def test_a_page_that_comes_back_goes_on(keeping: Browser, shop: ShopPages, service: Recommendations) -> None:
    """The kit does not keep the browser from keeping the page; what is tracked before and after arrives, and nothing twice."""
    shop.pages = {"/": page_with(service, script=START_AND_NOTE), "/other": page_with(service, body="", script="")}
    context = keeping.new_context()
    visit = Watched(context)
    page = visit.page
    page.goto(shop.origin)
    wait_for(lambda: filled(page))
    mine = page.evaluate("localStorage['recsys:visitor']")
    page.evaluate("window.kept = 'whole'; track('search', { query: 'before' })")
    page.evaluate("location.href = '/other'")
    page.wait_for_url("**/other")
    page.evaluate("history.back()")
    page.wait_for_function("window.returned === true")
    assert page.evaluate("window.kept") == "whole"
    page.evaluate("track('search', { query: 'after' }); flush()")

    def stated() -> list[str | None]:
        return [event.query for event in service.events("search") if event.user_id == mine]

    wait_for(lambda: "after" in stated())
    wait_for(lambda: page.evaluate("Object.keys(localStorage).length") == 1)
    assert stated() == ["before", "after"]
    assert page.locator("recsys-list li[data-item]").count() == 3
    assert visit.errors == []
    context.close()


START_AND_NOTE = """
  start({ token: "/token", consent: true });
  addEventListener("pageshow", (event) => (window.returned = event.persisted));
"""
