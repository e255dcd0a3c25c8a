"""The clickable front of the synthetic shop: its pages by themselves, and its walks in a real browser beside the service."""

from __future__ import annotations

import json
import threading
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from flask.testing import FlaskClient
from werkzeug.serving import BaseWSGIServer, make_server

from recsys.settings.load import load_settings
from simulator import make_shop, shop_settings
from simulator.storefront import create_app
from simulator.storefront.goods import Shelves
from simulator.storefront.pages import WATCHES, WINDOW_SHOPPING
from simulator.storefront.pictures import picture
from tests.support.servers.browser import SECRETS, Recommendations, Watched, wait_for
from tests.support.servers.ports import free_port
from tests.support.servers.serving import ENVIRONMENT
from tests.support.shops.synthetic import END
from tests.support.training import train

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

VISITOR = "anon-" + "0123456789abcdef" * 2


@dataclass(frozen=True)
class Demo:
    """The shop's tables, the service over them, and the front's server."""

    tables: Path
    service: Recommendations
    front: str


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A small synthetic shop, trained on, served, and with its front on an origin of its own."""
    folder, port = tmp_path_factory.mktemp("demo"), free_port()
    front = f"http://127.0.0.1:{port}"
    make_shop(folder / "data", users=300, end=END, address=front)
    (folder / "settings.toml").write_text(shop_settings())
    train(load_settings(folder / "settings.toml"), now=END)
    service = Recommendations(tmp_path_factory.mktemp("service"), folder / "artifacts", [front], 'clock = "events"')
    app = create_app(folder / "data", service.origin, ENVIRONMENT | SECRETS)
    server: BaseWSGIServer = make_server("127.0.0.1", port, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Demo(folder / "data", service, front)
    server.shutdown()
    server.server_close()
    service.stop()


@pytest.fixture
def web(demo: Demo) -> FlaskClient:
    """The front's pages, asked in this process."""
    return create_app(demo.tables, demo.service.origin, ENVIRONMENT | SECRETS).test_client()


def shelves(demo: Demo) -> Shelves:
    """What the front shows."""
    return Shelves.read(demo.tables)


@pytest.mark.long
def test_every_page_is_there(web: FlaskClient, demo: Demo) -> None:
    """Home, each category at each level, products with pictures, cart; others are 404."""
    found = shelves(demo)
    assert WATCHES in found.by_category
    assert set(WINDOW_SHOPPING) <= set(found.by_category)
    good = next(iter(found.goods.values()))
    for address in ("/", *(f"/category/{name}" for name in found.by_category), f"/products/{good.item_id}", "/cart"):
        assert web.get(address).status_code == 200, address
    for address in (
        "/category/nothing",
        "/products/nothing",
        "/images/nothing.jpg",
        "/panel/profile",
        "/static/../pages.py",
    ):
        assert web.get(address).status_code == 404, address


def test_pictures_are_drawn_and_the_same_each_time(web: FlaskClient, demo: Demo) -> None:
    """One for each item, by category and colour, as SVG without any word of the catalogue in it."""
    drawn = set()
    for good in shelves(demo).goods.values():
        text = picture(good.category, good.variant)
        assert text == picture(good.category, good.variant)
        assert ElementTree.fromstring(text).tag.endswith("svg")
        drawn.add(text)
    assert len(drawn) > 60
    answer = web.get(f"/images/{good.item_id}.jpg")
    assert (answer.content_type, answer.text) == ("image/svg+xml; charset=utf-8", text)
    hostile = picture('"><script>', '"><script>')
    assert "script" not in hostile


def test_people_to_sign_in_as_are_what_they_are_said_to_be(demo: Demo) -> None:
    """Active customers bought lately; dormant ones not for half a year, and did not look around since."""
    people = shelves(demo).people
    assert all(people[kind] for kind in ("active", "dormant"))
    events = pl.read_parquet(demo.tables / "events-*.parquet").filter(pl.col("user_id").is_in(people["dormant"]))
    bought = events.filter(pl.col("event_type") == "purchase").group_by("user_id").agg(pl.col("timestamp").max())
    ages = [(END - moment).days for moment in bought["timestamp"]]
    assert len(ages) == len(people["dormant"])
    assert all(186 < age < 365 for age in ages)


@pytest.mark.parametrize(
    "body", [{"anonymous_id": "u0000001"}, {"anonymous_id": VISITOR + "\n"}, {"anonymous_id": 5}, {}, [], "x", None]
)
def test_a_browser_gets_no_token_of_somebody_else(web: FlaskClient, body: Any) -> None:
    """Only that of an id which the kit drew, or of whom the shop's own session knows."""
    assert web.post("/recsys/token", json=body).status_code == 400
    assert web.post("/recsys/token", json={"anonymous_id": VISITOR}).status_code == 200


def test_the_panel_shows_the_session_its_own_shopper(web: FlaskClient, demo: Demo) -> None:
    """Profile and explanations are asked with the admin's key, for nobody but who is signed in."""
    user = shelves(demo).people["active"][0]
    web.post("/sign-in", data={"user_id": user})
    profile = web.get("/panel/profile?user_id=somebody").get_json()
    assert profile["answer"]["user_id"] == user
    assert isinstance(profile["ms"], int)
    item = next(iter(shelves(demo).goods))
    assert web.get(f"/panel/explain?item_id={item}&placement=home&limit=4").get_json()["answer"]["item_id"] == item
    for wrong in ("", "item_id=nothing", f"item_id={item}&limit=0", f"item_id={item}&placement=../x"):
        assert web.get(f"/panel/explain?{wrong}").status_code == 400


def test_keys_never_reach_a_page(web: FlaskClient, demo: Demo) -> None:
    """No page, script or answer of the front holds a key or secret."""
    web.post("/recsys/token", json={"anonymous_id": VISITOR})
    secrets = [value.partition(":")[2] or value for value in (ENVIRONMENT | SECRETS).values()]
    for address in (
        "/",
        "/cart",
        "/walks.json",
        "/panel/profile",
        "/static/shop.js",
        "/static/panel.js",
        "/static/walks.js",
    ):
        with web.get(address) as answer:
            assert not [secret for secret in secrets if secret in answer.get_data(as_text=True)], address
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_titles_are_text(demo: Demo, tmp_path: Path) -> None:
    """A catalogue whose titles, brands and ids are markup shows them, and runs none of it."""
    markup = '"><img src=x onerror=alert(1)><script>alert(1)</script>'
    items = pl.read_parquet(demo.tables / "items.parquet").head(3)
    hostile = [pl.lit(markup).alias(name) for name in ("title", "brand", "description")]
    items.with_columns(*hostile, item_id=pl.lit("'\"<b>") + pl.col("item_id")).write_parquet(tmp_path / "items.parquet")
    for file in demo.tables.glob("events-*.parquet"):
        (tmp_path / file.name).symlink_to(file)
    web = create_app(tmp_path, demo.service.origin, ENVIRONMENT | SECRETS).test_client()
    good = next(iter(Shelves.read(tmp_path).goods.values()))
    web.post("/cart", data={"item_id": good.item_id})
    for address in ("/", f"/category/{good.category}", f"/products/{good.item_id}", "/cart", f"/orders/{markup}"):
        text = web.get(address).text
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        assert good.item_id not in text


def play(visit: Watched, demo: Demo, name: str) -> Any:
    """Play a walk to its end; returns the panel's profile and the rule that led on home."""
    page = visit.page
    page.goto(demo.front)
    page.evaluate("document.body.dataset.pace = 150")
    page.click(f"[data-walk={name}]")

    def ended() -> bool:
        try:
            return bool(page.evaluate("!sessionStorage['shop-walk'] && document.querySelector('#caption').textContent"))
        except Exception:  # between two pages there is none to ask
            return False

    wait_for(ended)
    page.wait_for_selector("#lists [data-placement=home]")
    page.wait_for_selector("#profile dt")
    assert visit.errors == []
    return page.get_attribute("#lists [data-placement=home]", "data-strategy"), page.inner_text("#profile")


@pytest.mark.long
def test_a_window_shopper_is_taken_for_one(demo: Demo, context: BrowserContext) -> None:
    """Three things in three departments: a browser without a focus, for whom no single category leads."""
    visit = Watched(context)
    strategy, profile = play(visit, demo, "window")
    assert strategy == "blend"
    assert "Browser" in profile
    assert "None: " in profile
    stated = [event for event in demo.service.events("view") if event.user_id in profile]
    assert len(stated) == 3


@pytest.mark.long
def test_a_buyer_of_watches_is_shown_watches(demo: Demo, context: BrowserContext) -> None:
    """Three watches compared and one in the cart: a buyer with a focus, and bestsellers of it on the home page."""
    visit = Watched(context)
    strategy, profile = play(visit, demo, "watches")
    assert strategy == "category_buyer"
    assert "Buyer" in profile
    assert f"{WATCHES}: 100%" in profile
    assert "Watches" in visit.page.inner_text("recsys-list >> nth=0")
    visit.page.click("#lists summary >> nth=0")
    visit.page.click("#lists details >> nth=0 >> button >> nth=0")
    visit.page.wait_for_selector("text=Shown at place 1")
    visit.page.goto(f"{demo.front}/cart")
    visit.page.click("#order button")
    visit.page.wait_for_selector("text=Thank you")
    wait_for(lambda: [event for event in demo.service.events("purchase") if event.user_id in profile])


@pytest.mark.long
def test_a_dormant_customer_is_welcomed_back(demo: Demo, context: BrowserContext) -> None:
    """By what goes with what was bought then; the panel says since when nothing was."""
    visit = Watched(context)
    strategy, profile = play(visit, demo, "dormant")
    assert strategy == "dormant"
    assert shelves(demo).people["dormant"][0] in profile
    assert "Dormant: " in profile


@pytest.mark.long
def test_it_is_a_shop_without_the_service(demo: Demo, context: BrowserContext) -> None:
    """Its pages show their own goods, and nothing goes wrong in them but the requests."""
    tables = demo.tables
    app = create_app(tables, f"http://127.0.0.1:{free_port()}", ENVIRONMENT | SECRETS)
    server: BaseWSGIServer = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        visit = Watched(context)
        visit.page.goto(f"http://127.0.0.1:{server.server_port}/")
        visit.page.wait_for_load_state("networkidle")
        assert visit.page.locator("recsys-list .goods li").count() == 8
        visit.page.click("recsys-list .goods a >> nth=0")
        visit.page.click("#buy button")
        visit.page.wait_for_url("**/cart")
        assert visit.own_errors() == []
    finally:
        server.shutdown()
        server.server_close()


def test_a_walk_is_planned_from_the_tables(web: FlaskClient, demo: Demo) -> None:
    """Watches that differ in price, one thing of each of three departments, and a dormant customer."""
    found = json.loads(web.get("/walks.json").data)
    prices = [shelves(demo).goods[item].price for item in found["watches"]["items"]]
    assert len(prices) == 3
    assert prices[-1] >= 1.2 * prices[0]
    assert len({each["category"].partition(" > ")[0] for each in found["windows"]}) == 3
    assert found["dormant"] == shelves(demo).people["dormant"][:1]
