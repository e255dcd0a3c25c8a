"""Lists of an experiment as the slate log has them: what each arm showed, and shoppers who were answered and never written down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import polars as pl

from recsys.clock import DAY
from recsys.live.slate_log import SlateHead
from training.experiments.ledger import Ledger
from training.experiments.measures import NEW_DAYS, SHOWN

_LISTS = {"id": pl.String, "name": pl.String, "time": pl.Int64, "empty": pl.Int64, "shown": pl.Int64, "new": pl.Int64}
_PLACES = {"name": pl.String, "item_id": pl.String}
MOST_UNEXPOSED = 0.01
"""Share of the answered shoppers without an exposure beyond which a read-out is not to be trusted."""


class ShownLists(NamedTuple):
    """Logged lists that name an experiment.

    counts: `SHOWN` by person (`unit`) who has any · lists: how many, by arm · coverage: share of the items that may be shown that are
    on lists, by arm, over the same number of lists of each · answered: persons whom lists name · unexposed: those of them without an
    exposure.
    """

    counts: pl.DataFrame
    lists: Mapping[str, int]
    coverage: Mapping[str, float]
    answered: int
    unexposed: int

    @property
    def loses_exposures(self) -> bool:
        """Tell whether more persons lack their exposure than a crash or an administrator's look explains."""
        return self.unexposed > max(1, MOST_UNEXPOSED * self.answered)


def shown_lists(heads: Iterable[SlateHead], name: str, ledger: Ledger, persons: pl.DataFrame) -> ShownLists:
    """Count what lists of an experiment showed to persons (`unit`, `arm`, `at`) from their first exposure on."""
    lists, places = _frames(heads, name, ledger)
    began = int(persons["at"].min()) if persons.height else 0  # type: ignore[arg-type]
    named = lists.join(ledger.owners, on="id", how="left").with_columns(pl.coalesce("unit", "id").alias("unit"))
    asked = named.filter((pl.col("time") >= began) & ~pl.col("unit").is_in(sorted(ledger.staff | ledger.machines)))
    answered = asked["unit"].unique()
    theirs = asked.join(persons, on="unit").filter(pl.col("time") >= pl.col("at"))
    counts = theirs.group_by("unit").agg(pl.len().cast(pl.Int64).alias("lists"), *(pl.col(each).sum() for each in SHOWN[1:]))
    sizes: dict[str, int] = dict(theirs.group_by("arm").len().sort("arm").iter_rows())
    unexposed = int((~answered.is_in(persons["unit"].implode())).sum())
    return ShownLists(counts, sizes, _coverage(theirs, places, ledger.items.height), len(answered), unexposed)


def _frames(heads: Iterable[SlateHead], name: str, ledger: Ledger) -> tuple[pl.DataFrame, pl.DataFrame]:
    since: Mapping[str, int | None] = dict(ledger.items.select("item_id", "since").iter_rows())
    lists, places = [], []
    for head in heads:
        user, now = head.query.user_id, head.query.now
        if user is None or not any(each.id == name for each in head.experiments):
            continue
        items = [item for item, _ in head.shown]
        new = sum((since.get(item) or 0) > now - NEW_DAYS * DAY for item in items)
        lists.append((user, head.recommendation_id, now, int(not items), len(items), new))
        places += [(head.recommendation_id, item) for item in items]
    return pl.DataFrame(lists, schema=_LISTS, orient="row"), pl.DataFrame(places, schema=_PLACES, orient="row")


def _coverage(lists: pl.DataFrame, places: pl.DataFrame, items: int) -> dict[str, float]:
    """Share of the items on the lists of each arm; of an arm with more lists, a sample by their ids, which are hashes."""
    if lists.is_empty() or not items:
        return {}
    fewest = int(lists.group_by("arm").len()["len"].min())  # type: ignore[arg-type]
    sample = lists.sort("name").group_by("arm", maintain_order=True).head(fewest)
    on = sample.join(places, on="name", how="left").group_by("arm").agg(pl.col("item_id").drop_nulls().n_unique())
    return {arm: min(count / items, 1.0) for arm, count in on.sort("arm").iter_rows()}
