"""`make whatif`: what other settings would have earned on lists that were drawn by chance, without showing them to anybody.

Each logged list is answered again by the candidate, over the snapshot and for the history of then. The estimates, and when there is
none, are those of `off_policy.py`. Beside them stands the metric of `make evaluate` on the same lists, by what was bought after.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.clock import DAY
from recsys.disk import write_whole
from recsys.live.databases import open_slates
from recsys.live.erasure import ErasureKeys
from recsys.settings import Settings
from recsys.types import DataError
from training import console
from training.evaluation.metrics import per_user
from training.evaluation.split import Truth
from training.experiments.attribution import MAX_DAYS
from training.experiments.before_a_test.explored import Again, Progress, answered_again, beside, check_explored, choose
from training.experiments.before_a_test.off_policy import Answer, Estimate, OffPolicy, Support, interval
from training.experiments.earned import Earned
from training.experiments.ledger import Ledger, read_ledger

SAMPLE = 10_000
MAX_SAMPLE = 50_000
"""Most lists, each of which takes some kilobytes of memory."""
BEST = "doubly robust"
"""The estimate that the sentence rests on."""
Interval: TypeAlias = tuple[float, float, float]


class Asked(NamedTuple):
    """Question: days after a click in which an order counts, most lists, and the placement; None: all."""

    days: int = 7
    sample: int = SAMPLE
    placement: str | None = None

    def check(self) -> None:
        """Raise DataError for what is out of range."""
        if not 1 <= self.days <= MAX_DAYS:
            raise DataError(f"--days {self.days}: allowed are 1 to {MAX_DAYS}")
        if not 1 <= self.sample <= MAX_SAMPLE:
            raise DataError(f"--sample {self.sample}: allowed are 1 to {MAX_SAMPLE:,}")


class Offline(msgspec.Struct, frozen=True):
    """NDCG@10 of the rankings before any draw, on lists whose shoppers bought anything after them: as logged, of the candidate, and
    their difference, each with its interval."""

    lists: int
    logged: Interval
    candidate: Interval
    difference: Interval


class OfPlacement(msgspec.Struct, frozen=True):
    """Earnings of a candidate on one placement, per list and at its drawn places.

    alike: share of the lists that it ranks as they were · draws: whether it draws, too.
    """

    placement: str
    alike: float
    draws: bool
    support: Support
    clicks: Answer
    orders: Answer
    offline: Offline | None


class WhatIf(msgspec.Struct, frozen=True):
    """Earnings of a candidate: lists that were sampled, why some were left out, and each placement."""

    days: int
    sampled: int
    too_young: int
    left_out: Mapping[str, int]
    untrained: bool
    placements: tuple[OfPlacement, ...]


def whatif(
    candidate: Settings, now: datetime, asked: Asked, out: Path | None, erasure_keys: ErasureKeys | None = None
) -> int:
    """Print what a candidate would have earned, and write it as JSON if asked; 1 where nothing can be said of any placement.

    Raises:
        DataError: if something is out of range, nothing was explored, nothing can be answered again, no event names a list, or the
            file cannot be written; else as reading the tables does.
        SettingsError: if the candidate lacks a placement that was explored.
    """
    asked.check()
    check_explored(open_slates(candidate), asked.placement)
    with console.steps("Reading") as watch:
        watch("what was clicked and bought")
        ledger = read_ledger(candidate, now, erasure_keys)
    with console.bar("Answering again", "lists") as progress:
        found = what_if(candidate, ledger, asked, progress)
    _show(found)
    if out is not None:
        _write(found, out)
        console.say(f"✓ {out}")
    return 0 if any(not each.clicks.refused for each in found.placements) else 1


def what_if(candidate: Settings, ledger: Ledger, asked: Asked, progress: Progress) -> WhatIf:
    """Estimate what a candidate would have earned; raises as `whatif`."""
    if ledger.seen.is_empty():
        raise DataError("no event names a list; send impressions and clicks with `recommendation_id` (docs/storefront.md)")
    heads, young = choose(open_slates(candidate), asked.placement, _newest(ledger) - asked.days * DAY, asked.sample)
    found = answered_again(candidate, heads, progress)
    earned = Earned(ledger, {each.head.recommendation_id for each in found.lists}, asked.days)
    names = sorted({each.head.query.placement for each in found.lists})
    lists = {name: [each for each in found.lists if each.head.query.placement == name] for name in names}
    placements = tuple(_of(candidate, name, each, earned) for name, each in lists.items())
    return WhatIf(asked.days, len(heads), young, found.left_out, found.untrained, placements)


class Numbered(NamedTuple):
    """Items and persons of lists, numbered from 0."""

    items: Mapping[str, int]
    persons: NDArray[np.int64]


def _of(candidate: Settings, name: str, lists: Sequence[Again], earned: Earned) -> OfPlacement:
    numbered = _numbered(lists, earned)
    explored = beside(lists, numbered.items, numbered.persons)
    judged, places = OffPolicy(explored), explored.shown.shape[1]
    setting = candidate.placement(name)
    return OfPlacement(
        placement=name,
        alike=float(np.mean([each.rankings[0] == each.rankings[1] for each in lists])),
        draws=bool(setting and setting.exploration),
        support=judged.support,
        clicks=judged.answer(earned.clicks(lists, places)),
        orders=judged.answer(earned.orders(lists, places)),
        offline=_offline(lists, numbered, earned),
    )


def _numbered(lists: Sequence[Again], earned: Earned) -> Numbered:
    items: dict[str, int] = {}
    persons: dict[str, int] = {}
    for each in lists:
        for item in (*each.shown, *each.items, *each.rankings[0], *each.rankings[1]):
            items.setdefault(item, len(items))
    numbers = [persons.setdefault(earned.person(each.user_id), len(persons)) for each in lists]
    return Numbered(items, np.array(numbers, np.int64))


def _offline(lists: Sequence[Again], numbered: Numbered, earned: Earned) -> Offline | None:
    bought = [earned.bought_after(each) for each in lists]
    chosen = [at for at, items in enumerate(bought) if items]
    if not chosen:
        return None
    numbers = numbered.items
    known = [sorted(numbers[item] for item in bought[at] if item in numbers) for at in chosen]
    truth = Truth(
        [str(at) for at in chosen],
        np.cumsum([0, *map(len, known)]),
        np.array([item for items in known for item in items], np.int32),
        np.array([len(bought[at]) for at in chosen], np.int32),
    )
    ndcg = [
        per_user(_rows([lists[at].rankings[which] for at in chosen], numbers), truth, len(numbers))["ndcg10"]
        for which in (0, 1)
    ]
    persons = numbered.persons[chosen]
    logged, other, difference = (interval(each, persons) for each in (ndcg[0], ndcg[1], ndcg[1] - ndcg[0]))
    return Offline(len(chosen), logged, other, difference)


def _rows(rankings: Sequence[tuple[str, ...]], numbers: Mapping[str, int]) -> NDArray[np.int32]:
    rows = np.full((len(rankings), max(10, *map(len, rankings))), -1, np.int32)
    for at, ranking in enumerate(rankings):
        rows[at, : len(ranking)] = [numbers[item] for item in ranking]
    return rows


def _newest(ledger: Ledger) -> int:
    """The moment of the shop's newest event that counts, in microseconds."""
    newest = [frame["time"].max() for frame in (ledger.seen, ledger.clicks, ledger.lines) if len(frame)]
    return max(each for each in newest if isinstance(each, int))


def _show(found: WhatIf) -> None:
    for each in found.placements:
        support = each.support
        console.facts(
            f"{each.placement}: what the candidate would have earned per list, at the places that were drawn",
            [
                ("lists", support.lists),
                ("persons", support.persons),
                ("ranked as they were", f"{each.alike:.1%}"),
                ("places that the draw could have filled alike", f"{support.share:.1%}"),
                ("lists weigh as much as", round(support.effective)),
                ("largest weight", round(support.largest, 1)),
            ],
        )
        rows = [row for name in ("clicks", "orders") for row in _rows_of(name, getattr(each, name))]
        if each.offline is not None:
            rows.append(_offline_row(each.offline))
        console.table("Per list", ("", "estimate", "as logged", "candidate", "difference"), rows)
        for text in _sentences(each):
            console.say(f"• {text}")
    for text in _notes(found):
        console.say(f"• {text}")


def _rows_of(name: str, answer: Answer) -> Iterator[tuple[str, ...]]:
    if answer.refused:
        yield name, "refused", _words(answer.logged), "", ""
    for method, each in answer.estimates.items():
        difference = each.difference, each.difference_low, each.difference_high
        yield name, method, _words(answer.logged), _words((each.value, each.low, each.high)), _words(difference, "+")


def _offline_row(found: Offline) -> tuple[str, ...]:
    return "NDCG@10", "offline", _words(found.logged), _words(found.candidate), _words(found.difference, "+")


def _words(figures: Interval, sign: str = "") -> str:
    value, low, high = (f"{each:{sign}.4f}" for each in figures)
    return f"{value} ({low} to {high})"


def _sentences(found: OfPlacement) -> Iterator[str]:
    for name in ("clicks", "orders"):
        answer: Answer = getattr(found, name)
        if answer.refused:
            yield f"{name}: nothing can be said, support is too thin: {answer.refused}"
        else:
            yield f"{name}: {_verdict(answer.estimates[BEST])}"
    if not found.draws:
        yield "the candidate draws nothing: the difference holds what drawing costs, too; leave `exploration` in to compare rankings"


def _verdict(each: Estimate) -> str:
    span = f"{each.difference_low:+.4f} to {each.difference_high:+.4f} per list"
    if each.difference_low > 0:
        return f"the candidate would have earned more, {span}"
    if each.difference_high < 0:
        return f"the candidate would have earned less, {span}"
    return f"no difference can be told, {span}"


def _notes(found: WhatIf) -> Iterator[str]:
    yield f"orders count up to {found.days} days after a click; what would have been bought anyway is among them"
    if found.too_young:
        yield f"{found.too_young:,} lists are too young for that and were left out"
    for why, count in found.left_out.items():
        yield f"{count:,} lists were left out: {why}"
    if found.untrained:
        yield "`recommenders` or `behaviour` of the candidate differ from what snapshots were trained with: that is not judged here"


def _write(found: WhatIf, file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with write_whole(file) as aside:
            aside.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    except OSError as error:
        raise DataError(f"--out {file}: cannot be written ({error.strerror})") from error
