"""The storefront kit and who visits: one visitor in all tabs, nobody without consent, another one who signs in."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.storefront.conftest import START, filled, items, opened, page_with, visitor
from tests.support.servers.browser import Recommendations, ShopPages, Watched, wait_for
from tests.support.servers.serving import token

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext


@pytest.mark.long
def test_two_tabs_tell_everything_once(
    visit: Watched, shop: ShopPages, service: Recommendations, context: BrowserContext
) -> None:
    """They are one visitor, and take up each other's events without doubling any."""
    first, second = opened(visit, shop), opened(Watched(context), shop)
    assert visitor(first) == visitor(second)
    for number in range(10):
        for tab, page in (("a", first), ("b", second)):
            page.evaluate("query => track('search', { query })", f"{tab}{number}")
    third = opened(Watched(context), shop)
    for page in (first, second, third):
        page.evaluate("flush()")
    mine = [event.query for event in service.events("search") if event.user_id == visitor(first)]
    assert sorted(mine, key=str) == sorted([f"{tab}{number}" for tab in "ab" for number in range(10)])


@pytest.mark.long
def test_tabs_that_open_at_once_are_one_visitor(
    visit: Watched, shop: ShopPages, service: Recommendations, context: BrowserContext
) -> None:
    """A browser that was never here draws one id, so that no event is told as two shoppers'."""
    at = time.time() * 1000 + 3000
    script = (
        f"localStorage.length; setTimeout(() => {{ {START} track('search', {{ query: 'at once' }}) }}, {at} - Date.now());"
    )
    shop.pages["/"] = page_with(service, script=script)
    tabs = [visit, *(Watched(context) for _ in range(3))]
    for tab in tabs:
        tab.page.goto(shop.origin, wait_until="commit")
    for tab in tabs:
        tab.page.wait_for_function("() => typeof sent !== 'undefined' && sent.length > 0")
        tab.page.evaluate("flush()")
    mine = [event.user_id for event in service.events("search") if event.query == "at once"]
    assert mine == [visitor(visit.page)] * 4


def test_no_event_is_stored_before_its_visitor(visit: Watched, shop: ShopPages, service: Recommendations) -> None:
    """A browser that is killed in between comes back without either: events of an id that is lost would be told again."""
    script = """
        const held = (said) => new Promise((done) => { window.release = done; said() });
        await new Promise((said) => navigator.locks.request("recsys:", () => held(said)));
        const stored = window.stored = [];
        const set = (real, key, value) => { stored.push(key); real[key] = value; return true };
        const watched = new Proxy(localStorage, { set, get: (real, key) => real[key] });
        Object.defineProperty(window, "localStorage", { get: () => watched });
        start({ token: "/token", consent: true });
        track("search", { query: "first of all" });
        window.ready = true;
    """
    shop.pages["/"] = page_with(service, script=script)
    visit.page.goto(shop.origin)
    visit.page.wait_for_function("() => window.ready")
    visit.page.wait_for_timeout(300)
    assert visit.page.evaluate("stored") == []
    visit.page.evaluate("release()")
    wait_for(lambda: [event for event in service.events("search") if event.query == "first of all"])
    assert visit.page.evaluate("stored")[0] == "recsys:visitor"
    assert len(visit.page.evaluate("stored")) > 1


@pytest.mark.long
@pytest.mark.parametrize("script", ['start({ token: "/token", consent: false });', 'start({ token: "/token" });'])
def test_without_consent_nothing_is_stored_or_sent(
    visit: Watched, shop: ShopPages, service: Recommendations, script: str
) -> None:
    """Neither to the service nor for a token; what the page shows stays. Refused: what was tracked is gone for good."""
    shop.pages["/"] = page_with(service, script=script)
    visit.page.goto(shop.origin)
    visit.page.wait_for_function("() => !!window.track")
    visit.page.evaluate("track('search', { query: 'before consent' }); flush(); refresh()")
    visit.page.wait_for_timeout(700)
    visit.page.goto(shop.origin + "/other")
    assert {url for url, _ in visit.requests if "/static/" not in url and "favicon" not in url} == {
        f"{shop.origin}/",
        f"{shop.origin}/other",
    }
    assert visit.page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
    assert shop.tokens == []


@pytest.mark.long
def test_consent_given_later_sends_what_was_seen_so_far(visit: Watched, shop: ShopPages, service: Recommendations) -> None:
    """And withdrawn, forgets everything in the browser."""
    shop.pages["/"] = page_with(service, script='start({ token: "/token" }); track("search", { query: "asked first" });')
    visit.page.goto(shop.origin)
    visit.page.wait_for_function("() => !!window.consent")
    visit.page.evaluate("consent(true)")
    wait_for(lambda: filled(visit.page))
    wait_for(lambda: [event for event in service.events("search") if event.query == "asked first"])
    shown = items(visit.page)
    visit.page.evaluate("track('search', { query: 'never' }); consent(false)")
    asked = len(visit.requests)
    visit.page.evaluate("track('search', { query: 'never' }); flush(); refresh()")
    visit.page.wait_for_timeout(700)
    assert len(visit.requests) == asked
    assert visit.page.evaluate("localStorage.length") == 0
    assert items(visit.page) == shown
    visit.page.evaluate("consent(true); track('search', { query: 'agreed again' }); flush()")
    wait_for(lambda: [event for event in service.events("search") if event.query == "agreed again"])
    assert [event for event in service.events("search") if event.query == "never"] == []


@pytest.mark.long
def test_consent_withdrawn_ends_what_is_underway(
    visit: Watched, shop: ShopPages, service: Recommendations, context: BrowserContext
) -> None:
    """Neither a list that is tried again nor a button of one that stands asks for anything, not even for a token."""
    shop.pages["/"] = page_with(service, '<recsys-list limit="2" more="More"></recsys-list>')
    page = opened(visit, shop)
    page.evaluate("flush()")
    context.route("**/v1/slates", lambda route: None)  # never answered
    asked = len(visit.asked("/v1/slates"))
    page.evaluate("refresh()")
    wait_for(lambda: page.evaluate("true") and len(visit.asked("/v1/slates")) > asked)
    page.evaluate("consent(false)")
    asked, given = len(visit.requests), len(shop.tokens)
    page.wait_for_selector("recsys-list:not([aria-busy])")
    page.click(".recsys-more")
    page.wait_for_timeout(1500)
    assert (len(visit.requests), len(shop.tokens)) == (asked, given)
    assert page.evaluate("localStorage.length") == 0
    assert len(items(page)) == 2


@pytest.mark.long
def test_consent_withdrawn_in_one_tab_holds_in_all(
    visit: Watched, shop: ShopPages, service: Recommendations, context: BrowserContext
) -> None:
    """The others ask for nothing any more and store nothing; who agrees again is somebody else."""
    page, other = opened(visit, shop), Watched(context)
    opened(other, shop)
    first = visitor(page)
    other.page.evaluate("consent(false)")
    wait_for(lambda: page.evaluate("flush().then(() => localStorage.length)") == 0)
    page.wait_for_timeout(300)
    asked = len(visit.requests)
    page.evaluate("track('search', { query: 'refused' }); flush(); refresh()")
    page.wait_for_timeout(700)
    assert (len(visit.requests), page.evaluate("localStorage.length")) == (asked, 0)
    page.evaluate("consent(true); track('search', { query: 'another' }); flush()")
    wait_for(lambda: [event for event in service.events("search") if event.query == "another"])
    assert visitor(page) != first
    assert [event for event in service.events("search") if event.query == "refused"] == []


@pytest.mark.long
def test_a_token_that_comes_after_consent_was_withdrawn_is_not_used(
    visit: Watched, shop: ShopPages, service: Recommendations
) -> None:
    """Who agrees again gets another."""
    script = """
        const given = window.given = [];
        const token = (id) => new Promise((give) => given.push({ id, give }));
        start({ token, consent: true });
    """
    shop.pages["/"] = page_with(service, script=script)
    visit.page.goto(shop.origin)
    visit.page.wait_for_function("() => window.given?.length === 1")
    visit.page.evaluate("token => { consent(false); given[0].give(token) }", token("user-0"))
    visit.page.wait_for_timeout(300)
    visit.page.evaluate("consent(true)")
    visit.page.wait_for_function("() => given.length === 2", timeout=20_000)
    mine = visit.page.evaluate("given[1].id")
    visit.page.evaluate("token => given[1].give(token)", token(mine))
    visit.page.evaluate("track('search', { query: 'anew' }); flush()")
    wait_for(lambda: [event for event in service.events("search") if event.query == "anew"])
    assert [event.user_id for event in service.events("search") if event.query == "anew"] == [mine]


def test_who_signs_in_gets_a_list_of_their_own(visit: Watched, shop: ShopPages, service: Recommendations) -> None:
    """What the visitor did is told under the visitor's id, what follows under the user's; nobody's events are mixed up."""
    page = opened(visit, shop)
    mine = visitor(page)
    page.evaluate("track('search', { query: 'as visitor' })")
    shop.user_id = "user-0"
    page.evaluate("renew()")
    page.evaluate("track('search', { query: 'as user' }); flush()")
    wait_for(lambda: [event for event in service.events("search") if event.query == "as user"])
    stated = {event.query: event.user_id for event in service.events("search")}
    assert (stated["as visitor"], stated["as user"]) == (mine, "user-0")


@pytest.mark.long
def test_a_token_stands_in_no_address(visit: Watched, shop: ShopPages) -> None:
    """Neither in what is asked nor in what is told, also when the page is left; nor is it stored."""
    page = opened(visit, shop)
    page.evaluate("track('home_view')")
    page.evaluate("flush()")
    assert shop.tokens
    stored = json.dumps(page.evaluate("({ ...localStorage, ...sessionStorage })"))
    page.goto(shop.origin + "/other")
    for given in shop.tokens:
        assert not [url for url, _ in visit.requests if given[-20:] in url or "anon-" in url]
        assert given[-20:] not in stored
