"""The synthetic shop's tables: ids and texts put to the numbers of its people and their visits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys import clock
from recsys.clock import MINUTE
from recsys.types import EVENT_TYPES, EventType, Mask, Times
from simulator import plan
from simulator.agenda import Visits
from simulator.calendar import Calendar
from simulator.goods import CURRENCY, LEAF_NAMES, Floats, Ints
from simulator.people import People, Shop
from simulator.visits import Acts
from simulator.words import LEAVES


@dataclass(frozen=True)
class Names:
    """Ids of the shoppers: those of the users, then the anonymous ones, then a null, so that index -1 is null.

    known, anonymous int64[people] index into `ids` · linked int64[people]: microseconds from which a shopper's events are
    under the known id · identities: the table of that name.
    """

    ids: pl.Series
    known: NDArray[np.int64]
    anonymous: NDArray[np.int64]
    linked: Times
    identities: pl.DataFrame


def name_people(shop: Shop, visits: Visits, seed: int) -> Names:
    """Give everyone an id, guests and a share of the users an anonymous one, linked at the start of a later visit."""
    rng = np.random.default_rng([seed, 4])
    n, users = len(shop.people), shop.people.users
    hidden = rng.random(n) < plan.ANONYMOUS_SHARE
    hidden[users:] = True
    rows = np.flatnonzero(hidden)
    known = np.where(np.arange(n) < users, np.arange(n), -1)
    anonymous = np.full(n, -1)
    anonymous[rows] = users + np.arange(len(rows))
    linked = np.where(hidden, _middle_visit(visits, n, shop.calendar), np.iinfo(np.int64).min)
    linked[users:] = np.iinfo(np.int64).max
    codes = (rows.astype(np.uint64) + np.uint64(seed + 1)) * np.uint64(0x9E3779B97F4B) & np.uint64(0xFFFFFFFFFFFF)
    ids = [f"u{row:07d}" for row in range(users)] + [f"anon-{code:012x}" for code in codes.tolist()]
    named = pl.Series([*ids, None], dtype=pl.String)
    both = rows[rows < users]
    identities = pl.DataFrame(
        {
            "anonymous_id": named.gather(anonymous[both]),
            "user_id": named.gather(known[both]),
            "timestamp": _timestamps(linked[both]),
        }
    )
    return Names(named, known, anonymous, linked, identities.sort("timestamp", "anonymous_id"))


def _middle_visit(visits: Visits, people: int, calendar: Calendar) -> Times:
    """Start of the middle visit of each shopper; of those with one visit only, two hours after it."""
    order = np.argsort(visits.who, kind="stable")
    counts = np.bincount(visits.who, minlength=people)
    place = np.cumsum(counts) - counts + np.minimum(counts // 2, counts - 1)
    middle = visits.start[order[place]]
    return np.asarray(np.where(counts > 1, middle, np.minimum(middle + 120 * MINUTE, calendar.end)))


def users_table(people: People, names: Names, end: datetime, seed: int) -> pl.DataFrame:
    """Make the users table: locale, time zone, birthday and a consent per channel."""
    rng = np.random.default_rng([seed, 5])
    n = people.users
    locale = rng.choice(len(plan.LOCALES), size=n, p=list(plan.LOCALES.values()))
    born = (end.date() - date(1970, 1, 1)).days - rng.integers(18 * 365, 80 * 365, n)
    return pl.DataFrame(
        {
            "user_id": names.ids.gather(names.known[:n]),
            "locale": pl.Series(list(plan.LOCALES)).gather(locale),
            "timezone": pl.Series([plan.TIMEZONES[name] for name in plan.LOCALES]).gather(locale),
            "birthday": pl.Series(born.astype(np.int32)).cast(pl.Date),
            **{f"consent_{channel}": rng.random(n) < share for channel, share in plan.CONSENTS.items()},
        }
    )


def contents_table(end: datetime, seed: int) -> pl.DataFrame:
    """Make the contents table: one guide per leaf category."""
    rng = np.random.default_rng([seed, 6])
    numbers = range(1, len(LEAF_NAMES) + 1)
    ages = sorted(rng.integers(1, 360, len(LEAF_NAMES)).tolist(), reverse=True)
    return pl.DataFrame(
        {
            "content_id": [f"guide-{number:03d}" for number in numbers],
            "title": [f"{name.split(' > ')[-1]}: a short guide" for name in LEAF_NAMES],
            "url": [f"https://shop.example/journal/{number}" for number in numbers],
            "categories": [[name] for name in LEAF_NAMES],
            "published_at": [end - timedelta(days=age) for age in ages],
        },
        schema_overrides={"published_at": pl.Datetime("us", "UTC")},
    )


class EventTexts:
    """Turns events as numbers into rows of the events table.

    Every list of texts ends with a null, so that index -1 is null.
    """

    def __init__(self, shop: Shop, visits: Visits, names: Names, seed: int) -> None:
        """Choose what holds for a whole visit: its channel, its search words, its coupon."""
        rng = np.random.default_rng([seed, 7])
        self._shop, self._visits, self._names = shop, visits, names
        self._channel = rng.choice(len(plan.CHANNELS), size=len(visits), p=list(plan.CHANNELS.values())).astype(np.int8)
        self._coupon = rng.integers(0, len(plan.COUPONS), len(visits)).astype(np.int8)
        self._coupon[rng.random(len(visits), np.float32) >= plan.COUPON_SHARE] = -1
        nouns = [(*leaf.nouns, leaf.arabic) for leaf in LEAVES]
        self._words = _texts([word for words in nouns for word in words] + list(shop.goods.brands))
        self._query = _choose_words(rng, visits, nouns)
        self._item_ids = _texts(shop.goods.table["item_id"].to_list())
        self._leaves, self._kinds, self._channels = _texts(LEAF_NAMES), _texts(EVENT_TYPES), _texts(plan.CHANNELS)
        self._coupons, self._off = _texts(plan.COUPONS), np.array([*plan.COUPONS.values(), 0.0])
        self._sends, self._has_send = _texts(_sends(shop.calendar)), np.isin(list(plan.CHANNELS), plan.MESSAGES)

    def table(self, acts: Acts, written: int) -> pl.DataFrame:
        """Make the rows of these events, in this order; `written` events came before, ids go on from there."""
        of = acts.visit
        present = acts.kind != EventType.REFUND
        columns = {
            "event_id": _numbered("e", written + np.arange(len(of))),
            **self._who(acts),
            "item_id": self._item_ids.gather(acts.item),
            "timestamp": _timestamps(acts.time),
            "event_type": self._kinds.gather(acts.kind),
            "session_id": _numbered("s", of, present),
            **self._money(acts),
            "category": self._leaves.gather(_where(acts.kind == EventType.CATEGORY_VIEW, self._visits.leaf[of])),
            "query": self._words.gather(_where(acts.kind == EventType.SEARCH, self._query[of])),
            "channel": self._channels.gather(_where(present, self._channel[of])),
            "recommendation_id": _numbered("r", of, (acts.kind == EventType.IMPRESSION) | (acts.kind == EventType.CLICK)),
            "send_id": self._sends.gather(_where(present & self._has_send[self._channel[of]], self._week(of))),
        }
        return pl.DataFrame(columns)

    def _who(self, acts: Acts) -> dict[str, pl.Series]:
        """user_id and anonymous_id: the same until the shopper is known."""
        who = self._visits.who[acts.visit]
        anonymous = self._names.anonymous[who]
        known = acts.time >= self._names.linked[who]
        user = np.where(known, self._names.known[who], anonymous)
        return {"user_id": self._names.ids.gather(user), "anonymous_id": self._names.ids.gather(anonymous)}

    def _money(self, acts: Acts) -> dict[str, pl.Series]:
        """Columns of order lines and of what has a price: the price is the item's, the discount what a coupon takes off."""
        line = np.isin(acts.kind, (EventType.PURCHASE, EventType.REFUND))
        price = self._shop.goods.price[acts.item]
        coupon = _where(line, self._coupon[acts.visit])
        discount = np.round(price * acts.quantity * self._off[coupon], 2)
        has_item, counted = acts.item >= 0, acts.quantity > 0
        currency = _texts([CURRENCY])
        return {
            "order_id": _numbered("o", acts.visit, line),
            "quantity": _number(acts.quantity.astype(np.float64), counted),
            "price": _number(price, has_item),
            "currency": currency.gather(np.where(has_item, 0, -1)),
            "coupon": self._coupons.gather(coupon),
            "discount": _number(discount, coupon >= 0),
        }

    def _week(self, of: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.asarray(self._shop.calendar.day_of(self._visits.start[of]) // 7)


def _choose_words(rng: np.random.Generator, visits: Visits, nouns: list[tuple[str, ...]]) -> Ints:
    """Search words of each visit: a noun of its leaf category, or the brand that it turned to."""
    counts = np.array([len(words) for words in nouns])
    first = np.cumsum(counts) - counts
    noun = first[visits.leaf] + (rng.random(len(visits)) * counts[visits.leaf]).astype(np.int64)
    return np.asarray(np.where(visits.brand >= 0, counts.sum() + visits.brand, noun))


def _sends(calendar: Calendar) -> list[str]:
    """send_id of each week of the history, named by the day that it begins."""
    start = clock.to_datetime(calendar.start)
    return [f"weekly-{start + timedelta(weeks=week):%Y-%m-%d}" for week in range(plan.SPAN_DAYS // 7 + 2)]


def _texts(texts: Iterable[str]) -> pl.Series:
    return pl.Series([*texts, None], dtype=pl.String)


def _timestamps(times: Times) -> pl.Series:
    return pl.Series(times).cast(pl.Datetime("us", "UTC"))


def _where(condition: Mask, index: Ints) -> NDArray[np.int64]:
    """The index where the condition holds, else -1."""
    return np.where(condition, index, -1).astype(np.int64)


def _number(values: Floats, present: Mask) -> pl.Series:
    return pl.Series(np.where(present, values, np.nan)).fill_nan(None)


def _numbered(prefix: str, numbers: NDArray[np.int64], present: Mask | None = None) -> pl.Series:
    """Texts such as e17, null where not present."""
    rows = numbers if present is None else numbers[present]
    texts = pl.Series("number", rows).to_frame().select(pl.concat_str(pl.lit(prefix), pl.col("number")))["literal"]
    if present is None:
        return texts
    place = np.where(present, np.cumsum(present) - 1, len(texts))
    return texts.extend(_texts([])).gather(place)
