"""Public sets: what is held back of each shopper, and how lists are held against it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.lists.public import core, frequency, held_back, measured, read, suited, wanted

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
COLUMNS = ("user_id", "item_id", "hours", "order_id", "event_type")


def table(*rows: tuple[str, str, float, str | None, str]) -> pl.DataFrame:
    """Rows of events, by time."""
    made = pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String) | {"hours": pl.Float64}, orient="row")
    hours = pl.duration(microseconds=(pl.col("hours") * 3_600_000_000).cast(pl.Int64))
    return made.select("user_id", "item_id", (pl.lit(BEGIN) + hours).alias("timestamp"), "order_id", "event_type").sort(
        "timestamp"
    )


def bought(user: str, item: str, hours: float, order: str | None = None) -> tuple[str, str, float, str | None, str]:
    """A purchase."""
    return user, item, hours, order, "purchase"


def viewed(user: str, item: str, hours: float) -> tuple[str, str, float, str | None, str]:
    """A view."""
    return user, item, hours, None, "view"


def pairs(rows: pl.DataFrame) -> list[tuple[str, str]]:
    """Shoppers and items of rows."""
    return rows.select("user_id", "item_id").rows()


def test_the_last_order_is_held_back_whole() -> None:
    """With order ids or without, of shoppers with two orders or more."""
    for first, second in (("1", "2"), (None, None)):
        rows = table(
            bought("a", "x", 0, first),
            bought("a", "x", 9, second),
            bought("a", "y", 9, second),
            bought("b", "x", 9, "3"),
            viewed("a", "z", 12),
        )
        train, test = held_back(rows, "last-basket")
        assert pairs(test) == [("a", "x"), ("a", "y")]
        assert sorted(pairs(train)) == [("a", "x"), ("b", "x")]


def test_the_last_new_item_is_held_back() -> None:
    """Each pair counts once, the first time; of two items nothing is held back."""
    rows = table(
        viewed("a", "x", 0),
        viewed("a", "y", 1),
        viewed("a", "z", 2),
        viewed("a", "x", 3),
        viewed("b", "x", 0),
        viewed("b", "y", 1),
    )
    train, test = held_back(rows, "last-item")
    assert pairs(test) == [("a", "z")]
    assert set(train["event_type"]) == {"purchase"}
    assert len(train) == 4


def test_the_last_item_of_late_visits_is_held_back() -> None:
    """Visits end after half an hour without an event; an item that is looked at twice in a row counts once."""
    early = [viewed("a", item, hours) for hours, item in ((0, "x"), (0.1, "x"), (0.2, "y"), (1, "z"))]
    rows = table(
        *early, *(viewed(f"b{at}", item, 2 + at + late) for at in range(9) for late, item in ((0, "x"), (0.4, "y")))
    )
    train, test = held_back(rows, "visits")
    assert pairs(test) == [("b8/1", "y")]
    assert pairs(train)[:3] == [("a/1", "x"), ("a/1", "y"), ("a/2", "z")]


def test_a_core_is_what_is_left_of_thin_shoppers_and_items() -> None:
    """Who leaves takes items along, and these take shoppers."""
    thick = [bought(user, item, at) for user in "abc" for at, item in enumerate("xyz")]
    assert len(core(table(*thick, bought("d", "x", 9), bought("a", "w", 9)), 3)) == 9


@pytest.mark.parametrize(
    ("rows", "held"),
    [
        ([viewed("a", "x", 0), viewed("a", "x", 1), bought("a", "x", 2)], "visits"),
        ([bought("a", "x", 0), bought("a", "x", 30)], "last-basket"),
        ([bought("a", "x", 0), bought("a", "y", 30)], "last-item"),
    ],
)
def test_what_is_held_back_follows_from_the_set(rows: list[tuple[str, str, float, str | None, str]], held: str) -> None:
    """Visits where most are views, baskets where things are bought again, else the last item."""
    assert suited(table(*rows)) == held


def test_what_was_had_before_is_not_new() -> None:
    """`new` leaves it out, and with it shoppers of whom nothing is left."""
    train, test = (
        table(bought("a", "x", 0), bought("b", "y", 0)),
        table(bought("a", "x", 9), bought("a", "z", 9), bought("b", "y", 9), bought("c", "x", 9)),
    )
    assert wanted(train, test, "repeat", 9) == {"a": {"x", "z"}, "b": {"y"}}
    assert wanted(train, test, "new", 9) == {"a": {"z"}}


def test_lists_are_measured_as_worked_out_by_hand() -> None:
    """One hit of two at the second place; somebody without a list has nothing."""
    found = measured({"a": ["p", "x", *"qrstuvw", "o", "y"]}, {"a": {"x", "y"}, "b": {"x"}})
    assert found["NDCG@10"].tolist() == pytest.approx([(1 / np.log2(3)) / (1 + 1 / np.log2(3)), 0])
    assert found["Recall@10"].tolist() == [0.5, 0]
    assert found["Recall@20"].tolist() == [1, 0]
    assert found["MRR@20"].tolist() == [0.5, 0]


def test_own_frequency_comes_before_popularity() -> None:
    """The baseline ranks what a shopper bought most first, then what most shoppers bought."""
    train = table(bought("a", "y", 0), bought("a", "y", 1), bought("a", "x", 2), *(bought(user, "z", 3) for user in "bcd"))
    assert frequency(train, {"a": {"x"}}, "repeat")["a"] == ["y", "x", "z"]
    assert frequency(train, {"a": {"x"}}, "new")["a"] == ["z"]


def test_files_are_read_as_init_reads_them(tmp_path: Path) -> None:
    """Through a preset where the columns are those of one: ratings of MovieLens from 3.5 on are views."""
    times = [int((BEGIN + timedelta(days=day)).timestamp()) for day in range(60)]
    rows = "".join(
        f"{user},{item},{4 if item % 3 else 2},{times[user + item]}\n" for user in range(1, 30) for item in range(1, 30)
    )
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n" + rows)
    found = read([str(tmp_path / "ratings.csv")], tmp_path)
    assert len(found) == 29 * 20
    assert set(found["event_type"]) == {"view"}
