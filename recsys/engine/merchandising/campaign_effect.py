"""Effect of a campaign on lists that shoppers asked for: how many it changes, for whom, and what relevance that costs.

The slate log keeps a sample of all questions, each with everything that it was answered from. Each is answered twice, with the
campaign and as if there were none, so that nothing has to be logged beside the lists themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import NamedTuple, get_args

import numpy as np

from recsys.engine.inspection.replay import history_of
from recsys.engine.pipeline import Engine, answer, build, resolve_query
from recsys.engine.strategy import segment_of
from recsys.live.slate_log import LoggedSlate
from recsys.types import Bought, Segment

MAX_SAMPLE = 200
"""Most questions that one look at a campaign answers again."""
DEEPER = 50
"""Items beyond the list, as it is without the campaign, whose relevance counts; what stands behind them has none."""


class OfSegment(NamedTuple):
    """Lists of shoppers of one segment, and those that the campaign changed."""

    segment: Segment
    lists: int
    changed: int


class Effect(NamedTuple):
    """Effect of a campaign on a sample of lists.

    held: logged lists on which it held · lists: those of them that were answered again · changed · relevance_lost from 0 to 1, of
    all these lists, None where there is none · since, until: moments of the questions (microseconds).
    """

    held: int
    lists: int
    changed: int
    relevance_lost: float | None
    segments: tuple[OfSegment, ...]
    since: int | None
    until: int | None


def effect_of(engine: Engine, campaign_id: str, notes: Iterable[LoggedSlate], give_way: Callable[[], None]) -> Effect:
    """Look at what a campaign does to the lists of logged questions on which it held, those of a fixed sample."""
    held = [note for note in notes if campaign_id in note.campaigns_on and engine.settings.placement(note.query.placement)]
    sample = sorted(held, key=_lot)[:MAX_SAMPLE]
    lists, changed = dict.fromkeys(get_args(Segment), 0), dict.fromkeys(get_args(Segment), 0)
    lost: list[float] = []
    for note in sample:
        give_way()
        segment, differs, loss = _of_one(engine, campaign_id, note)
        lists[segment] += 1
        changed[segment] += differs
        lost.append(loss)
    moments = [note.query.now for note in sample]
    return Effect(
        held=len(held),
        lists=len(sample),
        changed=sum(changed.values()),
        relevance_lost=round(float(np.mean(lost)), 4) if lost else None,
        segments=tuple(OfSegment(each, lists[each], changed[each]) for each in get_args(Segment) if lists[each]),
        since=min(moments, default=None),
        until=max(moments, default=None),
    )


def _of_one(engine: Engine, campaign_id: str, note: LoggedSlate) -> tuple[Segment, bool, float]:
    history = history_of(note.history, engine)
    asked = resolve_query(engine, note.query, history, apart_from=campaign_id)
    placement = engine.placement(note.query.placement)
    bought = note.query.bought or Bought(placement.bought, placement.bought_days)
    under = answer(engine, note.query, history, asked.profile).items
    without = answer(engine, note.query, history, asked.profile, apart_from=campaign_id).items
    deeper = [pick[0] for pick in build(engine, asked, note.query.limit + DEEPER).builder.picks]
    return (
        segment_of(asked.profile, bought),
        under != without,
        relevance_lost(under, list(dict.fromkeys((*without, *deeper)))),
    )


def relevance_lost(under: Sequence[int], ranked: Sequence[int]) -> float:
    """The share of relevance that a list has lost against the ranking without the campaign.

    An item at place r of that ranking is worth 1 / log2(1 + r), by which the judge of evaluation discounts places (Järvelin and
    Kekäläinen, "Cumulated gain-based evaluation of IR techniques", 2002); at place p of a list it counts by 1 / log2(1 + p).
    """
    best = ranked[: len(under)]
    if not best:
        return 0.0
    worth = {row: 1 / np.log2(2 + at) for at, row in enumerate(ranked)}
    reached, possible = (sum(worth.get(row, 0.0) / np.log2(2 + at) for at, row in enumerate(each)) for each in (under, best))
    return float(max(0.0, 1 - reached / possible))


def _lot(note: LoggedSlate) -> bytes:
    """The place of a question in the drawing of the sample: the same whenever it is drawn."""
    return blake2b(note.recommendation_id.encode(), digest_size=8).digest()
