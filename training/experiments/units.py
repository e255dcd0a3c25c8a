"""Units of an experiment: each person once, in the arm of the first exposure, with what was done from then on and before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import polars as pl

from recsys.clock import DAY
from recsys.live.experiments import Exposure
from training.experiments.ledger import Ledger
from training.experiments.measures import BEFORE, BEFORE_DAYS, COUNTS, MARGIN, REPEAT_DAYS

_SCHEMA = {"id": pl.String, "arm": pl.String, "at": pl.Int64}


_BUCKETS = 16
"""Parts of the persons, by a hash, that are joined one after another: what joining takes in memory is that of one part."""


class Exposed(NamedTuple):
    """Persons: `unit`, `arm` and `at` (microseconds) of the first exposure · crossed: how many were exposed to two arms before their
    ids were linked; the earlier one counts · ids: exposures by arm."""

    frame: pl.DataFrame
    crossed: int
    ids: Mapping[str, int]


def exposed(batches: Iterable[Sequence[Exposure]], owners: pl.DataFrame) -> Exposed:
    """Join the ids of a person; no person counts twice. Of the exposures one batch at a time is held as rows."""
    buckets: list[list[pl.DataFrame]] = [[] for _ in range(_BUCKETS)]
    ids = Counter[str]()
    for batch in batches:
        ids.update(each.arm for each in batch)
        for bucket, part in _by_bucket(batch, owners):
            buckets[bucket].append(part)
    nobody = pl.DataFrame(schema={"unit": pl.String, "arm": pl.String, "at": pl.Int64})
    found, crossed = [nobody], 0
    while buckets:
        firsts, more = _firsts(pl.concat([nobody.clear().with_columns(pl.lit("").alias("id")), *buckets.pop()]))
        found.append(firsts)
        crossed += more
    return Exposed(pl.concat(found), crossed, dict(ids))


def _by_bucket(batch: Sequence[Exposure], owners: pl.DataFrame) -> Iterable[tuple[int, pl.DataFrame]]:
    """The exposures of a batch with the persons whose they are, by the persons' bucket.

    An exposure is its owner's of that moment, and that of users whom the id was linked to later, from then on: the service answers
    them by it.
    """
    columns = {"id": [each.unit for each in batch], "arm": [each.arm for each in batch], "at": [each.at for each in batch]}
    named = pl.DataFrame(columns, schema=_SCHEMA).join(owners, on="id", how="left")
    theirs = named.filter(pl.col("until").is_null() | (pl.col("until") > pl.col("at")))
    persons = theirs.select(
        pl.coalesce("unit", "id").alias("unit"), "arm", pl.max_horizontal("at", "since").alias("at"), "id"
    )
    parts = persons.with_columns((pl.col("unit").hash() % _BUCKETS).alias("bucket")).partition_by("bucket", as_dict=True)
    return [(int(bucket), part.drop("bucket")) for (bucket,), part in parts.items()]


def _firsts(exposures: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """The first exposure of each person of a bucket, and how many of them have one to another arm."""
    in_order = exposures.sort("at", "id")
    first = in_order.unique("unit", keep="first", maintain_order=True).select("unit", "arm", "at")
    if first.height == in_order.height:
        return first, 0
    both = in_order.join(first.select("unit", first_arm="arm"), on="unit")
    return first, both.filter(pl.col("arm") != pl.col("first_arm"))["unit"].n_unique()


def unit_table(ledger: Ledger, persons: pl.DataFrame, until: int, winsorize: float) -> pl.DataFrame:
    """Return what each person did from the first exposure up to a moment (microseconds), and in the four weeks before it: `COUNTS`,
    `BEFORE`, and `MARGIN` where it is known what any item costs.

    Revenue above that of the `winsorize` share of buyers who spent most is cut down to theirs, over all arms alike; so is margin.
    """
    persons = persons.filter(pl.col("at") <= until)
    lines = _joined(persons, with_margin(ledger)).filter(pl.col("time") <= until)
    more = (MARGIN,) if MARGIN in lines.columns else ()
    after = pl.col("time") >= pl.col("at")
    lately = ~after & (pl.col("time") >= pl.col("at") - BEFORE_DAYS * DAY)
    units, columns = persons.select("unit"), [persons.select("unit", "arm", "at")]
    for frame in (
        _orders(lines.filter(after)),
        _repeated(lines.filter(after), until),
        _orders(lines.filter(lately)).select(
            "unit", *(pl.col(name).alias(f"{name}_before") for name in ("orders", "revenue"))
        ),
        _counted(persons, ledger.seen, until, "seen"),
        _counted(persons, ledger.clicks, until, "clicks"),
    ):
        found = units.join(frame, on="unit", how="left", maintain_order="left")  # beside the others, which are not copied
        columns.append(found.drop("unit").fill_null(0))
    table = pl.concat(columns, how="horizontal").with_columns(
        (pl.col("orders") > 0).cast(pl.Int64).alias("converted"),
        (pl.col("orders_before") > 0).cast(pl.Int64).alias("converted_before"),
    )
    for name in ("revenue", *more):
        table = _winsorized(table, name, winsorize)
    return table.select("unit", "arm", "at", *COUNTS, *more, *BEFORE)


def with_margin(ledger: Ledger) -> pl.DataFrame:
    """Lines with the margin that each brought, where it is known what any item costs; of an item of unknown cost, or sold at
    an unknown price, none."""
    costs = ledger.items.select("item_id", "cost").drop_nulls()
    if costs.is_empty():
        return ledger.lines
    margin = pl.col("amount") - pl.col("cost") * pl.col("units")
    return ledger.lines.join(costs, on="item_id", how="left").with_columns(margin.fill_null(0.0).alias(MARGIN)).drop("cost")


def _joined(persons: pl.DataFrame, frame: pl.DataFrame) -> pl.DataFrame:
    return frame.join(persons.select("unit", "at"), on="unit", how="inner")


def _orders(lines: pl.DataFrame) -> pl.DataFrame:
    return lines.group_by("unit").agg(
        pl.col("order").filter(pl.col("order") >= 0).n_unique().cast(pl.Int64).alias("orders"),
        pl.col("amount").sum().alias("revenue"),
        pl.col("units").sum(),
        (pl.col("units") + pl.col("returned")).sum().alias("bought"),
        pl.col("returned").sum(),
        *([pl.col(MARGIN).sum()] if MARGIN in lines.columns else []),
    )


def _repeated(lines: pl.DataFrame, until: int) -> pl.DataFrame:
    """Tell whose first order is at least `REPEAT_DAYS` old (`followed`), and who of them ordered again within these days."""
    orders = lines.filter(pl.col("order") >= 0).group_by("unit", "order").agg(pl.col("time").min())
    apart = pl.col("time").bottom_k(2).max() - pl.col("time").min()
    followed = pl.col("time").min() <= until - REPEAT_DAYS * DAY
    soon = followed & (pl.len() > 1) & (apart <= REPEAT_DAYS * DAY)
    return orders.group_by("unit").agg(followed.cast(pl.Int64).alias("followed"), soon.cast(pl.Int64).alias("repeated"))


def _counted(persons: pl.DataFrame, frame: pl.DataFrame, until: int, name: str) -> pl.DataFrame:
    since = _joined(persons, frame).filter((pl.col("time") >= pl.col("at")) & (pl.col("time") <= until))
    return since.group_by("unit").agg(pl.len().cast(pl.Int64).alias(name))


def _winsorized(table: pl.DataFrame, name: str, share: float) -> pl.DataFrame:
    gained = table[name].filter(table[name] > 0)
    highest = gained.quantile(1 - share, "lower") if len(gained) else None
    return table if highest is None else table.with_columns(pl.col(name).clip(upper_bound=highest))
