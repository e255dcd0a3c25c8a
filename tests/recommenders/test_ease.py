"""EASE against answers worked out by hand and against the regressions that it solves all at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from recsys.behaviour import event_weights, item_weights
from recsys.recommenders.ease import inverse_of, strongest_of_rows
from recsys.types import Arrays
from tests.conftest import NOW, ago, event
from tests.support.shops.handmade import World, dense, numbered_items, shop_of, world

WHOLE: dict[str, Any] = {"neighbours": 1000, "history_items": 1000}
"""Nothing cut off."""


def square(arrays: Arrays, n: int) -> NDArray[np.float64]:
    """B over all the items of the catalogue, zero where an item takes no part."""
    b = np.zeros((n, n))
    for item, row in enumerate(arrays["place"].astype(int)):
        if row >= 0:
            assert arrays["items"].astype(int)[row] == item
            np.add.at(b[item], arrays["neighbours"][row], arrays["weights"][row].astype(float))
    return b


def regressed(x: NDArray[np.float64], ridge: float) -> NDArray[np.float64]:
    """B column by column: the ridge regression of each item on all the others."""
    n = x.shape[1]
    b = np.zeros((n, n))
    for target in range(n):
        others = np.flatnonzero(np.arange(n) != target)
        rest = x[:, others]
        b[others, target] = np.linalg.solve(rest.T @ rest + ridge * np.eye(n - 1), rest.T @ x[:, target])
    return b


def test_by_hand() -> None:
    """Ann saw both items, Bob the first alone: with λ = 1, P = [[2, -1], [-1, 3]] / 5, so B = [[0, 1/3], [1/2, 0]]."""
    made = world([event("ann", "i00"), event("ann", "i01"), event("bob", "i00")], numbered_items(2))
    arrays = made.arrays("ease", regularization=1, half_life_days=0)
    assert (arrays["items"].tolist(), arrays["neighbours"].tolist()) == ([0, 1], [[1], [0]])
    assert arrays["weights"].tolist() == [[pytest.approx(1 / 3)], [pytest.approx(1 / 2)]]


@pytest.mark.parametrize(
    ("ridge", "power", "half_life"), [(100.0, 0.5, 60.0), (1.0, 1.0, 0.0), (0.1, 0.0, 30.0), (1000.0, 0.3, 7.0)]
)
def test_each_item_is_regressed_on_the_others(ridge: float, power: float, half_life: float) -> None:
    """Column j of B is the ridge regression of item j on all the other items of X = (decayed event weights)^power."""
    made = shop_of("crowd")
    arrays = made.arrays("ease", regularization=ridge, power=power, half_life_days=half_life, **WHOLE)
    r = dense(made, half_life)
    x = np.where(r > 0, r, 1) ** power * (r > 0)
    expected = regressed(x, ridge)
    assert np.count_nonzero(expected) > 300
    np.testing.assert_allclose(square(arrays, 60), expected, rtol=1e-4, atol=1e-9)


def test_no_item_speaks_for_itself() -> None:
    """The diagonal of B is zero, and what stands in the rows falls in strength."""
    arrays = shop_of("crowd").arrays("ease", **WHOLE)
    weights = arrays["weights"].astype(float)
    assert (square(arrays, 60).diagonal() == 0).all()
    assert (np.diff(np.abs(weights)) <= 0).all()
    assert weights.max() > 0


def test_negative_weights_speak_against() -> None:
    """Two kinds of one thing, each seen with the same third but never together, hold each other down."""
    rows = [event(f"u{user}", item) for user in range(20) for item in ("i00", f"i0{1 + user % 2}")]
    made = world(rows, numbered_items(3))
    b = square(made.arrays("ease", regularization=1), 3)
    assert (b[0, 1] > 0, b[1, 2] < 0, b[2, 1] < 0) == (True, True, True)
    answer = made.fitted("ease", regularization=1).recommend(made.query(context=["i01"]), made.profile(), 3, made.allow())
    assert made.names(answer) == ["i00"]


def test_the_strongest_neighbours_are_kept() -> None:
    """K neighbours an item are kept, those of the largest weight, whatever its sign."""
    made = shop_of("crowd")
    whole, cut = square(made.arrays("ease", **WHOLE), 60), square(made.arrays("ease", neighbours=3), 60)
    for row in range(60):
        assert np.sort(np.abs(cut[row]))[-3:].tolist() == np.sort(np.abs(whole[row]))[-3:].tolist()
        assert np.count_nonzero(cut[row]) == 3


def test_only_the_heaviest_items_take_part() -> None:
    """With a cap of three, the three items of the largest total weight are solved as if there were no others; equal ones by row."""
    seen = {"ann": (0, 1, 2, 3, 4), "bob": (0, 2, 4), "cat": (0, 2, 3, 4), "dan": (1, 4), "eve": (4,)}
    rows = [event(user, f"i0{item}") for user, items in seen.items() for item in items]
    made = world(rows, numbered_items(5))  # seen by 3, 2, 3, 2 and 5 people
    x = (dense(made, 0) > 0).astype(float)
    for max_n, part in ((3, [0, 2, 4]), (4, [0, 1, 2, 4])):
        b = square(made.arrays("ease", most_items=max_n, regularization=1, half_life_days=0), 5)
        expected = np.zeros((5, 5))
        expected[np.ix_(part, part)] = regressed(x[:, part], 1)
        np.testing.assert_allclose(b, expected, rtol=1e-5, atol=1e-9)
        assert b[0, 2] > 0
        assert sorted(made.arrays("ease", most_items=max_n, half_life_days=0)["items"].tolist()) == part


def test_what_takes_no_part_is_passed_over() -> None:
    """An answer starts from the items that take part; where none does, there is none."""
    made = pairs(mine=[event("ann", "i03", at=ago(50)), event("ann", "i01", at=ago(50))])
    recommender = made.fitted("ease", most_items=2)
    assert made.arrays("ease", most_items=2)["items"].tolist() == made.rows("i01", "i03")
    assert len(recommender.recommend(made.query(context=["i00", "i02"]), made.profile(), 5, made.allow())) == 0
    answer = recommender.recommend(made.query(), made.profile("ann"), 5, made.allow())
    assert answer.explained_by is not None
    explained_by = [made.catalog.item_id(row) for row in answer.explained_by.tolist()]
    assert dict(zip(made.names(answer), explained_by, strict=True)) == {"i01": "i03", "i03": "i01"}


@pytest.mark.parametrize("power", [0.0, 0.5])
def test_items_nobody_noticed_have_no_neighbours(power: float) -> None:
    """What was never viewed, put into a cart or bought is in nobody's row, and its own is empty."""
    made = world([event("ann", "i00"), event("ann", "i01"), event("ann", "i02", "impression")], numbered_items(4))
    b = square(made.arrays("ease", power=power), 4)
    assert np.argwhere(b).tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(("items", "rows"), [(0, []), (1, [event("ann", "i00")]), (3, []), (3, [event("ann", "i00")])])
def test_nothing_to_learn(items: int, rows: list[dict[str, Any]]) -> None:
    """No item, one item, no event, one event: no neighbours, and no error."""
    arrays = world(rows, numbered_items(items)).arrays("ease")
    assert arrays["weights"].shape == arrays["neighbours"].shape == (len(rows), 1)
    assert not arrays["weights"].any()
    assert np.flatnonzero(arrays["place"].astype(int) >= 0).tolist() == arrays["items"].tolist() == [0] * len(rows)


def test_the_same_bytes_whatever_the_threads() -> None:
    """The solution does not depend on how many threads the linear algebra would have had."""
    random = np.random.default_rng(20)
    rows = [event(f"u{user}", f"i{item}") for user in range(300) for item in random.choice(400, 12, replace=False)]
    made = world(rows, [{"item_id": f"i{item}"} for item in range(400)])
    fitted = []
    for threads in (1, 2, 1):
        with threadpool_limits(threads, user_api="blas"):
            fitted.append(made.arrays("ease", regularization=0.001, power=1, **WHOLE))
    assert fitted[0]["weights"].any()
    for name in ("neighbours", "weights"):
        assert len({arrays[name].tobytes() for arrays in fitted}) == 1


@pytest.mark.parametrize("power", [0.5, 1.0])
def test_an_answer_is_the_history_times_b(power: float) -> None:
    """Allowed items stand by Σ (decayed weight)^power × B, and the evidence of each is the item that gave most."""
    made = shop_of("crowd")
    recommender, profile = made.fitted("ease", power=power, **WHOLE), made.profile("u7")
    b = square(made.arrays("ease", power=power, **WHOLE), 60)
    items, strengths = item_weights(profile.history, made.query().now, event_weights(made.behaviour), 60.0, 1000, 30.0)
    parts = strengths[:, None].astype(float) ** power * b[items]
    allowed = made.allow()
    allowed[::3] = False
    scores = parts.sum(axis=0) * allowed
    answer = recommender.recommend(made.query(), profile, 10, allowed)
    assert answer.explained_by is not None
    np.testing.assert_allclose(answer.scores, np.sort(scores)[::-1][:10], rtol=1e-4)
    np.testing.assert_allclose(answer.scores, scores[answer.items], rtol=1e-4)
    assert answer.explained_by.tolist() == items[parts[:, answer.items].argmax(axis=0)].tolist()


def test_an_answer_starts_from_the_strongest_of_the_history() -> None:
    """`history_items` are read, those of the largest decayed weight."""
    made = shop_of("crowd")
    profile = made.profile("u7")
    strongest = item_weights(profile.history, made.query().now, event_weights(made.behaviour), 60.0, 2, 30.0)[0]
    for read in (1, 2):
        answer = made.fitted("ease", history_items=read).recommend(made.query(), profile, 60, made.allow())
        assert answer.explained_by is not None
        assert set(answer.explained_by.tolist()) == set(strongest[:read].tolist())


def pairs(**more: list[dict[str, Any]]) -> World:
    """Ten shoppers who see i00 and i01 together, ten who see i02 and i03, and more."""
    couples = (("i00", "i01"), ("i02", "i03"))
    rows = [event(f"{couple[0]}-{user}", item) for couple in couples for user in range(10) for item in couple]
    return world([*rows, *(row for extra in more.values() for row in extra)], numbered_items(4))


@pytest.mark.parametrize(
    ("kind", "code", "text"),
    [("view", "because_viewed", "Because you viewed i02"), ("purchase", "because_bought", "Because you bought i02")],
)
def test_the_reason_names_the_strongest_source(kind: str, code: str, text: str) -> None:
    """The reason names the item of the shopper's past that spoke most, and what was done with it."""
    made = pairs(mine=[event("ann", "i00", at=ago(50)), event("ann", "i02", kind, NOW)])
    recommender, profile = made.fitted("ease", regularization=1), made.profile("ann")
    answer = recommender.recommend(made.query(), profile, 1, made.allow("i03"))
    assert answer.explained_by is not None
    reason = recommender.reason(made.query(), profile, int(answer.items[0]), int(answer.explained_by[0]))
    assert (reason.code, reason.text, reason.because_item_id) == (code, text, "i02")


def test_the_page_comes_before_the_shopper() -> None:
    """With items on the page their neighbours answer, whoever asks, each item counting the same; the reason says of which."""
    made = pairs(mine=[event("ann", "i02", "purchase", NOW)])
    recommender, query = made.fitted("ease"), made.query(context=["i00"])
    b = square(made.arrays("ease"), 4)
    for user in ("ann", "nobody"):
        answer = recommender.recommend(query, made.profile(user), 1, made.allow())
        assert made.names(answer) == ["i01"]
        assert answer.scores[0] == pytest.approx(b[0, 1])
        reason = recommender.reason(query, made.profile(user), 1, 0)
        assert (reason.code, reason.because_item_id) == ("similar", "i00")
        assert reason.text == "Shoppers interested in i00 also like this"


def test_the_shopper_s_own_past_fades() -> None:
    """With a short half-life the item seen last leads the way, without decay the one seen most."""
    often = [event("ann", "i00", at=ago(60, minutes=at)) for at in range(5)]
    made = pairs(mine=[*often, event("ann", "i02", at=NOW)])
    leaders = [
        made.names(made.fitted("ease", half_life_days=days).recommend(made.query(), made.profile("ann"), 1, made.allow()))
        for days in (5, 0)
    ]
    assert leaders == [["i03"], ["i01"]]


@pytest.mark.parametrize("size", [1, 7, 300])
def test_the_inverse_is_whole(size: int) -> None:
    """By Cholesky or, of a matrix that is not definite, by the general way: times its matrix it is the identity."""
    draw = np.random.default_rng(size).normal(size=(size + 9, size))
    definite = draw.T @ draw + np.eye(size)
    for matrix in (definite, -definite):
        assert inverse_of(matrix.copy()) @ matrix == pytest.approx(np.eye(size), abs=1e-8)


def test_the_strongest_are_found_block_by_block() -> None:
    """In many blocks too, each row has its largest entries without their sign, largest first, and never itself."""
    b = np.random.default_rng(20).normal(size=(600, 600))
    columns, weights = strongest_of_rows(b.copy(), 7)
    np.fill_diagonal(b, 0)
    assert np.array_equal(columns, np.argsort(-np.abs(b), axis=1)[:, :7])
    assert np.array_equal(weights, np.take_along_axis(b, columns, axis=1).astype(np.float32))
