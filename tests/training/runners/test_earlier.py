"""An earlier moment out of what was prepared up to a later one: the bytes of reading and mapping everything as of then."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.settings import Settings
from recsys.snapshot.histories import Events
from recsys.snapshot.store import content_hash
from recsys.tables.schema import schema
from tests.conftest import NOW, Shop, ago, event
from tests.support.shops.synthetic import END
from tests.support.training import cut
from training.evaluation.split import Fold, Split, split
from training.job.job import prepare

LINKS = "[data.identities]\npaths = ['links.parquet']\n"
KINDS = ("view", "view", "cart_add", "purchase", "purchase", "refund", "impression")
WINDOW = Fold(ago(minutes=30), 1)


def hashed(split: Split) -> dict[str, str]:
    """Hashes of all that fits read, and of what was bought in the window, by what it is."""
    prepared, truth = split.prepared, split.truth
    told: dict[str, Any] = {name: getattr(prepared, name) for name in ("events", "guest_orders")}
    groups = {name: {each: getattr(events, each) for each in Events.__slots__} for name, events in told.items()}
    groups["base"] = dict(prepared.base)
    hashes = {name: content_hash({name: arrays}) for name, arrays in groups.items()}
    shop = prepared.shop
    tables = (shop.items, shop.users, shop.contents, shop.links, shop.joins)
    return hashes | {
        "truth": content_hash({"": {"items": truth.items, "offsets": truth.offsets, "sizes": truth.sizes}}, truth.users),
        "users": content_hash({}, prepared.user_ids, prepared.firsts.tolist(), prepared.as_of),
        "tables": content_hash({}, *(frame.write_json() for frame in tables), shop.currency, shop.state_sequence),
    }


def both(shop: Settings, fold: Fold, now: datetime = NOW) -> tuple[Split, Split]:
    """A fold as it is read from the tables, and out of what was prepared for a later moment."""
    return split(shop, fold, now), split(shop, fold, now, whole=prepare(shop, now=now))


def write_links(folder: Path, links: list[tuple[str, str, datetime | None]]) -> None:
    """Write the shop's table of anonymous ids that became known."""
    pl.DataFrame(links, schema=schema("identities"), orient="row").write_parquet(folder / "links.parquet")


@pytest.mark.parametrize("partitions", [1, 3])
@pytest.mark.parametrize("days", [1, 7, 60])
def test_a_shop_with_links_guests_and_refunds(synthetic: Settings, partitions: int, days: int) -> None:
    """Most shoppers are taken as they are, and nothing differs."""
    whole, taken = both(cut(synthetic, partitions), Fold(END - timedelta(days=days), days), END)
    assert taken.prepared.shop.only is not None
    assert len(taken.prepared.shop.only) < len(taken.prepared.user_ids) / 2
    assert len(taken.truth) > days
    assert hashed(taken) == hashed(whole)


minutes = st.integers(0, 60)
rows = st.lists(
    st.tuples(
        st.sampled_from(["u1", "u2", "u3", "u4", "d1", "d2", "d3", "guest"]),
        st.sampled_from(["sofa-1", "lamp-1", "soap-1", "soap-2", "unlisted", None]),
        st.sampled_from(KINDS),
        minutes,
        st.sampled_from([None, "o1", "o2"]),
        st.sampled_from([None, 0.0, 1.0, 2.0, 900.0]),
        st.sampled_from([None, 2.0, 3.0, 9000.0]),
    ),
    max_size=40,
)
links = st.lists(
    st.tuples(st.sampled_from(["d1", "d2", "d3"]), st.sampled_from(["u1", "u2", "u5"]), st.none() | minutes), max_size=6
)


@settings(max_examples=25, deadline=None)
@given(rows=rows, links=links, partitions=st.sampled_from([1, 3]), listed=st.booleans(), busy=st.integers(1, 40))
def test_any_shop_as_of_an_earlier_moment(
    rows: list[tuple[Any, ...]], links: list[tuple[str, str, int | None]], partitions: int, listed: bool, busy: int
) -> None:
    """Links that come later, ids that change hands, machines, absurd amounts, items that events name, returns and repetitions."""
    with TemporaryDirectory() as folder:
        shop = Shop(Path(folder))
        shop.toml += LINKS + f"[data]\nmax_events_a_minute = {busy}\nmax_quantity_factor = 5\n"
        for user, item, kind, past, order, quantity, price in rows:
            shop.add(event(user, item, kind, ago(minutes=past), order_id=order, quantity=quantity, price=price))
        shop.add(event("u1", "sofa-1", "view", ago(minutes=60)))
        shop.write()
        write_links(shop.folder, [(one, other, None if at is None else ago(minutes=at)) for one, other, at in links])
        stated = cut(shop.settings, partitions)
        if not listed:
            stated = msgspec.structs.replace(
                stated, data=msgspec.structs.replace(stated.data, items=type(stated.data.items)())
            )
        whole, taken = both(stated, WINDOW)
        assert hashed(taken) == hashed(whole)
