"""The storefront kit in a real browser, on a page of another origin than the service's."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from recsys.types import Event
from tests.storefront.conftest import CARDS, LIST, START, asked_again, items, opened, page_with, visitor
from tests.support.servers.browser import Recommendations, ShopPages, Watched, wait_for
from tests.support.servers.serving import token

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext


@pytest.mark.long
def test_a_list_takes_the_place_of_what_stood_there(visit: Watched, shop: ShopPages) -> None:
    """It is a list for screen readers, with prices and reasons, for the visitor whom the shop's backend named."""
    page = opened(visit, shop)
    assert len(items(page)) == 3
    assert page.query_selector("#ours") is None
    assert page.get_by_role("list", name="For you").count() == 1
    text = page.inner_text("recsys-list")
    assert "sofa" in text.lower() or "soap" in text.lower() or "bag" in text.lower()
    assert "shoppers" in text
    assert visitor(page).startswith("anon-")
    assert page.get_attribute("recsys-list", "aria-busy") is None
    assert visit.errors == []


@pytest.mark.long
def test_what_is_tracked_changes_the_list(visit: Watched, shop: ShopPages, service: Recommendations) -> None:
    """A view is on disk, under the visitor's id, and the next list knows it."""
    page = opened(visit, shop)
    before = items(page)
    page.evaluate("id => { track('view', id); track('cart_add', { item_id: id, quantity: 2, colour: 'red' }) }", before[0])
    wait_for(lambda: len(page.evaluate("sent")) == 1)
    mine = [event for event in service.events("view", "cart_add") if event.user_id == visitor(page)]
    assert [(event.event_type, event.item_id, event.quantity) for event in mine] == [
        ("view", before[0], None),
        ("cart_add", before[0], 2),
    ]
    assert mine[1].properties == {"colour": "red"}
    asked_again(page)
    after = items(page)
    assert before[0] not in after
    assert len(after) == 3
    assert visit.errors == []


def test_one_request_fills_all_lists_of_a_page(visit: Watched, shop: ShopPages, service: Recommendations) -> None:
    """They share a request, and no item stands in two of them."""
    body = LIST * 2 + '<recsys-list placement="similar" item="sofa-1" limit="2"></recsys-list>'
    shop.pages["/"] = page_with(service, body)
    page = opened(visit, shop)
    wait_for(lambda: len(page.evaluate("shown")) >= 3)
    assert {len(json.loads(body)["placements"]) for body in visit.asked("/v1/slates")} == {3}
    assert len(items(page)) == len(set(items(page))) == 8
    assert visit.errors == []


@pytest.mark.long
def test_an_expired_token_is_renewed(visit: Watched, shop: ShopPages) -> None:
    """One whose time is nearly over before it is used; one that the service refuses, after that."""
    now = int(time.time())
    old = iter([token("ada", iat=now - 3000, exp=now - 60), token("ada", iat=now, exp=now + 30)])
    shop.mint = lambda user_id: next(old, token(user_id))
    try:
        page = opened(visit, shop)  # the first is refused, the second shows the list
        assert len(shop.tokens) >= 2
        given = len(shop.tokens)
        asked_again(page)
        assert (len(shop.tokens) > given) == (given == 2)
        assert [error for error in visit.errors if "401" not in error] == []
    finally:
        shop.mint = token


@pytest.mark.long
def test_a_page_outlives_the_service(visit: Watched, shop: ShopPages, service: Recommendations) -> None:
    """While it is down the list stays, nothing is thrown, and what is tracked arrives once it is back."""
    page = opened(visit, shop)
    before = items(page)
    service.stop()
    try:
        page.evaluate("addEventListener('recsys:kept', () => (window.keptLists = 1 + (window.keptLists || 0)))")
        page.evaluate("track('view', 'lamp-3'); refresh()")
        page.wait_for_function("() => window.keptLists > 0")
        assert items(page) == before
        fresh = Watched(visit.page.context)
        fresh.page.goto(shop.origin + "/")
        assert fresh.page.inner_text("recsys-list") == "Our classics"
    finally:
        service.start()
    page.evaluate("flush()")
    wait_for(lambda: [event for event in service.events("view") if event.item_id == "lamp-3"])
    assert visit.own_errors() == []
    assert fresh.own_errors() == []


@pytest.mark.long
def test_a_slow_service_is_not_waited_for(
    visit: Watched, shop: ShopPages, service: Recommendations, context: BrowserContext
) -> None:
    """Two tries of 800 ms each with a pause between them, then silence; a skeleton goes, what the page had stays."""
    context.route("**/v1/slates", lambda route: None)  # never answered
    body = LIST + '<recsys-list id="empty" limit="5"></recsys-list>'
    note = 'const begun = performance.now(); document.addEventListener("recsys:kept", () => (window.ms = performance.now() - begun));'
    shop.pages["/"] = page_with(service, body, note + START)
    visit.page.goto(shop.origin)
    visit.page.wait_for_selector("#empty li", state="attached")
    assert visit.page.locator("#empty li").count() == 5
    visit.page.wait_for_selector("#empty li", state="detached")
    assert 1690 < visit.page.evaluate("ms") < 8000
    visit.page.wait_for_timeout(1500)
    assert len(visit.asked("/v1/slates")) <= 2
    assert visit.page.inner_text("recsys-list") == "Our classics"
    assert visit.errors == []


@pytest.mark.long
def test_what_is_tracked_offline_is_sent_later(
    visit: Watched, shop: ShopPages, service: Recommendations, context: BrowserContext
) -> None:
    """Also if the page was closed meanwhile: the next one sends it, with the time at which it happened."""
    page = opened(visit, shop)
    mine = visitor(page)
    context.set_offline(True)
    page.evaluate("track('search', { query: 'offline-1' }); track('search', { query: 'offline-2' })")
    page.evaluate("flush()")
    page.close()
    context.set_offline(False)
    assert [event for event in service.events("search") if event.user_id == mine] == []
    later = Watched(context)
    opened(later, shop)
    wait_for(lambda: len([event for event in service.events("search") if event.user_id == mine]) == 2)
    # The page hears a moment later that they came.
    wait_for(lambda: later.page.evaluate("Object.keys(localStorage)") == ["recsys:visitor"])
    assert later.errors == []


@pytest.mark.long
def test_what_is_tracked_last_arrives(visit: Watched, shop: ShopPages, service: Recommendations) -> None:
    """A page that is left at once still tells it, and the next page does not tell it again."""
    page = opened(visit, shop)
    mine = visitor(page)
    for number in range(5):
        page.evaluate("query => { track('search', { query }); location.href = '/other' }", f"last-{number}")
        page.wait_for_url("**/other")
        wait_for(lambda number=number: any(event.query == f"last-{number}" for event in service.events("search")))  # type: ignore[misc]
        opened(visit, shop)
    page.evaluate("flush()")
    assert [event.query for event in service.events("search") if event.user_id == mine] == [f"last-{n}" for n in range(5)]


@pytest.mark.long
def test_impressions_need_half_a_card_for_a_second(
    visit: Watched, shop: ShopPages, service: Recommendations, context: BrowserContext
) -> None:
    """Cards below the fold are told when they are scrolled to, each once; clicks name their list."""
    style = "<style>recsys-list li { height: 600px; display: block } body { margin: 0 }</style>"
    note = 'document.addEventListener("recsys:list", () => (window.shownAt = Date.now()));'
    shop.pages["/"] = page_with(service, style + LIST, START + note)
    context.route("**/v1/events", lambda route: route.abort())  # so that what is told stays in the browser's storage
    page = opened(visit, shop)
    shown = items(page)

    def sent_events() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = page.evaluate(
            "Object.entries(localStorage).filter(([key]) => key !== 'recsys:visitor').map(([, text]) => JSON.parse(text))"
        )
        return found

    wait_for(sent_events)
    assert [(event["event_type"], event["item_id"]) for event in sent_events()] == [("impression", shown[0])]
    assert sent_events()[0]["at"] - page.evaluate("shownAt") >= 990
    page.evaluate("scrollTo(0, 10_000)")
    wait_for(lambda: len(sent_events()) > 1)
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(1500)
    assert {event["item_id"] for event in sent_events()} <= set(shown)
    assert len({event["item_id"] for event in sent_events()}) == len(sent_events())
    context.unroute("**/v1/events")
    page.click(f"{CARDS} >> nth=0")

    def clicks() -> list[Event]:
        page.evaluate("flush()")  # by itself it waits longer from try to try
        return [event for event in service.events("click") if event.user_id == visitor(page)]

    wait_for(clicks)
    [click] = clicks()
    assert click.item_id == shown[0]
    assert click.recommendation_id == page.evaluate("shown[0].slate.recommendation_id")
    assert click.properties == {"placement": "home"}
    assert visit.own_errors() == []


def test_pages_that_never_reload_are_served(visit: Watched, shop: ShopPages) -> None:
    """Lists that come, go, move and change their question; an answer to a question of before is dropped."""
    page = opened(visit, shop)

    def show(*placements: str) -> bool:
        shown = page.evaluate("[...document.querySelectorAll('recsys-list')].map(list => list.slate?.placement)")
        if shown != list(placements) and not page.query_selector("recsys-list[aria-busy]"):
            page.evaluate("refresh()")
        return bool(shown == list(placements))

    page.evaluate("document.querySelector('recsys-list').setAttribute('placement', 'bestsellers')")
    wait_for(lambda: show("bestsellers"))
    page.evaluate("""() => {
        const list = document.querySelector('recsys-list');
        const box = document.createElement('div');
        document.body.append(box);
        box.append(list);                         // moved: it keeps what it shows
        const other = document.createElement('recsys-list');
        other.setAttribute('placement', 'popular');
        other.ask = { limit: 1 };
        document.body.append(other);
        const gone = document.createElement('recsys-list');
        document.body.append(gone);
        gone.remove();
    }""")
    assert page.locator("recsys-list").nth(0).locator("li").count() == 3
    wait_for(lambda: show("bestsellers", "popular"))
    assert len(items(page)) == 4
    page.evaluate("""() => {
        const list = document.querySelector('recsys-list');
        for (const name of ['home', 'popular', 'home', 'similar']) list.setAttribute('placement', name);
    }""")
    wait_for(lambda: show("similar", "popular"))
    assert visit.errors == []


def test_a_list_goes_on_to_its_end(visit: Watched, shop: ShopPages, service: Recommendations) -> None:
    """With a button that the shop words; no item comes twice, and the button goes at the end."""
    shop.pages["/"] = page_with(service, '<recsys-list limit="4" more="Show more"></recsys-list>')
    page = opened(visit, shop)
    twice = "for (const _ of 'ab') document.querySelector('.recsys-more')?.click()"
    counts = [4]
    while counts[-1] < 11:
        page.evaluate(twice)
        page.wait_for_selector("recsys-list[aria-busy]", state="detached")
        counts.append(len(items(page)))
    assert set(counts) == {4, 8, 11}
    assert len(set(items(page))) == 11
    assert page.query_selector(".recsys-more") is None
    assert visit.errors == []


def test_the_shops_own_card_is_filled(visit: Watched, shop: ShopPages, service: Recommendations) -> None:
    """Its template says where a field stands; what an item lacks is hidden."""
    card = '<article><h3 data-text="title"></h3><b data-text="price"></b><i data-text="image_url"></i></article>'
    shop.pages["/"] = page_with(service, f'<recsys-list limit="2"><template>{card}</template>Wait</recsys-list>')
    page = opened(visit, shop)
    assert page.locator("recsys-list li article h3").count() == 2
    assert page.locator("recsys-list li article i:visible").count() == 0
    assert "Wait" not in page.inner_text("recsys-list")
    asked_again(page)
    assert page.locator("recsys-list li article h3").count() == 2
    assert visit.errors == []


@pytest.mark.long
def test_a_page_of_another_origin_is_left_alone(visit: Watched, service: Recommendations, context: BrowserContext) -> None:
    """The browser does not even run the kit there, and the page shows what it has."""
    other = ShopPages()
    try:
        other.pages["/"] = page_with(service)
        visit.page.goto(other.origin)
        visit.page.wait_for_load_state("networkidle")
        assert visit.page.inner_text("recsys-list") == "Our classics"
        assert visit.asked("/v1/") == []
    finally:
        other.close()


@pytest.mark.long
def test_nothing_that_goes_wrong_reaches_the_page(visit: Watched, shop: ShopPages, service: Recommendations) -> None:
    """No token, a broken one, a full or forbidden storage, nonsense to track: silence."""
    script = """
        const circle = {}; circle.circle = circle;
        window.attempt = async (token) => {
          start({ token, consent: true });
          track("view", circle); track("view", { item_id: 5n }); track("search", { query: "x".repeat(20_000) });
          track(undefined); track("nonsense", {}); track("view");
          await flush(); await refresh();
        };
        Storage.prototype.setItem = () => { throw new Error("full") };
        Object.defineProperty(window, "localStorage", { get() { throw new Error("forbidden") } });
    """
    shop.pages["/"] = page_with(service, script=script)
    visit.page.goto(shop.origin)
    visit.page.wait_for_function("() => !!window.attempt")
    for broken in (
        '"/no-such-address"',
        "() => 'no.token.x'",
        "() => 5",
        "() => { throw new Error('no') }",
        "() => null",
        "null",
    ):
        visit.page.evaluate(f"attempt({broken})")
        visit.page.wait_for_selector("recsys-list:not([aria-busy])")
    assert visit.page.inner_text("recsys-list") == "Our classics"
    assert visit.own_errors() == []
