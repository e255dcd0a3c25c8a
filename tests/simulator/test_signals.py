"""The synthetic shop's tastes, orders and goods hold what docs/shop.md says (`simulator.plan`)."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from simulator import plan
from tests.support.shops.synthetic import END, Made, made_shop, share


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A shop of a thousand users, made once."""
    return made_shop(tmp_path_factory.mktemp("shop"))


# Tastes


def recall(scores: NDArray[np.float64], seen: NDArray[np.bool_], later: NDArray[np.bool_]) -> float:
    """Mean Recall@20 of new items."""
    top = np.argsort(-np.where(seen, -np.inf, scores), axis=1)[:, :20]
    truth = later & ~seen
    asked = truth.any(axis=1) & seen.any(axis=1)
    hits = np.take_along_axis(truth, top, axis=1).sum(axis=1)
    return float((hits[asked] / np.minimum(truth.sum(axis=1)[asked], 20)).mean())


def test_collaborative_filtering_beats_popularity_by_far(shop: Made) -> None:
    """Degree-normalised co-occurrence finds at least three times as many of the items viewed in the last 28 days."""
    rows = {user: row for row, user in enumerate(shop.events["shopper"].unique().sort())}
    columns = {item: column for column, item in enumerate(shop.items["item_id"])}
    views = shop.kind("view", "cart_add", "purchase")
    past, later = views.filter(pl.col("age") > 28), views.filter(pl.col("age") <= 28)

    def matrix(frame: pl.DataFrame) -> NDArray[np.bool_]:
        seen = np.zeros((len(rows), len(columns)), np.bool_)
        seen[frame["shopper"].replace_strict(rows), frame["item_id"].replace_strict(columns)] = True
        return seen

    seen = matrix(past)
    popularity = np.tile(matrix(past.filter(pl.col("age") <= 58)).sum(axis=0), (len(rows), 1)).astype(np.float64)
    weight = seen.astype(np.float32)
    likeness = (weight / np.maximum(weight.sum(axis=1, keepdims=True), 1)).T @ weight
    degree = np.maximum(weight.sum(axis=0), 1)
    np.fill_diagonal(likeness, 0)
    likeness /= np.outer(degree**0.7, degree**0.3)
    assert recall((weight @ likeness).astype(np.float64), seen, matrix(later)) > 3 * recall(popularity, seen, matrix(later))


def test_some_shoppers_love_a_brand(shop: Made) -> None:
    """About the planted share of those with ten views and more gives one brand at least 40 % of them."""
    views = shop.kind("view").drop_nulls("brand").group_by("shopper", "brand").len()
    per = views.group_by("shopper").agg(pl.col("len").sum().alias("all"), pl.col("len").max().alias("most"))
    loving = share(per.filter(pl.col("all") >= 10), pl.col("most") >= 0.4 * pl.col("all"))
    assert plan.BRAND_LOVER_SHARE * 0.5 < loving < plan.BRAND_LOVER_SHARE * 1.5


@pytest.mark.parametrize("brand", plan.WAVES)
def test_brand_waves(shop: Made, brand: str) -> None:
    """A brand's share of views and orders surges during its wave, and only then."""
    oldest, youngest = plan.WAVES[brand]
    seen = shop.kind("view", "purchase")
    during = seen.filter((pl.col("age") <= oldest) & (pl.col("age") > youngest))
    quiet = seen.filter((pl.col("age") > 11) & ~pl.col("age").is_between(49, 61))
    is_brand = pl.col("brand").fill_null("") == brand
    usual = share(quiet, is_brand)
    assert share(during, is_brand) > max(2.5 * usual, 0.08)
    if youngest > 0:
        assert share(seen.filter(pl.col("age") <= 10), is_brand) < 1.5 * usual


def test_brand_waves_are_bought(shop: Made) -> None:
    """A fifth and more of the order lines of the last week are of the surging brands, which are usually few."""
    surging = pl.col("brand").is_in([brand for brand, (_, youngest) in plan.WAVES.items() if youngest == 0])
    lines = shop.kind("purchase").drop_nulls("brand")
    assert share(lines.filter(pl.col("age") <= 7), surging) > 0.2
    assert share(lines.filter(pl.col("age") > 11), surging) < 0.1


# Orders


def test_staples_are_bought_again_at_their_gap(shop: Made) -> None:
    """Repeated purchases lie in replenishable categories, a category's gap apart give or take the items' factors."""
    lines = shop.kind("purchase").sort("timestamp").group_by("shopper", "item_id", "leaf", maintain_order=True)
    again = lines.agg(pl.col("timestamp").diff().drop_nulls().dt.total_hours() / 24).filter(
        pl.col("timestamp").list.len() > 0
    )
    staple = pl.col("leaf").is_in(list(plan.REPURCHASE_GAPS))
    assert share(again, staple) > 0.97
    for leaf, gap in plan.REPURCHASE_GAPS.items():
        gaps = again.filter(leaf=leaf)["timestamp"].explode()
        assert gaps.len() >= 20
        assert gaps.median() == pytest.approx(gap, rel=0.3)
    factor = again.filter(staple).explode("timestamp")
    factor = factor.with_columns(
        pl.col("timestamp") / pl.col("leaf").replace_strict(plan.REPURCHASE_GAPS, return_dtype=pl.Float64)
    )
    low, high = min(plan.GAP_FACTORS), max(plan.GAP_FACTORS)
    assert share(factor, pl.col("timestamp").is_between(low * 0.7, high * 1.3)) > 0.85


def test_repurchases_go_on_until_the_end(shop: Made) -> None:
    """The history is cut at its end, not shaped by it: as many repurchases in the last 60 days as in the 60 before."""
    lines = shop.kind("purchase").sort("timestamp").with_columns(place=pl.int_range(pl.len()).over("shopper", "item_id"))
    age = (pl.lit(shop.events["timestamp"].max()) - pl.col("timestamp")).dt.total_seconds() / 86_400
    ages = lines.filter(pl.col("place") > 0).select(age=age)["age"]
    last, before = (int(ages.is_between(*span).sum()) for span in ((0, 60), (60, 120)))
    assert 0.75 < last / before < 1.6


def test_a_first_order_is_followed_as_often_lately_as_before(shop: Made) -> None:
    """Second orders within 30 days come after first orders of the last months about as often as after earlier ones."""
    age = (pl.lit(shop.events["timestamp"].max()) - pl.col("timestamp")).dt.total_seconds() / 86_400
    orders = shop.kind("purchase").group_by("shopper", "order_id").agg(age=age.max()).sort("age", descending=True)
    seen = orders.group_by("shopper", maintain_order=True).agg(
        first=pl.col("age").first(), second=pl.col("age").get(1, null_on_oob=True)
    )
    again = ((pl.col("first") - pl.col("second")) <= 30).fill_null(False)
    lately, earlier = (
        float(seen.filter(pl.col("first").is_between(*ages)).select(again.mean()).item()) for ages in ((30, 90), (90, 300))
    )
    assert 0.5 < lately / earlier < 1.5


def test_replenishable_is_told_denied_or_left_to_learn(shop: Made) -> None:
    """True only in replenishable categories, false only in others, null in the untold ones and for a share of the rest."""
    truth = pl.col("category").is_in(list(plan.REPURCHASE_GAPS))
    stated = shop.items.drop_nulls("replenishable")
    assert stated.filter(pl.col("replenishable") != truth).height == 0
    unstated = pl.col("category").is_in(plan.UNTOLD_LEAVES)
    assert shop.items.filter(unstated)["replenishable"].null_count() == shop.items.filter(unstated).height
    assert share(shop.items.filter(~unstated), pl.col("replenishable").is_null()) == pytest.approx(
        plan.UNTOLD_SHARE, abs=0.04
    )


def test_complements_share_orders(shop: Made) -> None:
    """Orders with a left category mostly hold its complement, and repeatedly the very same partner."""
    orders = shop.kind("purchase").group_by("order_id", maintain_order=True).agg("item_id", "leaf")
    pairs = orders.filter(pl.col("leaf").list.len() == 2).with_columns(
        left=pl.col("leaf").list.first(), right=pl.col("leaf").list.last()
    )
    assert pairs.height > 200
    assert (pairs["left"].replace_strict(plan.COMPLEMENTS) == pairs["right"]).all()
    staples = list(plan.REPURCHASE_GAPS)
    lefts = orders.with_columns(left=pl.col("leaf").list.first())
    lefts = lefts.filter(pl.col("left").is_in(list(plan.COMPLEMENTS)) & ~pl.col("left").is_in(staples))
    assert share(lefts, pl.col("leaf").list.len() == 2) == pytest.approx(plan.COMPLEMENT_SHARE, abs=0.06)
    partners = pairs.select(item=pl.col("item_id").list.first(), partner=pl.col("item_id").list.last())
    partnered = partners.group_by("item").agg(pl.len(), most=pl.col("partner").value_counts().struct.field("count").max())
    repeated = partnered.filter(pl.col("len") >= 4)
    assert float(repeated.select(pl.col("most").sum() / pl.col("len").sum()).item()) > plan.PARTNER_SHARE - 0.12


def test_order_lines_are_whole(shop: Made) -> None:
    """Purchases and refunds carry order, quantity and price; the lines of an order share shopper, session and moment."""
    lines = shop.kind("purchase", "refund")
    assert sum(lines.select("order_id", "item_id", "quantity", "price", "currency").null_count().row(0)) == 0
    assert lines["quantity"].is_between(1, 3).all()
    assert shop.events.filter(~pl.col("event_type").is_in(["purchase", "refund"]))["order_id"].null_count() == (
        shop.events.height - lines.height
    )
    same = shop.kind("purchase").group_by("order_id").agg(pl.col("user_id", "session_id", "timestamp").n_unique())
    assert same.select(pl.exclude("order_id").max()).row(0) == (1, 1, 1)


def test_coupons_take_off_their_share(shop: Made) -> None:
    """A share of the orders has a coupon, and its discount is the coupon's share of price times quantity."""
    orders = shop.kind("purchase").group_by("order_id").agg(pl.col("coupon").first())
    assert share(orders, pl.col("coupon").is_not_null()) == pytest.approx(plan.COUPON_SHARE, abs=0.02)
    lines = shop.kind("purchase").filter(pl.col("coupon").is_not_null())
    assert set(lines["coupon"]) == set(plan.COUPONS)
    off = lines["coupon"].replace_strict(plan.COUPONS, return_dtype=pl.Float64)
    assert ((lines["discount"] - lines["price"] * lines["quantity"] * off).abs() < 0.0051).all()
    assert shop.kind("purchase").filter(pl.col("coupon").is_null())["discount"].null_count() == orders.height + (
        shop.kind("purchase").height - orders.height - lines.height
    )


def test_refunds_repeat_a_line(shop: Made) -> None:
    """A refund names an order line with its quantity and price, days later, outside any session."""
    refunds = shop.kind("refund")
    assert refunds.height >= 20
    line = ["order_id", "item_id", "quantity", "price", "shopper"]
    assert refunds.join(shop.kind("purchase"), on=line, how="semi").height == refunds.height
    assert refunds["session_id"].null_count() == refunds.height


def test_recommendations_shown_and_clicked(shop: Made) -> None:
    """Some visits show four items under one recommendation_id; a clicked one is viewed next."""
    shown = shop.kind("impression").group_by("recommendation_id").agg(pl.len(), "item_id", pl.col("session_id").first())
    assert shown["len"].unique().to_list() == [4]
    visits = shop.events["session_id"].n_unique()
    assert shown.height / visits == pytest.approx(plan.RECOMMENDED_SHARE, abs=0.015)
    clicks = shop.kind("click").join(shown.select("recommendation_id", items="item_id"), on="recommendation_id")
    assert clicks.height > 20
    assert clicks.select(pl.col("items").list.contains(pl.col("item_id")).all()).item()
    views = shop.kind("view").group_by("session_id", maintain_order=True).agg(first=pl.col("item_id").first())
    assert clicks.join(views, on="session_id").select((pl.col("first") == pl.col("item_id")).mean()).item() == 1


def test_message_visits_carry_their_send(shop: Made) -> None:
    """Visits from messages, and only those, name the week's send; channels have their shares."""
    visits = shop.events.drop_nulls("session_id").group_by("session_id").agg(pl.col("channel", "send_id").first())
    for channel, planted in plan.CHANNELS.items():
        assert share(visits, pl.col("channel") == channel) == pytest.approx(planted, abs=0.03)
    assert (visits["send_id"].is_not_null() == visits["channel"].is_in(plan.MESSAGES)).all()


# Goods


def test_the_tree_has_three_levels_and_every_leaf_sells(shop: Made) -> None:
    """Every item has a category of three levels, and every leaf category is viewed."""
    assert (shop.items["category"].str.split(" > ").list.len() == 3).all()
    assert shop.items["category"].n_unique() == 43
    assert shop.kind("view")["leaf"].n_unique() == 43


def test_prices_follow_category_and_brand_tier(shop: Made) -> None:
    """A sofa costs more than a mug, luxury more than accessible, and every item costs the shop less than it brings."""
    usual = dict(shop.items.group_by("category").agg(pl.col("price").median()).iter_rows())
    assert usual["Home > Furniture > Sofas"] > 10 * usual["Gourmet > Kitchen > Mugs"]
    relative = shop.items.drop_nulls("brand").with_columns(pl.col("price") / pl.col("price").median().over("category"))
    tiers = relative.group_by("brand").agg(pl.col("price").median(), pl.len()).filter(pl.col("len") >= 15)["price"]
    assert tiers.max() > 2 * tiers.min()  # type: ignore[operator]
    assert (shop.items["cost"] < shop.items["price"]).all()
    assert shop.items["currency"].unique().to_list() == ["EUR"]


def test_nothing_happens_to_an_item_before_it_is_published(shop: Made) -> None:
    """Events follow publication, some items are brand new, and everything shown is in the catalogue."""
    known = shop.events.drop_nulls("item_id")
    assert known["published_at"].null_count() == 0
    assert (known["published_at"] <= known["timestamp"]).all()
    new = pl.col("published_at") > END - timedelta(days=plan.NEW_DAYS)
    assert share(shop.items, new) == pytest.approx(plan.NEW_SHARE, abs=0.02)
    assert (shop.items["published_at"] < END).all()


def test_sold_out_and_unseen_items(shop: Made) -> None:
    """Stock 0 means not available and the reverse, sold-out items keep their past, and some items nobody ever saw."""
    assert share(shop.items, ~pl.col("available")) == pytest.approx(plan.SOLD_OUT_SHARE, abs=0.02)
    assert (shop.items["available"] == (shop.items["stock"] > 0)).all()
    sold = shop.items.join(shop.kind("purchase"), on="item_id", how="semi")
    assert sold.filter(~pl.col("available")).height > 0
    unseen = shop.items.join(shop.events.drop_nulls("item_id"), on="item_id", how="anti")
    assert plan.UNSEEN_SHARE * 0.7 < unseen.height / shop.items.height < 0.25


def test_variants_share_a_group(shop: Made) -> None:
    """A group has two to four items of one brand and category; single items have none."""
    groups = (
        shop.items.drop_nulls("group_id").group_by("group_id").agg(pl.len(), pl.col("category", "brand", "title").n_unique())
    )
    assert groups["len"].is_between(2, 4).all()
    assert groups.select(pl.col("category", "brand").max()).row(0) == (1, 1)
    assert (groups["title"] == groups["len"]).all()
    assert 0.3 < share(shop.items, pl.col("group_id").is_null()) < 0.5


def test_titles_are_written_in_many_ways(shop: Made) -> None:
    """Arabic, Japanese, accented and emoji titles are there, a few brands are missing, links name the item."""
    title = pl.col("title")
    assert share(shop.items, title.str.contains(r"\p{Arabic}")) == pytest.approx(plan.ARABIC_SHARE, abs=0.02)
    assert 0 < share(shop.items, title.str.contains(r"\p{Han}")) < 3 * plan.JAPANESE_SHARE
    assert 0 < share(shop.items, title.str.contains(r"[\u2600-\u27BF\x{1F300}-\x{1FAFF}]")) < 2 * plan.EMOJI_SHARE
    assert share(shop.items, title.str.contains("[àâäéèêëïîôöùûüçøåÅ]")) > 0.1
    assert share(shop.items, pl.col("brand").is_null()) == pytest.approx(plan.UNBRANDED_SHARE, abs=0.02)
    assert (shop.items["url"] == "https://shop.example/products/" + shop.items["item_id"]).all()
    assert (shop.items["image_url"] == "https://shop.example/images/" + shop.items["item_id"] + ".jpg").all()
