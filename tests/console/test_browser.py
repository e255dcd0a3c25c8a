"""The console in Chromium: every page at every width, in light and dark, without a mouse, and for people who see it differently."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from recsys.live.databases import log_in as open_log
from recsys.live.experiments import Exposure
from recsys.settings.campaigns import Action, Campaign, Pin
from recsys.types import Send
from tests.conftest import NOW, Shop, busy_events, micros
from tests.console.conftest import KEYS, SECRETS, trial
from tests.support.read_outs import read_out, write_read_out
from tests.support.servers.browser import PATIENCE_SECONDS, Watched, launched, started, wait_for
from tests.support.servers.running import ROOT, Server, start, stop

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

AXE = ROOT / "clients" / "storefront" / "node_modules" / "axe-core" / "axe.min.js"
WIDTHS = (360, 768, 1280)
SCHEMES = ("light", "dark")
SEND = "2026-w14"
CAMPAIGN = "autumn"
PAGES = (
    "/",
    "/shopper",
    "/shopper?user_id=user-0",
    "/shopper?user_id=nobody",
    "/item",
    "/item?item=sofa-1",
    "/item?item=gone-1&user_id=user-0",
    "/placements",
    "/placements?placement=home&user_id=user-0&version={older}",
    "/campaigns",
    f"/campaigns?campaign={CAMPAIGN}&user_id=user-0",
    f"/campaigns?campaign={CAMPAIGN}&delete=1",
    "/experiments",
    "/experiments?experiment=trial",
    "/experiments?experiment=wide",
    "/sends",
    f"/sends?send_id={SEND}&user_id=user-0&run=1",
    "/moments",
    "/moments?kind=browse",
    "/reports",
    "/explain?item=gone-1&user_id=user-0",
    "/forget?user_id=user-0",
    "/logout",
)


class Console:
    """A running service with an open console, two snapshots and a send."""

    def __init__(self, folder: Path) -> None:
        shop = Shop(folder, busy_events())
        self.older = shop.publish()
        shop.add(*busy_events()[:3])
        shop.publish()
        send = Send(send_id=SEND, placement="email_weekly", limit=3, template="weekly", expires_at=micros(NOW) * 2)
        log = open_log(folder / "state")
        log.pins.declare(send, micros(NOW))
        pins = (Action(pin=Pin(item_id="lamp-2", place=1)),)
        log.campaigns.put(CAMPAIGN, Campaign(placements=("home",), actions=pins), micros(NOW))
        for name in ("trial", "wide"):
            log.experiments.declare(name, trial(stopped=name == "trial", layer="home", layer_start=0.0), micros(NOW))
            log.experiments.expose([Exposure(name, f"user-{n}", "control", micros(NOW)) for n in range(50)], micros(NOW))
        write_read_out(shop.settings, read_out("trial"))
        log.close()
        web = 'development = true\nclock = "events"\n[web.console]\nlogins = "100000/minute"'
        self.server: Server = start(folder, folder / "artifacts", "--workers", "1", web=web, secrets=SECRETS)
        self.origin = f"http://127.0.0.1:{self.server.port}/console"
        wait_for(self._is_ready)

    def _is_ready(self) -> bool:
        with contextlib.suppress(OSError):
            return self.server.get("/readyz")[0].status == 200
        return False

    def address(self, page: str) -> str:
        """The address of a page."""
        return self.origin + page.format(older=self.older)


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """The service."""
    made = Console(tmp_path_factory.mktemp("console"))
    yield made
    stop(made.server)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser."""
    with started() as driver, launched(driver) as browser:
        yield browser


def log_in(page: Page, console: Console) -> None:
    """Log in as an operator."""
    page.goto(console.address("/login"))
    page.fill("#key", KEYS["operator"])
    page.click("main button")
    page.wait_for_url(console.address("/"))


@pytest.mark.long
@pytest.mark.parametrize(("width", "scheme"), [*((width, "light") for width in WIDTHS), (WIDTHS[0], "dark")])
def test_every_page_fits(console: Console, chromium: Browser, width: int, scheme: Any) -> None:
    """Nothing goes wrong on a page, nothing is fetched from elsewhere, and no page is wider than the window."""
    context = chromium.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    watched = Watched(context)
    log_in(watched.page, console)
    for page in ("/login", *PAGES):
        answer = watched.page.goto(console.address(page))
        assert answer is not None
        assert answer.status == 200, page
        too_wide = watched.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert too_wide == 0, page
        background = watched.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (background == "rgb(247, 247, 245)") == (scheme == "light"), page
    assert watched.errors == []
    assert {url for url, _ in watched.requests if not url.startswith(console.origin)} <= {"data:,"}
    context.close()


@pytest.mark.long
def test_it_works_without_a_mouse(console: Console, chromium: Browser) -> None:
    """Login, the way to the shoppers, the search and a link of its answer are reached by keys alone, and each shows where it is."""
    context = chromium.new_context()
    page = context.new_page()
    page.set_default_timeout(PATIENCE_SECONDS * 1000)
    page.goto(console.address("/login"))
    page.locator("input[type=password]:focus").wait_for()
    page.keyboard.type(KEYS["viewer"])
    page.keyboard.press("Enter")
    page.wait_for_url(console.address("/"))
    _tab_to(page, "Shopper")
    page.keyboard.press("Enter")
    page.wait_for_url(console.address("/shopper"))
    page.locator("input[name=user_id]:focus").wait_for()
    page.keyboard.type("user-0")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "user_id=user-0" in url)
    assert page.text_content("h1") == "user-0"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    _tab_to(page, "Evidence")
    context.close()


@pytest.mark.long
def test_a_campaign_is_declared_by_picking(console: Console, chromium: Browser) -> None:
    """The form asks for what the chosen action needs and for nothing else; a day and an hour are picked, and are UTC."""
    context = chromium.new_context(timezone_id="Asia/Tokyo")
    page = context.new_page()
    page.set_default_timeout(PATIENCE_SECONDS * 1000)
    log_in(page, console)
    page.goto(console.address("/campaigns"))
    fields = page.locator(".action [data-of]")
    asked = {}
    for kind in ("", "pin", "boost", "limit"):
        page.select_option("#f-kind", kind)
        asked[kind] = [each.locator("input, select").get_attribute("name") for each in fields.all() if each.is_visible()]
    assert asked == {
        "": [],
        "pin": ["item_id", "place"],
        "boost": ["of", "value", "factor"],
        "limit": ["of", "max", "within"],
    }
    page.fill("#new_id", "picked")
    page.check("input[name='placement.home']")
    page.fill("#f-from", "2026-12-01T08:00")
    page.fill("#f-max", "2")
    page.click("text='Declare'")
    page.wait_for_url(console.address("/campaigns?campaign=picked"))
    assert "2026-12-01 08:00" in page.inner_text("dl.facts")
    assert page.input_value("#f-from") == "2026-12-01T08:00"
    context.close()


def _tab_to(page: Page, text: str) -> None:
    """Go on by the tabulator until the focus is on a link, seen by its outline."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == text:
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
            return
    raise AssertionError(f"{text!r} is not reached by the tabulator")


@pytest.mark.long
def test_a_mail_runs_nothing(console: Console, chromium: Browser) -> None:
    """It stands in a frame of its own, without an origin, and shows what its reader would see."""
    context = chromium.new_context()
    page = context.new_page()
    log_in(page, console)
    page.goto(console.address(f"/sends?send_id={SEND}&user_id=user-0"))
    page.locator("iframe").scroll_into_view_if_needed()
    wait_for(
        lambda: (
            len(page.frames) == 2 and page.frames[1].evaluate("document.body !== null && document.readyState") == "complete"
        )
    )
    frame = page.frames[1]
    assert frame.evaluate("self.origin") == "null"
    assert "sofa" in frame.evaluate("document.body.innerText") or "lamp" in frame.evaluate("document.body.innerText")
    context.close()


@pytest.mark.long
@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: make setup-all")
@pytest.mark.parametrize("scheme", SCHEMES)
def test_nothing_keeps_people_out(console: Console, chromium: Browser, scheme: Any) -> None:
    """axe finds nothing against WCAG 2.2 AA on any page: names, contrasts, headings, tables, forms."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    log_in(page, console)
    found: dict[str, list[str]] = {}
    for path in ("/login", *PAGES):
        page.goto(console.address(path))
        page.evaluate(AXE.read_text())
        answer = page.evaluate("axe.run(document, { iframes: false })")
        wrong = [f"{each['id']}: {node['html']}" for each in answer["violations"] for node in each["nodes"]]
        if wrong:
            found[path] = wrong
    assert found == {}
    context.close()
