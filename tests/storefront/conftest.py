"""Chromium, a shop's pages and the service, for all tests of the storefront."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.browser import Recommendations, ShopPages, Watched, launched, started

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Playwright

PAGE = """<!doctype html><html lang="en"><head><title>Shop</title>
<script type="module">
  import {{ start, track, flush, refresh, renew, consent }} from "{service}/static/recsys.js";
  Object.assign(window, {{ start, track, flush, refresh, renew, consent, shown: [], sent: [] }});
  document.addEventListener("recsys:list", (event) => shown.push(event.detail));
  document.addEventListener("recsys:events", (event) => sent.push(event.detail));
  {script}
</script></head><body>{body}</body></html>"""
START = 'start({ token: "/token", consent: true });'
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
    """A visitor who was never here."""
    made = chromium.new_context()
    yield made
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
