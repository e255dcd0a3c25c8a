"""The report: its numbers against cases worked out by hand, and the page against hostile names and a real browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path
from threading import Thread

import numpy as np
import polars as pl
import pytest
from werkzeug.serving import make_server

from recsys.engine.pipeline import Engine
from recsys.settings import BehaviourSettings
from recsys.snapshot.store import current_version
from recsys.types import SnapshotError
from tests.conftest import ITEMS, NOW, SETTINGS, Shop, ago, busy_events, event, micros
from tests.support.servers.patience import PATIENCE_SECONDS
from tests.support.servers.serving import serve
from tests.support.shops.handmade import canonical, world
from training.report import differing, write_report
from training.report.customers import order_lines, sum_up_customers
from training.report.figures import area, ceiling
from training.report.health import FALSE_ALARMS, Gap, Volume, changes, check_health, gaps_of
from training.report.words import about, duration, money, percent, signed

SHORT = SETTINGS + "[evaluation]\ndays = 2\nresamples = 100\n"
"""The busy shop's events are of a week: two days are enough to judge."""
HEADINGS = ["Data health", "Accuracy", "Customers", "Examples", "How it was made"]
EVIL = "<script>alert('x')</script><img src=//evil.example/x onerror=alert(1)>"
FLAT = np.full(35, 10.0)


class Page(HTMLParser):
    """What a page holds: its tags with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.headings: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the tag."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Keep the text; the first after an h2 is a heading."""
        self.texts.append(data)
        if data.strip() and len(self.headings) < len(self.all("h2")):
            self.headings.append(data)

    @property
    def text(self) -> str:
        """All text, spaces joined."""
        return " ".join(" ".join(self.texts).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every tag of this name."""
        return [attributes for name, attributes in self.tags if name == tag]


def report_of(shop: Shop) -> str:
    """Publish the shop and read its report."""
    shop.publish()
    return write_report(shop.settings, NOW).read_text()


def evil_shop(shop: Shop) -> Shop:
    """Every name of the busy shop's tables is an attack."""
    shop.toml = SHORT
    shop.items = [{**item, "title": f"{item['title']} {EVIL}", "brand": EVIL, "category": EVIL} for item in ITEMS]
    shop.events = [{**row, "user_id": f"{row['user_id']}<b>"} for row in busy_events()]
    shop.add(event("late<b>", f"unlisted {EVIL}", "view", ago(days=2)))
    return shop


# --- what suddenly stopped, fell or rose


def test_silence_is_tested_as_a_waiting_time() -> None:
    """Three silent days of a tenth of a steady shop: none of n = 120 events fall into f = 1/5, which has the chance .8^120."""
    counts = FLAT.copy()
    counts[:3] = 0
    found = changes(counts, FLAT * 10)[0]
    assert (found.kind, found.days, found.seen, round(found.expected, 6)) == ("stopped", 3, 0, 30)
    assert found.chance == pytest.approx(0.8**120)


def test_a_fall_and_a_rise_have_the_chances_of_the_binomial() -> None:
    """Of 4 × 7 events before, one a day, 2 or 20 in the last week: sums of binomial terms with f = 1/5."""
    from math import comb

    def tail(n: int, seen: range) -> float:
        return sum(comb(n, x) * 0.2**x * 0.8 ** (n - x) for x in seen)

    even = np.ones(35)
    fallen, risen = even.copy(), even.copy()
    fallen[:7] = [1, 0, 0, 1, 0, 0, 0]
    risen[:7] = [3, 3, 3, 3, 3, 3, 2]
    low, high = changes(fallen, even)[-1], changes(risen, even)[-1]
    assert (low.kind, low.days, low.seen) == ("fell", 7, 2)
    assert low.chance == pytest.approx(tail(30, range(3)))
    assert (high.kind, high.days, high.seen) == ("rose", 7, 20)
    assert high.chance == pytest.approx(tail(48, range(20, 49)))


def test_a_change_below_the_half_or_double_is_no_alarm() -> None:
    """However certain: 60 % and 190 % of thousands are not told."""
    for factor in (0.6, 1.9):
        counts = FLAT * 1000
        counts[:7] *= factor
        assert changes(counts, FLAT * 1000) == []


def test_a_slow_week_of_the_shop_is_not_the_brands() -> None:
    """A brand that falls with the whole shop changed nothing; one that falls alone did."""
    shop = FLAT * 100
    shop[:7] /= 10
    brand = shop / 20
    assert changes(brand, shop) == []
    assert [found.kind for found in changes(brand, FLAT * 100)] == ["fell"]


def test_counts_that_jump_about_need_more_to_alarm() -> None:
    """The same weekly sums with days that vary more than Poisson ones have a larger chance."""
    counts, uneven = FLAT.copy(), FLAT.copy()
    counts[:7] = uneven[:7] = 4
    uneven[7:] = np.tile([0, 20], 14)
    assert changes(uneven, FLAT)[0].chance > 1000 * changes(counts, FLAT)[0].chance


def test_healthy_shops_get_hardly_any_false_alarm() -> None:
    """Of 300 shops of 60 steady Poisson series of their own sizes, at most 1 in 100 gets an alarm, give or take."""
    rng = np.random.default_rng(5)
    alarmed = 0
    for _ in range(300):
        series = rng.poisson(rng.uniform(1, 60, 60)[:, None], (60, 35)).astype(float)
        reference = series.sum(axis=0)
        found = [change for counts in series for change in changes(counts, reference)]
        alarmed += any(change.chance <= FALSE_ALARMS / (3 * len(series)) for change in found)
    assert alarmed <= 300 * FALSE_ALARMS + 3


def test_counts_in_bursts_rarely_rise_by_chance() -> None:
    """Of 60 series a shop whose counts vary four times as much as Poisson's, few have any alarm; by the binomial nine in a hundred."""
    rng = np.random.default_rng(15)
    alarmed, reference = 0, FLAT * 300
    for _ in range(300):
        series = rng.negative_binomial(5 / 3, 1 / 4, (60, 35)).astype(float)
        found = [change for counts in series for change in changes(counts, reference)]
        alarmed += any(change.chance <= FALSE_ALARMS / (3 * len(series)) for change in found)
    assert alarmed <= 300 * 0.05


def steady(shop: Shop, days: int, until: dict[str, int]) -> Shop:
    """Four purchases of each brand on each of these days back, but none of a brand in its last `until` days."""
    for back in range(days):
        for item in ("sofa-1", "lamp-2", "bag-1"):
            brand = next(each["brand"] for each in ITEMS if each["item_id"] == item)
            if back >= until.get(brand, 0):
                shop.add(*(event(f"u{number}", item, "purchase", ago(back, minutes=number), order_id=f"{back}-{number}-{item}")
                           for number in range(4)))  # fmt: skip
    return shop


@pytest.mark.long
def test_purchases_of_a_brand_that_stopped_are_told(shop: Shop) -> None:
    """Only the brand that stopped and its category are told, with the last day and what was to be expected."""
    steady(shop, 60, {"Sella": 6})
    found = check_health(shop.fit().shop, NOW + timedelta(microseconds=1))
    assert found is not None
    assert found.series == 1 + 3 + 2
    assert [(alarm.dimension, alarm.name, alarm.found.kind) for alarm in found.alarms] == [
        ("category", "Fashion", "stopped"),
        ("brand", "Sella", "stopped"),
    ]
    alarm = found.alarms[1]
    assert (alarm.event_type, alarm.found.days, alarm.last) == ("purchase", 6, ago(days=6))
    text = Page(report_of(shop)).text
    assert "Purchases of the brand Sella stopped . The last was on Wed 25 March 2026; in the 6 days" in text


def test_a_quiet_week_of_the_shop_is_told_once(shop: Shop) -> None:
    """When all brands sell a quarter of the usual, the shop is told, not each brand."""
    steady(shop, 60, {})
    shop.events = [row for row in shop.events if row["timestamp"] < ago(days=7) or row["user_id"] == "u0"]
    found = check_health(shop.fit().shop, NOW + timedelta(microseconds=1))
    assert found is not None
    assert [(alarm.dimension, alarm.found.kind, alarm.found.expected) for alarm in found.alarms] == [("shop", "fell", 84)]


def test_a_shop_without_change_has_no_alarm(shop: Shop) -> None:
    """Steady brands are not told, and the page says that all is well."""
    text = Page(report_of(steady(shop, 60, {}))).text
    assert "The data look sound: none of the 6 series" in text


def test_less_than_five_weeks_say_nothing(busy_shop: Shop) -> None:
    """Without a past there is no alarm, and the page says why."""
    text = Page(report_of(busy_shop)).text
    assert "less than five weeks" in text
    assert "The data look sound" not in text


# --- days without events


def test_gaps_leave_out_the_days_on_which_a_shop_is_closed() -> None:
    """Sundays without events are the shop's; five other days in a row are a gap, over the Sunday between them."""
    monday = date(2026, 3, 2)
    counts = np.array([5, 5, 5, 5, 5, 5, 0] * 5)
    counts[[11, 14, 15, 24]] = 0
    closed, gaps = gaps_of(monday, [Volume("view", counts)])
    assert closed == (6,)
    assert [(gap.first.day, gap.days) for gap in gaps] == [(16, 2), (13, 1), (26, 1)]
    counts[[12]] = 0
    assert gaps_of(monday, [Volume("view", counts)])[1][0] == Gap(date(2026, 3, 13), date(2026, 3, 17))


def test_a_type_that_is_usual_every_day_is_missed_alone() -> None:
    """Two days without purchases amid views are told; a rare type and the days before a type began are not."""
    first = date(2026, 3, 2)
    views, purchases, searches = np.full(40, 100), np.full(40, 12), np.full(40, 12)
    purchases[20:22] = 0
    searches[:5] = 0
    volumes = [Volume("view", views), Volume("purchase", purchases), Volume("search", searches), Volume("refund", views % 7)]
    assert gaps_of(first, volumes) == ((), [Gap(date(2026, 3, 22), date(2026, 3, 23), "purchase")])


# --- customers


def test_lines_leave_out_what_was_given_back() -> None:
    """Price × quantity of the lines that were kept, orders numbered from 0, a line without a quantity is one piece."""
    rows = [
        event("a", "x", "purchase", ago(9), order_id="1", quantity=2.0, price=10.0),
        event("a", "y", "purchase", ago(9), order_id="1", quantity=None, price=5.0),
        event("a", "y", "refund", ago(8), order_id="1"),
        event("a", "y", "purchase", ago(3), order_id="2", quantity=1.0, price=None),
        event("b", "x", "purchase", ago(2), order_id="3", quantity=None, price=7.0),
        event("b", "x", "purchase", ago(2), order_id="4", quantity=0.0, price=7.0),
        event("c", "x", "view", ago(2)),
    ]
    lines = order_lines(canonical(rows), world(rows).catalog, BehaviourSettings())
    kept = lines.select(pl.col("user_id").cast(pl.String), "order", "revenue").sort("user_id", "order").rows()
    assert kept == [("a", 0, 20.0), ("a", 1, None), ("b", 0, 7.0)]


def test_stages_have_their_shares_of_customers_and_revenue(shop: Shop) -> None:
    """One customer of each kind, worked out by hand; a lead counts among no customers."""
    bought = [("new", [10]), ("active", [200, 20, 10]), ("defecting", [100]), ("inactive", [400])]
    for user, days in bought:
        for back in days:
            shop.add(event(user, "soap-1", "purchase", ago(back), order_id=f"{user}-{back}", quantity=1.0, price=10.0))
    shop.add(event("lead", "soap-1", "view", ago(1)))
    engine = Engine(shop.fit().snapshot(), shop.settings)
    found = sum_up_customers(shop.fit().shop, engine, micros(NOW), date(2025, 2, 24), NOW)
    assert found is not None
    assert (found.customers, found.orders, found.revenue, found.unpriced) == (4, 6, 60.0, 0)
    assert (found.repeat, round(found.returning, 6)) == (0.25, 0.333333)
    stages = {stage.name: (stage.people, stage.share, stage.revenue_share) for stage in found.stages}
    sixth = pytest.approx(1 / 6)
    assert stages == {
        "lead": (1, 0.0, 0.0),
        "first_time": (1, 0.25, sixth),
        "active": (1, 0.25, 0.5),
        "defecting": (1, 0.25, sixth),
        "inactive": (1, 0.25, sixth),
    }
    months = {month.first: (month.orders, month.returning, month.whole) for month in found.months}
    assert len(months) == 14
    assert months[date(2025, 2, 1)] == (1, 0, False)
    assert months[date(2025, 3, 1)] == (0, 0, True)
    assert months[date(2026, 3, 1)] == (3, 2, False)


# --- the page


@pytest.mark.long
def test_the_page_has_every_part(busy_shop: Shop) -> None:
    """Headings in order, tables with captions, drawings with titles, and a sentence of each part."""
    busy_shop.toml = SHORT
    page = Page(report_of(busy_shop))
    assert page.headings == HEADINGS
    assert len(page.all("table")) == len(page.all("caption")) > 6
    assert len(page.all("svg")) == sum(tag == "title" for tag, _ in page.tags) - 1 > 40
    for sentence in (
        "bought at least one of the ten products that the home page would have shown them first",
        "Anything bought next (task repeat)",
        "Only what the shopper had never bought (task new)",
        "There is no earlier snapshot.",
        "30 customers placed 30 orders",
        "Somebody nobody knows",
        "evaluation.days 2 28",
        "fit item-item",
        "The blend leads:",
    ):
        assert sentence in page.text, sentence


@pytest.mark.long
def test_names_from_tables_stay_text(shop: Shop) -> None:
    """Titles, brands, categories, item ids and users that are markup are shown, never run, and load nothing."""
    text = report_of(evil_shop(shop))
    page = Page(text)
    assert not {tag for tag, _ in page.tags} & {"script", "img", "iframe", "object", "b", "form", "base"}
    assert page.text.count(EVIL) > 20
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]


def test_nothing_comes_from_outside(shop: Shop) -> None:
    """No address but places within the page, and pictures of the shop's own where it has some."""
    shop = evil_shop(shop)
    page = Page(report_of(shop))
    links = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("href", "src", "srcset")]
    assert len(links) > 5
    assert {value for value in links if value is None or not value.startswith("#")} == {"data:,"}
    style = next(text for text in page.texts if ":root" in text)
    assert "url(" not in style
    assert "@import" not in style


def test_nobody_is_named(busy_shop: Shop) -> None:
    """No user id stands in a report, so nobody has to be forgotten in it."""
    busy_shop.toml = SHORT
    assert not re.search(r"user-\d", report_of(busy_shop))


@pytest.mark.long
def test_the_same_snapshot_gives_the_same_page(busy_shop: Shop) -> None:
    """But for the memory that writing took; nothing half-written is left behind."""
    busy_shop.publish()
    pages = [write_report(busy_shop.settings, NOW) for _ in range(2)]
    artifacts = busy_shop.folder / "artifacts"
    assert pages[0] == pages[1] == artifacts / "reports" / f"{current_version(artifacts)}.html"
    assert [file.name for file in pages[0].parent.iterdir()] == [pages[0].name]


@pytest.mark.long
def test_the_last_recipe_is_compared_on_the_same_days(busy_shop: Shop) -> None:
    """Other settings than before: differences with intervals; the same settings: said so."""
    busy_shop.toml = SHORT
    busy_shop.publish(NOW)
    busy_shop.publish(NOW + timedelta(hours=1))
    assert "was made with the same settings" in Page(write_report(busy_shop.settings, NOW).read_text()).text
    busy_shop.toml = (
        SHORT + "[blend]\nlead = { trending = 1.0 }\ncustomer = { trending = 1.0 }\nrepeat = { trending = 1.0 }\n"
    )
    busy_shop.publish(NOW + timedelta(hours=2))
    page = Page(write_report(busy_shop.settings, NOW).read_text())
    assert "The difference in NDCG@10 is paired" in page.text
    assert re.search(r"blend anything \d\.\d{3} [−+]?\d\.\d{4}", page.text)


def test_without_a_snapshot_there_is_no_report(busy_shop: Shop) -> None:
    """The error says what to do."""
    with pytest.raises(SnapshotError, match="make train"):
        write_report(busy_shop.settings, NOW)


def test_a_shop_without_purchases_or_prices_has_a_report(shop: Shop) -> None:
    """Every part says in words that there is nothing to show."""
    shop.items = [{"item_id": "x"}]
    shop.add(event("a", "x", "view", ago(3)))
    text = Page(report_of(shop)).text
    assert "Nobody has bought anything yet." in text
    assert "There is too little past to measure" in text


def test_settings_that_differ_are_told(busy_shop: Shop) -> None:
    """Only those, by their key, with the default beside them."""
    busy_shop.toml = SHORT.replace("[evaluation]", "[recommenders.trending]\nhalf_life_days = 2.0\n[evaluation]")
    stated = {key: (value, default) for key, value, default in differing(busy_shop.settings)}
    assert stated["evaluation.days"] == ("2", "28")
    assert stated["recommenders.trending.half_life_days"][0] == "2.0"
    always = {"data.events.paths", "data.items.paths", "web.auth", "web.development", "web.clock"}
    assert set(stated) == always | {"evaluation.days", "evaluation.resamples", "recommenders.trending.half_life_days"}


# --- words and figures


def test_words_are_for_people() -> None:
    """Numbers, money and times are formatted as a person writes them."""
    assert [percent(share) for share in (0, 0.0001, 0.043, 0.11, 1)] == [
        "0\xa0%",
        "<0.1\xa0%",
        "4.3\xa0%",
        "11\xa0%",
        "100\xa0%",
    ]
    assert (money(12.5, "EUR"), money(12345.6, None), money(None, "EUR")) == ("12.50\xa0EUR", "12,346", "–")
    assert [duration(seconds) for seconds in (0.42, 12, 200)] == ["0.4\xa0s", "12\xa0s", "3\xa0min 20\xa0s"]
    assert (about(3.21), about(1234.5), signed(-0.01, 2), signed(0.0, 2)) == ("3.2", "1,234", "−0.01", "0.00")


def test_outliers_do_not_flatten_a_drawing() -> None:
    """One day of a hundredfold is cut off; counts without outliers go up to their busiest day."""
    counts = np.full(200, 50)
    assert ceiling(counts) == 50
    counts[3] = 5000
    assert ceiling(counts) == 75
    assert area(np.array([0, 5, 10])) == "M0 100V100h1V50h1V0h1V100z"


# --- a real browser

CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)


def browse(folder: Path, address: str) -> tuple[str, list[str], list[str]]:
    """Open an address in a fresh headless browser that reaches this machine only.

    Returns the page as it stands then, the lines of its console, and what was asked for: the address, and all that the page
    asked for (what the browser asks on its own account has no initiator).
    """
    assert CHROMIUM is not None
    log = folder / "net.json"
    command = [
        *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
        *("--disable-component-update", "--disable-extensions", "--disable-dev-shm-usage", "--enable-logging=stderr"),
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        *(f"--user-data-dir={folder / 'profile'}", f"--log-net-log={log}", "--dump-dom", address),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True)
    asked = [entry.get("params", {}) for entry in json.loads(log.read_text())["events"]]
    urls = {
        one["url"] for one in asked if one.get("initiator", "not an origin") != "not an origin" or one.get("url") == address
    }
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line], sorted(urls)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_the_browser_tells_what_a_page_does(tmp_path: Path) -> None:
    """A page that runs a script and loads a picture is caught, so that silence means something."""
    file = tmp_path / "page.html"
    file.write_text("<img src='http://elsewhere.example/x.png'><script>console.error('ran')</script>")
    _, console, asked = browse(tmp_path, file.as_uri())
    assert "ran" in console[0]
    assert asked == ["http://elsewhere.example/x.png"]


@pytest.mark.long
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_a_browser_shows_the_served_report(shop: Shop, tmp_path: Path) -> None:
    """Through the service, with attacks for names: every heading, no error in the console, no request but for the page."""
    shop = evil_shop(shop)
    shop.publish()
    file = write_report(shop.settings, NOW)
    server = make_server("127.0.0.1", 0, serve(shop.folder / "artifacts", auth="off", development=True), threaded=True)
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/reports/{file.stem}"
    dom, console, asked = browse(tmp_path, address)
    server.shutdown()
    page = Page(dom)
    assert page.headings == HEADINGS
    assert not page.all("script")
    assert console == []
    assert asked == [address]
