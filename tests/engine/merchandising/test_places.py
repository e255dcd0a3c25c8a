"""The compiled pass that fills places, held against the rules as they read in plain Python."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.engine.merchandising.at_once import arranged_at_once
from recsys.engine.merchandising.merchandising import Arranged, Arrangement, Shelf
from recsys.engine.merchandising.plans import NO_PLAN, Plan
from recsys.engine.merchandising.variety import Variety
from recsys.engine.pipeline import Engine, SlateBuilder, build, order_of, pick_rule, resolve_query
from recsys.recommenders import RANKS_EVERYTHING
from recsys.settings.campaigns import Campaign
from recsys.settings.load import parse_settings
from recsys.snapshot.store import Snapshot
from recsys.types import Query
from tests.conftest import NOW, Shop, ago, event, micros
from tests.engine.merchandising.test_merchandising import ACTIONS, BRANDS, ITEMS, LEAVES, campaign
from tests.support.plain_arrangement import PlainArrangement, PlainlyArranged
from tests.support.shops.handmade import calm


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory: pytest.TempPathFactory) -> tuple[Snapshot, Snapshot]:
    """The same forty items, without groups and with thirteen of them."""
    found = []
    for groups in (False, True):
        shop = Shop(tmp_path_factory.mktemp("places"))
        shop.items = [
            {"item_id": f"p{n:02}", "category": f"Home > C{n % LEAVES}", "brand": f"B{n % BRANDS}", "price": 5.0 + n}
            | ({"group_id": f"g{n % 13}"} if groups else {})
            for n in range(ITEMS)
        ]
        for n in range(ITEMS):
            shop.add(
                *(
                    event(f"u{user}", f"p{n:02}", "purchase", ago(days=2), order_id=f"{user}-{n}")
                    for user in range(ITEMS - n)
                )
            )
        shop.add(*(event("ann", f"p{n:02}", "view", ago(days=1, minutes=n)) for n in range(0, ITEMS, BRANDS)))
        found.append(shop.engine().snapshot)
    return found[0], found[1]


@calm
@given(
    grouped=st.booleans(),
    dial=st.sampled_from(
        [
            "",
            "rotate = 0.4",
            "fatigue = { after = 3 }",
            'limits = [{ by = "brand", max = 3 }]',
            "variety = 0.3",
            'variety = 0.95\nrotate = 0.4\nlimits = [{ by = "category", max = 3, within = 6 }]',
        ]
    ),
    campaigns=st.dictionaries(st.sampled_from("abcd"), st.lists(ACTIONS, min_size=1, max_size=6), max_size=4),
    user=st.sampled_from(["nobody", "ann", "u35"]),
    limit=st.integers(1, 15),
    pool=st.sampled_from([0, 3, 50]),
    short=st.booleans(),
)
def test_the_compiled_pass_does_what_the_rules_say(
    snapshots: tuple[Snapshot, Snapshot],
    grouped: bool,
    dial: str,
    campaigns: dict[str, list[Any]],
    user: str,
    limit: int,
    pool: int,
    short: bool,
) -> None:
    """The same picks and scores to the last bit, the same pins, and the same words on what was kept from its place."""
    engine = Engine(snapshots[grouped], parse_settings(f"[placements.home]\n{dial}"))
    held: dict[str, Campaign] = {name: campaign(*actions) for name, actions in campaigns.items()}
    engine.campaigns.put(held)
    shown = tuple((f"p{n:02}", 4.0) for n in range(5))
    query = Query(now=micros(NOW), user_id=user, limit=limit, shown=shown, brands=("B1", "B2") if short else ())
    made, plain = (_arranged(engine, query, kind, limit + pool) for kind in (Arrangement, PlainArrangement))
    assert isinstance(made, Arranged)
    assert isinstance(plain, PlainlyArranged)
    assert list(made.ranked) == plain.picks
    assert made.pinned == plain.pinned
    assert made.notes is not None
    assert {row: note for row in range(-1, ITEMS) if (note := made.notes.of(row))} == plain.effects
    if dial and not dial.startswith("limits"):
        return
    at_once, step_by_step = (_credited(engine, query, kind, limit + pool) for kind in (arranged_at_once, Arrangement))
    assert at_once is None or at_once[:2] == step_by_step[:2]
    assert at_once is None or at_once[2] in (None, step_by_step[2])


LIMITS = st.lists(
    st.builds(
        lambda by, most, within: {"limit": {"by": by, "max": most, "within": within}},
        st.sampled_from(["brand", "category", "group"]),
        st.integers(1, 3),
        st.integers(3, 12),
    ),
    min_size=1,
    max_size=3,
)
OTHERS = st.lists(ACTIONS.filter(lambda action: "share" not in action and "only" not in action), max_size=4)


@calm
@given(limits=LIMITS, others=OTHERS, limit=st.integers(3, 12), pool=st.integers(0, 3), grouped=st.booleans())
def test_asking_again_at_once_finds_what_step_by_step_finds(
    snapshots: tuple[Snapshot, Snapshot], limits: list[Any], others: list[Any], limit: int, pool: int, grouped: bool
) -> None:
    """Limits refuse most of a small pool, so that recommenders are asked for more, once or several times."""
    engine = Engine(snapshots[grouped], parse_settings(""))
    engine.campaigns.put({"a": campaign(*limits), "b": campaign(*others)} if others else {"a": campaign(*limits)})
    query = Query(now=micros(NOW), user_id="ann", limit=limit)
    at_once, step_by_step = (_credited(engine, query, kind, limit + pool) for kind in (arranged_at_once, Arrangement))
    too_few = len(step_by_step[0]) < limit or step_by_step[2]  # pins that move up
    if at_once is None:
        assert too_few
    else:
        assert at_once[:2] == step_by_step[:2]
        assert at_once[2] in (None, step_by_step[2])


@calm
@given(
    campaigns=st.dictionaries(st.sampled_from("abcd"), st.lists(ACTIONS, min_size=1, max_size=6), max_size=4),
    user=st.sampled_from(["nobody", "ann", "u35"]),
    limit=st.integers(1, 15),
    brands=st.sampled_from([(), ("B1", "B2")]),
)
def test_the_list_that_is_explained_is_the_one_that_is_shown(
    snapshots: tuple[Snapshot, Snapshot], campaigns: dict[str, list[Any]], user: str, limit: int, brands: tuple[str, ...]
) -> None:
    """Whether its places are filled at once or step by step, also where one category would fill it."""
    engine = Engine(snapshots[1], parse_settings("[placements.home]\nmixed = true"))
    engine.campaigns.put({name: campaign(*actions) for name, actions in campaigns.items()})
    query = Query(now=micros(NOW), user_id=user, limit=limit, brands=brands)
    history = engine.snapshot.histories.of(user)
    shown, explained = (build(engine, resolve_query(engine, query, history), limit, stated) for stated in (False, True))
    assert (list(shown.builder.ranked), shown[2:4]) == (list(explained.builder.ranked), explained[2:4])


@calm
@given(
    action=ACTIONS,
    dial=st.sampled_from(["", 'limits = [{ by = "brand", max = 4 }]', "variety = 0.3", "rotate = 0.2", "mixed = true"]),
    user=st.sampled_from(["nobody", "ann"]),
    stated=st.booleans(),
)
def test_a_list_that_nobody_fills_is_answered(
    snapshots: tuple[Snapshot, Snapshot], action: Any, dial: str, user: str, stated: bool
) -> None:
    """A rule whose recommender knows nothing of a stranger, and no fallback: nothing is at hand to be arranged."""
    rules = 'rules = [{ name = "seen", recommenders = { recently_viewed = 1.0 } }]\nfallback = []'
    engine = Engine(snapshots[1], parse_settings(f"[placements.home]\n{rules}\n{dial}"))
    engine.campaigns.put({"a": campaign(action)})
    query, history = Query(now=micros(NOW), user_id=user, limit=4), engine.snapshot.histories.of(user)
    built = build(engine, resolve_query(engine, query, history), 4, stated)
    pinned = [engine.catalog.row(action["pin"]["item_id"])] if "pin" in action else []
    assert user == "ann" or {*built.builder.ranked.rows.tolist()} <= {*pinned}


def _credited(engine: Engine, query: Query, kind: Any, depth: int) -> Any:
    """A list with who is said to have filled it, and its pinned rows."""
    builder, plan, shelf, _, chain = _in_hand(engine, query, depth)
    if kind is Arrangement:
        arranged = Arrangement(builder, plan, shelf).arranged()
        return list(arranged.ranked), arranged.credit(builder, chain), arranged.pinned
    found = arranged_at_once(builder, plan, shelf)
    return found and (list(found.ranked), found.credit(chain), found.pinned)


def _arranged(engine: Engine, query: Query, kind: Any, depth: int) -> Any:
    builder, plan, shelf, variety, _ = _in_hand(engine, query, depth)
    return kind(builder, plan, shelf, variety).arranged()


def _in_hand(engine: Engine, query: Query, depth: int) -> tuple[SlateBuilder, Plan, Shelf, Variety | None, tuple[str, ...]]:
    asked = resolve_query(engine, query, engine.snapshot.histories.of(query.user_id or ""))
    rule, weights = pick_rule(engine, asked)
    allowed = asked.allowed.copy()
    builder = SlateBuilder(engine, asked.rows, asked.profile, asked.allowed, depth)
    builder.put_blend(weights, order_of(engine, asked, rule))
    builder.fill(asked.placement.fallback)
    shelf = Shelf(allowed, engine.catalog, query.limit, weights, asked.placement.fallback, RANKS_EVERYTHING)
    return builder, asked.plan or NO_PLAN, shelf, asked.variety, asked.placement.fallback
