"""Lists of an experiment as the slate log has them: what each arm showed, and shoppers who were answered and never written down."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.clock import DAY
from recsys.live.slate_log import SlateHead
from training.experiments.ledger import Ledger
from training.experiments.measures import NEW_DAYS, SHOWN

_LISTS = {"id": pl.String, "name": pl.String, "time": pl.Int64, "empty": pl.Int64, "shown": pl.Int64, "new": pl.Int64}
_BATCH = 10_000
"""Lists that are held as rows at a time, which take several times the memory of columns."""
MOST_UNEXPOSED = 0.01
"""Share of the answered shoppers without an exposure beyond which a read-out is not to be trusted."""


Places: TypeAlias = NDArray[np.int32]


class ShownLists(NamedTuple):
    """Logged lists that name an experiment.

    counts: `SHOWN` by person (`unit`) who has any · lists: how many, by arm · coverage: share of the items that may be shown that are
    on lists, by arm, over the same number of lists of each · answered: persons whom lists name · unexposed: those of them without an
    exposure · names: ids of the lists.
    """

    counts: pl.DataFrame
    lists: Mapping[str, int]
    coverage: Mapping[str, float]
    answered: int
    unexposed: int
    names: pl.Series

    @property
    def loses_exposures(self) -> bool:
        """Tell whether more persons lack their exposure than a crash or an administrator's look explains."""
        return self.unexposed > max(1, MOST_UNEXPOSED * self.answered)


def shown_lists(heads: Iterable[SlateHead], name: str, ledger: Ledger, persons: pl.DataFrame) -> ShownLists:
    """Count what lists of an experiment showed to persons (`unit`, `arm`, `at`) from their first exposure on."""
    lists, places = _frames(heads, name, ledger)
    began = int(persons["at"].min()) if persons.height else 0  # type: ignore[arg-type]
    time, since, until = pl.col("time"), pl.col("since"), pl.col("until")
    then = (since.is_null() | (since <= time)) & (until.is_null() | (time < until))
    named = lists.join(ledger.owners, on="id", how="left").filter(then).with_columns(pl.coalesce("unit", "id").alias("unit"))
    asked = named.filter((pl.col("time") >= began) & ~pl.col("unit").is_in(sorted(ledger.staff | ledger.machines)))
    answered = asked["unit"].unique()
    theirs = asked.join(persons, on="unit").filter(pl.col("time") >= pl.col("at"))
    counts = theirs.group_by("unit").agg(pl.len().cast(pl.Int64).alias("lists"), *(pl.col(each).sum() for each in SHOWN[1:]))
    sizes: dict[str, int] = dict(theirs.group_by("arm").len().sort("arm").iter_rows())
    unexposed = int((~answered.is_in(persons["unit"].implode())).sum())
    coverage = _coverage(theirs, lists["shown"].to_numpy(), places, ledger.items.height)
    return ShownLists(counts, sizes, coverage, len(answered), unexposed, lists["name"])


def of_lists(ledger: Ledger, names: pl.Series) -> Ledger:
    """The ledger with no other lists than these."""
    named = pl.col("recommendation_id").is_in(names.implode())
    return ledger._replace(seen=ledger.seen.filter(named), clicks=ledger.clicks.filter(named))


def _frames(heads: Iterable[SlateHead], name: str, ledger: Ledger) -> tuple[pl.DataFrame, Places]:
    """Lists with their numbers in order, and the items of all of them after one another, int32: the same number, the same item."""
    places = array("i")
    rows = _rows(heads, name, dict(ledger.items.select("item_id", "since").iter_rows()), places)
    frames = [pl.DataFrame(schema=_LISTS)]
    while batch := list(islice(rows, _BATCH)):
        frames.append(pl.DataFrame(batch, schema=_LISTS, orient="row"))
    return pl.concat(frames).with_row_index("list"), np.frombuffer(places, np.int32)


def _rows(
    heads: Iterable[SlateHead], name: str, since: Mapping[str, int | None], places: array[int]
) -> Iterator[tuple[str, str, int, int, int, int]]:
    """Rows of lists that name an experiment; their items go to `places`."""
    numbers: dict[str, int] = {}
    for head in heads:
        user, now = head.query.user_id, head.query.now
        if user is None or not any(each.id == name for each in head.experiments):
            continue
        items = [item for item, _ in head.shown]
        places.extend(numbers.setdefault(item, len(numbers)) for item in items)
        new = sum((since.get(item) or 0) > now - NEW_DAYS * DAY for item in items)
        yield user, head.recommendation_id, now, int(not items), len(items), new


def _coverage(lists: pl.DataFrame, shown: NDArray[np.int64], places: Places, items: int) -> dict[str, float]:
    """Share of the items on the lists of each arm, of which `shown` tells how many items each logged list has; of an arm with more
    lists, a sample by their ids, which are hashes."""
    if lists.is_empty() or not items:
        return {}
    fewest = int(lists.group_by("arm").len()["len"].min())  # type: ignore[arg-type]
    sample = lists.select("arm", "name", "list").sort("name").group_by("arm", maintain_order=True).head(fewest)
    found = {}
    for (arm,), chosen in sorted(sample.partition_by("arm", as_dict=True).items()):
        is_chosen = np.zeros(len(shown), bool)
        is_chosen[chosen["list"].to_numpy()] = True
        found[str(arm)] = min(len(np.unique(places[np.repeat(is_chosen, shown)])) / items, 1.0)
    return found
