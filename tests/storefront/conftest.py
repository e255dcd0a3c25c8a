"""Chromium, a shop's pages and the service, for all tests of the storefront."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.servers.browser import Recommendations, ShopPages, Watched, launched, started, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Playwright

PAGE = """<!doctype html><html lang="en"><head><title>Shop</title>
<script type="module">
  import {{ start, track, flush, refresh, renew, consent }} from "{service}/static/recsys.js";
  Object.assign(window, {{ start, track, flush, refresh, renew, consent, shown: [], sent: [] }});
  document.addEventListener("recsys:list", (event) => shown.push(event.detail));
  document.addEventListener("recsys:events", (event) => sent.push(event.detail));
  {script}
</script></head><body>{body}</body></html>"""
START = 'start({ token: "/token", consent: true });'
CARDS = "recsys-list li[data-item]"
LIST = '<recsys-list placement="home" limit="3" label="For you"><p id="ours">Our classics</p></recsys-list>'


@pytest.fixture(scope="session")
def driver() -> Iterator[Playwright]:
    """What drives browsers."""
    with started() as driving:
        yield driving


@pytest.fixture(scope="session")
def chromium(driver: Playwright) -> Iterator[Browser]:
    """The browser."""
    with launched(driver) as browser:
        yield browser


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """A visitor who was never here; requests that a test still holds when it ends fail nobody."""
    made = chromium.new_context()
    yield made
    made.unroute_all(behavior="ignoreErrors")
    made.close()


@pytest.fixture(scope="module")
def shop() -> Iterator[ShopPages]:
    """The shop's own server."""
    pages = ShopPages()
    yield pages
    pages.close()


@pytest.fixture(scope="module")
def service(shop: ShopPages, artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recommendations]:
    """The service over the busy shop, open to that shop's pages."""
    running = Recommendations(tmp_path_factory.mktemp("service"), artifacts, [shop.origin])
    yield running
    running.stop()


@pytest.fixture
def visit(shop: ShopPages, service: Recommendations, context: BrowserContext) -> Watched:
    """A page of the shop that is about to be opened, with one list in it."""
    shop.user_id, shop.tokens = None, []
    shop.pages = {"/": page_with(service), "/other": "<title>Other</title>"}
    return Watched(context)


def page_with(service: Recommendations, body: str = LIST, script: str = START) -> str:
    """A page of the shop that uses the kit."""
    return PAGE.format(service=service.origin, body=body, script=script)


def opened(visit: Watched, shop: ShopPages, path: str = "/") -> Page:
    """Open a page of the shop and wait for its list."""
    visit.page.goto(shop.origin + path)
    wait_for(lambda: filled(visit.page))
    return visit.page


def filled(page: Page) -> bool:
    """Whether a page shows its list; where the service was too slow for the kit's patience, the page asks again.

    Both is found out in the page, at one moment: a list that came between two looks would be asked for, and shown, twice.
    """
    look = """cards => {
        if (document.querySelector(cards)) return true;
        const idle = window.refresh && !document.querySelector("recsys-list[aria-busy]");
        return idle ? refresh().then(() => false) : false;
    }"""
    return bool(page.evaluate(look, CARDS))


def asked_again(page: Page) -> None:
    """Ask for the lists of a page again, until they have come."""
    count = page.evaluate("shown.length")

    def come() -> bool:
        page.evaluate("refresh()")
        page.wait_for_selector("recsys-list[aria-busy]", state="detached")
        return bool(page.evaluate("shown.length") > count)

    wait_for(come)


def items(page: Page) -> list[str]:
    """The ids of the items that a page shows."""
    found: list[str] = page.eval_on_selector_all(CARDS, "cards => cards.map(card => card.dataset.item)")
    return found


def visitor(page: Page) -> str:
    """The anonymous id of the browser."""
    return str(page.evaluate("localStorage['recsys:visitor']"))
