"""The synthetic shop is made as asked, and its days and people are as docs/shop.md says (`simulator.plan`)."""

from __future__ import annotations

import re
from datetime import date, timedelta, timezone
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

import simulator
from recsys.settings.load import parse_settings
from recsys.tables.shop import read_shop
from recsys.types import EVENT_TYPES, DataError
from simulator import default_items, make_shop, plan, shop_settings
from simulator.plan import Segment
from tests.support.shops.synthetic import END, USERS, Made, made_shop, orders_of, share

TABLES = ("events-*", "items", "users", "identities", "contents")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A shop of a thousand users, made once."""
    return made_shop(tmp_path_factory.mktemp("shop"))


def tables_of(folder: Path) -> list[pl.DataFrame]:
    """All five tables of a shop."""
    return [pl.read_parquet(folder / f"{name}.parquet") for name in TABLES]


# How a shop is made


def test_same_arguments_make_the_same_tables(tmp_path: Path) -> None:
    """Users, events, items, end and seed decide every row; another seed makes another shop."""
    for name, seed in (("one", 3), ("two", 3), ("other", 4)):
        make_shop(tmp_path / name, users=200, events=6000, items=250, end=END, seed=seed)
    one, two, other = (tables_of(tmp_path / name) for name in ("one", "two", "other"))
    assert all(left.equals(right) for left, right in zip(one, two, strict=True))
    assert not any(left.equals(right) for left, right in zip(one, other, strict=True))


def test_end_is_a_moment_in_any_zone(tmp_path: Path) -> None:
    """The same moment in another zone makes the same shop."""
    make_shop(tmp_path / "utc", users=50, end=END)
    make_shop(tmp_path / "there", users=50, end=END.astimezone(timezone(timedelta(hours=-9))))
    for left, right in zip(tables_of(tmp_path / "utc"), tables_of(tmp_path / "there"), strict=True):
        assert left.equals(right)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"users": 0}, "users = 0: allowed are 1 to 10,000,000"),
        ({"users": 10_000_001}, "users = 10,000,001"),
        ({"events": 24 * 200}, "events = 4,800: allowed are 5,000 to 1,000,000,000"),
        ({"items": 199}, "items = 199: allowed are 200 to 2,000,000"),
        ({"seed": -1}, "seed = -1"),
        ({"end": END.replace(tzinfo=None)}, "end = 2026-03-15T14:30:00: needs a time zone"),
    ],
)
def test_out_of_range_is_refused_in_words(tmp_path: Path, change: dict[str, int], message: str) -> None:
    """A wrong argument is named with its value and what is allowed, before anything is written."""
    arguments = {"users": 200, "end": END, **change}
    with pytest.raises(DataError, match=re.escape(message)):
        make_shop(tmp_path / "shop", **arguments)  # type: ignore[arg-type]
    assert not (tmp_path / "shop").exists()


@pytest.mark.parametrize("users", [1, 2, 7])
def test_tiny_shops_are_shops_too(tmp_path: Path, users: int) -> None:
    """From one user on every table is there, and nothing happens after the end."""
    summary = make_shop(tmp_path, users=users, items=200, end=END)
    assert summary.tables["users"] == users
    assert summary.tables["items"] == 200
    assert summary.first < summary.last <= END


@pytest.mark.parametrize(("users", "events"), [(200, 5_000), (200, 10_000), (300, 60_000), (1000, 25_000)])
def test_about_as_many_events_as_asked(tmp_path: Path, users: int, events: int) -> None:
    """The number of events is within 5 % of what was asked."""
    assert make_shop(tmp_path, users=users, events=events, end=END).tables["events"] == pytest.approx(events, rel=0.05)


def test_item_count_grows_with_users() -> None:
    """600 items for 200 users, 100,000 for 200,000 and for more."""
    assert default_items(200) == 600
    assert default_items(200_000) == pytest.approx(100_000, rel=0.001)
    assert default_items(2_000_000) == 100_000
    assert default_items(1) == 300


def test_files_of_events_follow_one_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file is in time order and overlaps the next by an hour at most; refunds wait for their time."""
    monkeypatch.setattr(simulator, "VISITS_PER_FILE", 250)
    calls: list[tuple[int, int]] = []
    make_shop(tmp_path, users=200, events=20_000, end=END, progress=lambda done, total: calls.append((done, total)))
    files = [pl.read_parquet(path) for path in sorted(tmp_path.glob("events-*.parquet"))]
    assert len(files) == len(calls) > 5
    assert calls[-1][0] == calls[-1][1]
    assert all(file["timestamp"].is_sorted() for file in files)
    for before, after in pairwise(files):
        assert before["timestamp"][-1] < after["timestamp"][0] + timedelta(hours=1)
    events = pl.concat(files)
    assert events["event_id"].is_unique().all()
    lines = events.filter(event_type="purchase").select("order_id", "item_id", bought="timestamp")
    refunds = events.filter(event_type="refund").join(lines, on=["order_id", "item_id"], how="left")
    days = (refunds["timestamp"] - refunds["bought"]).dt.total_seconds() / 86_400
    assert days.len() > 10
    assert days.is_between(*plan.REFUND_DAYS).all()


def test_a_smaller_shop_replaces_a_larger_one(tmp_path: Path) -> None:
    """No event file of an earlier shop stays behind."""
    make_shop(tmp_path, users=10, end=END)
    (tmp_path / "events-00007.parquet").write_bytes(b"old")
    make_shop(tmp_path, users=10, end=END)
    assert [path.name for path in tmp_path.glob("events-*")] == ["events-00000.parquet"]


@pytest.mark.parametrize("name", ["events-2026.parquet", "users.parquet"])
def test_tables_of_a_real_shop_are_not_replaced(tmp_path: Path, name: str) -> None:
    """Whoever keeps exports in the folder of that name is told so, and has them still."""
    (tmp_path / name).write_bytes(b"years of work")
    with pytest.raises(DataError, match=f"{name} is there"):
        make_shop(tmp_path, users=10, end=END)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(name, b"years of work")]


def test_summary_counts_what_is_on_disk(shop: Made) -> None:
    """The summary tells the rows of each table and of each event type, and every type occurs."""
    assert shop.summary.tables == {
        "events": shop.events.height,
        "items": shop.items.height,
        "users": USERS,
        "identities": shop.identities.height,
        "contents": 43,
    }
    counts = dict(shop.events.group_by("event_type").len().iter_rows())
    assert shop.summary.event_types == counts
    assert set(counts) == set(EVENT_TYPES)
    assert (shop.summary.first, shop.summary.last) == (shop.events["timestamp"].min(), shop.events["timestamp"].max())


def test_the_reader_takes_every_row(shop: Made, tmp_path: Path) -> None:
    """The tables are canonical: the shop's reader rejects nothing and finds nothing to say."""
    tables = read_shop(parse_settings(shop_settings(shop.folder), tmp_path))
    assert tables.currency == "EUR"
    assert tables.findings == ()
    assert {name: count.read for name, count in tables.counts.items()} == shop.summary.tables
    assert sum(count.rejected + count.duplicates + count.left_out for count in tables.counts.values()) == 0


def test_every_number_planted_is_in_the_docs() -> None:
    """docs/shop.md names each constant of the plan, and single numbers with their value."""
    text = (Path(__file__).parents[2] / "docs" / "shop.md").read_text(encoding="utf-8")
    stated = dict(re.findall(r"^\| `([A-Z_]+)` \| ([^|]*?) \|", text, re.MULTILINE))
    planted = {name: value for name, value in vars(plan).items() if name.isupper()}
    assert set(stated) == set(planted)
    for name, value in planted.items():
        if isinstance(value, int | float):
            assert stated[name] == f"{value:g}", name


# Time


def test_history_lies_between_its_first_midnight_and_the_end(shop: Made) -> None:
    """Nothing before the first day nor after the end; the end itself is lively."""
    assert shop.events["age"].min() == pytest.approx(0, abs=0.02)
    assert shop.summary.last <= END
    first_day = (END - timedelta(days=plan.SPAN_DAYS)).replace(hour=0, minute=0)
    assert first_day <= shop.summary.first < first_day + timedelta(days=3)


def test_visits_grow_and_follow_the_week_and_the_year(shop: Made) -> None:
    """Later months, weekends and the gift season see more visits."""
    starts = shop.events.group_by("session_id").agg(pl.col("timestamp").min(), pl.col("age").max()).drop_nulls()
    assert starts.filter(pl.col("age") < 90).height > 1.5 * starts.filter(pl.col("age") > plan.SPAN_DAYS - 90).height
    days = starts.group_by(pl.col("timestamp").dt.weekday().alias("day")).len().sort("day")["len"].to_numpy()
    assert days[5:].mean() > 1.12 * days[:4].mean()
    day = pl.col("timestamp").dt.ordinal_day()
    first, last, _ = plan.GIFT_SEASON
    inside = starts.filter(day.is_between(first, last)).height / (last - first + 1)
    before = starts.filter(day.is_between(first - 28, first - 1)).height / 28
    assert inside > 1.3 * before


def test_seasonal_categories_have_their_season(shop: Made) -> None:
    """Seasonal categories have a larger share of category pages within 60 days of their peak than at their trough."""
    seen = shop.kind("category_view").with_columns(day=pl.col("timestamp").dt.ordinal_day().cast(pl.Int32))
    near = far = 0.0
    for leaf, (peak, _) in plan.SEASONS.items():
        distance = ((pl.col("day") - peak + 182) % 365 - 182).abs()
        near += share(seen.filter(distance <= 60), pl.col("category") == leaf)
        far += share(seen.filter(distance >= 122), pl.col("category") == leaf)
    assert near > 1.3 * far


# People


def test_lifecycle_shares_are_exact(shop: Made) -> None:
    """The last order that stands puts every user into their planned segment."""
    last = orders_of(shop).group_by("shopper").agg(pl.len().alias("orders"), pl.col("age").min())
    users = shop.users.join(last, left_on="user_id", right_on="shopper", how="left")
    age, orders = pl.col("age"), pl.col("orders")
    rules = {
        Segment.LEAD: age.is_null(),
        Segment.FIRST_TIME: (age <= 90) & (orders == 1),
        Segment.ACTIVE: (age <= 90) & (orders > 1),
        Segment.DEFECTING: (age > 90) & (age <= 181),
        Segment.DORMANT: (age > 184) & (age <= 365),
        Segment.INACTIVE: age > 365,
    }
    for segment, rule in rules.items():
        assert users.filter(rule).height == pytest.approx(plan.SEGMENT_SHARES[segment] * USERS, abs=1), segment.name
    guests = last.join(shop.users, left_on="shopper", right_on="user_id", how="anti")
    assert guests.height == 0


def test_some_lost_customers_still_look_around(shop: Made) -> None:
    """A share of the dormant customers came by in the last 30 days, so that something can be said to them."""
    last = orders_of(shop).group_by("shopper").agg(pl.col("age").min()).filter(pl.col("age") > 184)
    recent = shop.events.filter(pl.col("age") < 60).select("shopper").unique()
    back = last.join(recent, on="shopper", how="semi").height / last.height
    assert 0.1 < back < plan.RETURNING_SHARE + 0.1


def test_anonymous_visitors_become_known(shop: Made) -> None:
    """Linked users are anonymous strictly before their link and known from then on; guests never are."""
    assert shop.identities.height == pytest.approx(plan.ANONYMOUS_SHARE * USERS, rel=0.15)
    assert shop.identities["anonymous_id"].is_unique().all()
    assert shop.identities["user_id"].is_in(shop.users["user_id"].implode()).all()
    linked = shop.events.drop_nulls("linked")
    before = linked.filter(pl.col("timestamp") < pl.col("linked_at"))
    after = linked.filter(pl.col("timestamp") >= pl.col("linked_at"))
    assert before.height > 500
    assert after.height > 500
    assert (before["user_id"] == before["anonymous_id"]).all()
    assert (after["user_id"] == after["linked"]).all()
    guests = shop.events.filter(pl.col("anonymous_id").is_not_null() & pl.col("linked").is_null())
    assert guests["user_id"].n_unique() == pytest.approx(plan.GUEST_SHARE * USERS, abs=1)


def test_users_have_locales_consents_and_birthdays(shop: Made) -> None:
    """Shares of locales and consents are as planted, and everybody is of age."""
    for locale, planted in plan.LOCALES.items():
        assert share(shop.users, pl.col("locale") == locale) == pytest.approx(planted, abs=0.05)
    for channel, planted in plan.CONSENTS.items():
        assert share(shop.users, pl.col(f"consent_{channel}")) == pytest.approx(planted, abs=0.05)
    assert shop.users["birthday"].is_between(date(1945, 1, 1), date(2008, 3, 31)).all()


def test_somebody_is_shopping_right_now(shop: Made) -> None:
    """At the end visits are under way: some compare, some have a filled cart, some browse."""
    began = pl.col("age").max().over("session_id") * 1440
    low, high = plan.LIVE_MINUTES
    live = shop.events.filter(pl.col("session_id").is_not_null() & (began >= low) & (began <= high))
    visits = live.group_by("shopper").agg(
        carts=(pl.col("event_type") == "cart_add").sum(),
        views=(pl.col("event_type") == "view").sum(),
        bought=(pl.col("event_type") == "purchase").sum(),
    )
    count = max(plan.LIVE_LEAST, round(USERS * (1 + plan.GUEST_SHARE) * plan.LIVE_SHARE))
    assert visits.height == count
    assert visits["bought"].sum() == 0
    assert visits.filter(pl.col("carts") > 0).height >= count // 3 - 2
    assert visits.filter((pl.col("carts") == 0) & (pl.col("views") >= plan.BUYER_VIEWS)).height >= count // 3


def test_buyers_and_browsers_are_told_apart(shop: Made) -> None:
    """A visit has either three views in one leaf category with a minute's dwell, or at most two quick ones in each."""
    visits = shop.events.filter(pl.col("session_id").is_not_null()).sort("session_id", "timestamp", maintain_order=True)
    dwell = pl.col("timestamp").shift(-1).over("session_id") - pl.col("timestamp")
    views = visits.with_columns(dwell=dwell.dt.total_milliseconds().fill_null(0) / 1000).filter(event_type="view")
    leaves = views.group_by("session_id", "leaf").agg(
        pl.len(), pl.col("dwell").sum(), pl.col("price").max() / pl.col("price").min()
    )
    serious = leaves.filter(pl.col("len") >= plan.BUYER_VIEWS)
    assert serious["dwell"].min() > 2 * plan.BUYER_SECONDS - 0.01  # type: ignore[operator]
    assert share(serious, pl.col("price") >= 1.2) > 0.8
    carts = shop.kind("cart_add", "checkout").select("session_id").unique()
    browsing = views.join(carts, on="session_id", how="anti").join(serious, on="session_id", how="anti")
    assert browsing["dwell"].max() <= plan.BROWSER_SECONDS[1]  # type: ignore[operator]
    assert 0.3 < browsing["session_id"].n_unique() / views["session_id"].n_unique() < 0.8


def test_carts_are_left_behind(shop: Made) -> None:
    """Many carts end neither in a removal nor in a purchase, some of them within the last 30 days."""
    added = shop.kind("cart_add").filter(pl.col("age") < 30)
    gone = shop.kind("cart_remove", "purchase").select("shopper", "item_id")
    left = added.join(gone, on=["shopper", "item_id"], how="anti")
    assert left["shopper"].n_unique() > 20
