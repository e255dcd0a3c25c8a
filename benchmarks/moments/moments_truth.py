"""Do moments come true? Who was due, held against held-back purchases: `RECSYS_DATA=… make benchmark-moments-truth`.

At several moments of each shop's past everything is fitted on what came before, the rules that answer polls say who is due, and what
these people bought and kept from then on stands beside what others did. Nobody was written to: this tells who comes anyway, not what
a message does. Intervals are the middle 95 % of resamples of customers, each with all their cases (Efron, 1979).
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise, product
from pathlib import Path
from typing import NamedTuple, TypeAlias

import msgspec
import numpy as np
import polars as pl

from recsys.behaviour import PURCHASE
from recsys.clock import DAY
from recsys.engine.pipeline import Engine
from recsys.engine.serving_state import ServingState
from recsys.live.databases import log_in
from recsys.live.log import EventLog
from recsys.moments.context import TriggerContext, TriggerHit, UserContext
from recsys.moments.finder import Finder
from recsys.moments.kinds import KINDS
from recsys.settings import Settings
from recsys.settings.load import load_settings
from recsys.settings.moments import MomentKind, MomentsSettings
from recsys.settings.placements import Placement, Rule
from recsys.snapshot.catalog import Catalog
from recsys.types import Bought, Query, Slate
from training import console
from training.cli.evaluation_commands import last_event
from training.evaluation.metrics import Interval, Values
from training.job.job import Prepared, learn, prepare

OUT = Path("benchmarks/out")
SHOPS = ("completejourney", "foodmart", "online_retail")
STEP, LOOKS = 28, 6
"""Days between two looks, as many of them held back after the last one; and how many looks."""
SPANS = (14, 28, 90)
"""Days from a look on in which something was bought, or not."""
SHOWN = 12
"""Items of a list that are judged."""
SLATE, BLEND = "the moment's slate", "blend"
RIVALS: Mapping[str, tuple[str, Bought]] = {
    "bestsellers": ("bestsellers", Bought("allow")),
    "the blend": (BLEND, Bought("hide")),
    "the blend, owned items too": (BLEND, Bought("allow")),
    "what they own": ("buy_again", Bought("only")),
}
"""Lists that stand beside it: the placement that is asked, and what it does with items that they own."""
GAPS = (0, 0.5, 0.75, 1, 1.25, 1.5, 2, 3, np.inf)
"""Bounds of the ages of last purchases, in gaps."""
ONLY_ORDER, CROSSED = (0, 7, 14, 21, 28, 60, np.inf), (0, 7, 14, 28, np.inf)
AWAY = {"active": (0, 14, 28, 60, np.inf), "defecting": CROSSED, "dormant": CROSSED}
"""Bounds in days: since the only order; since the last one of the active, and since the others became defecting or dormant."""
SEED, RESAMPLES = 20, 1000
_ROW, _NUMBER, _TEXT, _YES = pl.Int64(), pl.Float64(), pl.String(), pl.Boolean()

Groups: TypeAlias = Mapping[str, pl.Expr]
"""Label = which cases."""


class Share(NamedTuple):
    """One line of a table: how many cases of how many customers, the mean of each outcome over those where it is known, and that
    over the mean of the reference."""

    label: str
    cases: int
    customers: int
    means: Mapping[str, Interval]
    lifts: Mapping[str, Interval]


Tables: TypeAlias = dict[str, list[Share]]
"""Title = lines."""


class Past:
    """A shop at a moment of its past: everybody as they were, and what they bought and kept from then on."""

    def __init__(self, settings: Settings, now: datetime, at: datetime, whole: Prepared, state: EventLog) -> None:
        known = prepare(settings, now=now, before=at)
        self._engine = Engine(learn(known, settings, now=now).snapshot(), settings)
        self._catalog, self._now = self._engine.catalog, known.as_of
        self._serving = serving = ServingState(self._engine, state, None)
        self._finder = Finder(serving, state, self._answer)
        trigger_context = TriggerContext(self._engine, self._now)
        self._shoppers = {
            user_id: UserContext(user_id, serving.person(user_id), serving.history(user_id), trigger_context)
            for user_id in known.user_ids
        }
        self._row_of = {user_id: row for row, user_id in enumerate(whole.user_ids)}
        self._later, self._held = bought_from(whole, self._now), (whole.as_of - self._now) / DAY

    def pairs(self) -> pl.DataFrame:
        """Customers and the available, replenishable items that they own: in how many orders, the age of the last purchase in usual
        gaps and in their own mean gaps, whether it is due, and whether it is what they are told."""
        due = self._due("replenish")
        rows = [pair for user_id in self._shoppers for pair in self._owned(user_id, due.get(user_id, ()))]
        types = {"user": _ROW, "item_id": _TEXT, "leaf": _TEXT, "orders": _ROW, "gaps": _NUMBER, "own_gaps": _NUMBER}
        types |= {"due": _YES, "told": _YES}
        pairs = self._with_outcomes(pl.DataFrame(rows, types, orient="row"), "item", "user", "item_id")
        return self._with_outcomes(pairs, "leaf", "user", "leaf")

    def customers(self) -> pl.DataFrame:
        """Everybody with an order: how many, days since the last one, whether a second one is due, the stage that a winback is for,
        else active, and days since it began, else since the last order."""
        second, lost, rows = self._due("second_order"), self._due("winback"), []
        for user_id, shopper in self._shoppers.items():
            profile, since = shopper.profile, [each.since for each in lost.get(user_id, ())]
            if profile.last_order is not None:
                age, *away = ((self._now - moment) / DAY for moment in (profile.last_order, *since))
                stage = "dormant" if profile.dormant else "defecting" if since else "active"
                known = user_id, self._row_of[user_id], profile.orders
                rows.append((*known, age, user_id in second, stage, *(away or [age])))
        types = {"user_id": _TEXT, "user": _ROW, "orders": _ROW, "age": _NUMBER, "second": _YES, "stage": _TEXT}
        types |= {"away": _NUMBER}
        return self._with_outcomes(pl.DataFrame(rows, types, orient="row"), "again", "user")

    def lists(self, customers: pl.DataFrame) -> pl.DataFrame:
        """The moment's slate and its rivals for each of these, with what they bought of it."""
        stage_of = dict(customers.select("user_id", "stage").iter_rows())
        rows: list[tuple[object, ...]] = []
        for look in self._finder.look("winback", list(stage_of), self._now, whatever_was_notified=True):
            if (moment := look.moment) is not None:
                user_id, slate = moment.user_id, msgspec.json.decode(moment.line)["slate"]
                lists = {name: self._rival(user_id, *asked) for name, asked in RIVALS.items()}
                lists[SLATE] = [item["item_id"] for item in slate["items"]]
                key, user = stage_of[user_id], self._row_of[user_id]
                rows += [(user, key, name, *self._bought_of(user, shown)) for name, shown in lists.items()]
        types: dict[str, pl.DataType] = {"user": _ROW, "stage": _TEXT, "list": _TEXT}
        judged = {f"{what}_{days}": _NUMBER for days in SPANS for what in ("hit", "recall")}
        return pl.DataFrame(rows, {**types, **judged}, orient="row")

    def _answer(self, query: Query) -> Slate:
        return self._serving.answer(query).slate

    def _due(self, kind: MomentKind) -> dict[str, list[TriggerHit]]:
        """Find who is due for a kind, and for what, the best first."""
        candidates = self._finder.candidates(kind, self._now)
        found = {user_id: list(KINDS[kind].rule(self._shoppers[user_id])) for user_id in candidates}
        return {user_id: hits for user_id, hits in found.items() if hits}

    def _owned(self, user_id: str, hits: Sequence[TriggerHit]) -> Iterator[tuple[object, ...]]:
        """Rows of `pairs`, without their outcomes."""
        profile, catalog = self._shoppers[user_id].profile, self._catalog
        due, history = [each.anchors[0] for each in hits], profile.history
        for row, last in zip(profile.bought.tolist(), profile.bought_at.tolist(), strict=True):
            if catalog.replenishable[row] and catalog.available[row] and catalog.gap_days[row] > 0:
                lines, age = (history.kinds == PURCHASE) & (history.items == row), self._now - last
                orders, span = len(np.unique(history.orders[lines])), last - int(history.times[lines][0])
                own_gaps = age * (orders - 1) / span if span else None
                keys = self._row_of[user_id], catalog.item_id(row), _leaf(catalog, row), orders
                yield *keys, age / DAY / float(catalog.gap_days[row]), own_gaps, row in due, due[:1] == [row]

    def _with_outcomes(self, cases: pl.DataFrame, outcome: str, *keys: str) -> pl.DataFrame:
        """Add whether what the keys name was bought within each span; null: a key is, or the data end before."""
        first = self._later.group_by(keys).agg(pl.col("days").min())
        known = pl.all_horizontal(pl.col(key).is_not_null() for key in keys)
        bought = pl.col("days").fill_null(np.inf)
        outcomes = {f"{outcome}_{days}": pl.when(known & (self._held >= days)).then(bought < days) for days in SPANS}
        return cases.join(first, on=keys, how="left", maintain_order="left").with_columns(**outcomes).drop("days")

    def _rival(self, user_id: str, placement: str, bought: Bought) -> list[str]:
        query = Query(now=self._now, placement=placement, user_id=user_id, limit=SHOWN, bought=bought)
        return [self._catalog.item_id(row) for row in self._answer(query).items]

    def _bought_of(self, user: int, shown: Sequence[str]) -> Iterator[float | None]:
        """By span whether a user bought one of these items, and their part of all that was bought; None: nothing was, or the data
        end before."""
        mine = self._later.filter(pl.col("user") == user)
        for days in SPANS:
            bought = set(mine.filter(pl.col("days") < days)["item_id"]) if self._held >= days else set()
            hits = len(bought.intersection(shown))
            yield from (float(hits > 0), hits / len(bought)) if bought else (None, None)


class Draws:
    """Customers drawn anew with replacement, the same draws for every question; the first draw is everybody once."""

    def __init__(self, customers: int) -> None:
        rng = np.random.default_rng(SEED)
        drawn = (np.bincount(rng.integers(0, customers, customers), minlength=customers) for _ in range(RESAMPLES))
        self._counts: Values = np.stack([np.ones(customers), *drawn])

    def compare(self, cases: pl.DataFrame, groups: Groups, outcomes: Sequence[str], reference: str) -> list[Share]:
        """A line for each group of cases, as far as there are any; lifts are over the reference, if it is above 0 in all draws."""
        parts = {label: cases.filter(chosen) for label, chosen in groups.items()}
        drawn = {label: {each: self._mean(part, each) for each in outcomes} for label, part in parts.items()}
        base = {each: means for each, means in drawn[reference].items() if (means > 0).all()}
        lifts = {label: {each: means[each] / base[each] for each in base} for label, means in drawn.items()}
        return [
            Share(label, len(part), part["user"].n_unique(), _intervals(drawn[label]), _intervals(lifts[label]))
            for label, part in parts.items()
            if len(part)
        ]

    def _mean(self, cases: pl.DataFrame, outcome: str) -> Values:
        """Mean of an outcome over the cases where it is known, in each draw float64[1 + RESAMPLES]; NaN: it drew none."""
        known = cases.drop_nulls(outcome)
        users, values = known["user"].to_numpy(), known[outcome].cast(_NUMBER).to_numpy()
        total, count = (self._counts @ np.bincount(users, each, self._counts.shape[1]) for each in (values, None))
        found: Values = np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)
        return found


def main() -> int:
    """Look, compare, print and write moments_truth.json; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shops", nargs="+", default=SHOPS, choices=SHOPS)
    shops = parser.parse_args().shops
    missing = [shop for shop in shops if not Path(os.environ.get("RECSYS_DATA") or "/nowhere", shop).is_dir()]
    if missing:
        console.complain(f"set RECSYS_DATA to the folder that holds {', '.join(missing)}")
        return 1
    written, now = {}, datetime.now(UTC)
    for shop in shops:
        settings = load_settings(Path("examples", shop, "settings.toml"))
        ats = looks_before(last_event(settings, now))
        tables = judge(settings, now, ats)
        console.say(f"{shop}, as of {', '.join(f'{at:%Y-%m-%d}' for at in ats)}")
        for title, lines in tables.items():
            _show(f"{shop}, {title}{'' if lines else ': nobody'}", lines)
        named = {title: [line._asdict() for line in lines] for title, lines in tables.items()}
        written[shop] = {"looks": ats, "tables": named}
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "moments_truth.json").write_bytes(msgspec.json.format(msgspec.json.encode(written), indent=1) + b"\n")
    return 0


def looks_before(last: datetime) -> list[datetime]:
    """Midnights 28 days apart, the last one as many days before the end of the day of the last event."""
    end = last.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return [end - timedelta(days=STEP * back) for back in range(LOOKS, 0, -1)]


def judge(settings: Settings, now: datetime, ats: Sequence[datetime]) -> Tables:
    """Look at each moment and compare all cases together; consent is assumed, as these shops know of none."""
    moments = MomentsSettings(consent="assumed", items=SHOWN)
    placements = {**settings.placements, BLEND: Placement(rules=(Rule(name=BLEND, blend=True),))}
    settings = msgspec.structs.replace(settings, moments=moments, placements=placements)
    whole = prepare(settings, now=now, before=ats[-1] + timedelta(days=STEP))
    pairs, customers, lists = [], [], []
    for at in ats:
        with tempfile.TemporaryDirectory(prefix="recsys-moments-") as folder, closing(log_in(Path(folder))) as state:
            past = Past(settings, now, at, whole, state)
            pairs.append(past.pairs())
            customers.append(past.customers())
            back = (pl.col("stage") != "active") & (pl.col("away") < STEP) & (pl.col("again_28") | pl.col("again_90"))
            lists.append(past.lists(customers[-1].filter(back)))
    draws, everybody = Draws(len(whole.user_ids)), pl.concat(customers)
    return _replenish(draws, pl.concat(pairs)) | _customers(draws, everybody) | _slates(draws, pl.concat(lists))


def bought_from(whole: Prepared, at: int) -> pl.DataFrame:
    """Return what was bought from a moment (microseconds) on, and kept: user (row), item_id, its leaf category and days since then."""
    events, catalog = whole.events.since(at - 1), Catalog(whole.base)
    bought = events.where((events.kinds == PURCHASE) & (events.items >= 0))
    rows, places = np.unique(bought.items, return_inverse=True)
    named = [(catalog.item_id(row), _leaf(catalog, row)) for row in rows.tolist()]
    items = pl.DataFrame(named, {"item_id": _TEXT, "leaf": _TEXT}, orient="row")
    return items[places].with_columns(user=bought.users.astype(np.int64), days=(bought.times - at) / DAY)


def between(column: str, bounds: Sequence[float], unit: str) -> dict[str, pl.Expr]:
    """A group for each span of a column, the first bound in and the second out."""
    spans = {f"{low:g} to {high:g} {unit}".replace("to inf", "or more"): (low, high) for low, high in pairwise(bounds)}
    return {label: pl.col(column).is_between(low, high, closed="left") for label, (low, high) in spans.items()}


def _replenish(draws: Draws, pairs: pl.DataFrame) -> Tables:
    """Return what was due against what was not, and what is owned by the age of the last purchase."""
    orders, outcomes = pl.col("orders"), ("item_14", "item_28", "leaf_14", "leaf_28")
    due: Groups = {"not due": ~pl.col("due"), "due": pl.col("due"), "told": pl.col("told")}
    ages, own_ages = between("gaps", GAPS, "gaps"), between("own_gaps", GAPS, "gaps")
    tables = {
        "": (orders > 0, due, "not due"),
        ", bought in one order": (orders == 1, due, "not due"),
        ", bought in two orders or more": (orders > 1, due, "not due"),
        " by usual gaps": (orders > 0, ages, "1 to 1.25 gaps"),
        " by usual gaps, bought in two orders or more": (orders > 1, ages, "1 to 1.25 gaps"),
        " by gaps of their own, bought in three orders or more": (orders > 2, own_ages, "1 to 1.25 gaps"),
    }
    return {
        f"replenish{title}": draws.compare(pairs.filter(chosen), groups, outcomes, reference)
        for title, (chosen, groups, reference) in tables.items()
    }


def _customers(draws: Draws, customers: pl.DataFrame) -> Tables:
    """Find who ordered once by the age of that order, and everybody by how long they are away."""
    due, stage, outcomes = pl.col("second"), pl.col("stage"), ("again_28", "again_90")
    once = {"due": due} | {label: chosen & ~due for label, chosen in between("age", ONLY_ORDER, "days").items()}
    away = {
        f"{name}, {label}": (stage == name) & chosen
        for name, bounds in AWAY.items()
        for label, chosen in between("away", bounds, "days").items()
    }
    return {
        "second order": draws.compare(customers.filter(pl.col("orders") == 1), once, outcomes, "due"),
        "winback": draws.compare(customers, away, outcomes, "defecting, 0 to 7 days"),
    }


def _slates(draws: Draws, lists: pl.DataFrame) -> Tables:
    """Return what those who came back bought of each list."""
    groups, tables = {name: pl.col("list") == name for name in (*RIVALS, SLATE)}, {}
    for stage, days in product(("defecting", "dormant"), SPANS[1:]):
        outcomes = f"hit_{days}", f"recall_{days}"
        judged = lists.filter(pl.col("stage") == stage).drop_nulls(outcomes)
        tables[f"{stage}, came back within {days} days"] = draws.compare(judged, groups, outcomes, "bestsellers")
    return tables


def _leaf(catalog: Catalog, row: int) -> str | None:
    leaf = int(catalog.category[row])
    return catalog.categories.text(leaf) if leaf >= 0 else None


def _intervals(drawn: Mapping[str, Values]) -> dict[str, Interval]:
    """Of each outcome that is known, its value and the middle 95 % of the draws."""
    known = {outcome: values for outcome, values in drawn.items() if not np.isnan(values[0])}
    spans = {outcome: np.nanpercentile(values[1:], (2.5, 97.5)).tolist() for outcome, values in known.items()}
    return {outcome: Interval(float(values[0]), *spans[outcome]) for outcome, values in known.items()}


def _show(title: str, lines: Sequence[Share]) -> None:
    outcomes = list(dict.fromkeys(outcome for line in lines for outcome in line.means))
    rows = [(line.label, line.cases, line.customers, *(_said(line, each) for each in outcomes)) for line in lines]
    console.table(title, ("", "cases", "customers", *(f"{outcome} %, lift" for outcome in outcomes)), rows)


def _said(line: Share, outcome: str) -> str:
    mean, lift = line.means.get(outcome), line.lifts.get(outcome)
    share = "{:.1f} [{:.1f}, {:.1f}]".format(*(100 * each for each in mean)) if mean else ""
    return share + (" × {:.2f} [{:.2f}, {:.2f}]".format(*lift) if lift else "")


if __name__ == "__main__":
    sys.exit(main())
