"""The finder of moments: from all people to candidates, to rules, to limits, to payloads.

What is found is written down before anybody hears of it (`data/moment_log.py`), so nobody is due twice for the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recsys.engine.serving_state import ServingState
from recsys.live.item_changes import item_changes
from recsys.live.log import EventLog
from recsys.live.moments import Moment, Notified
from recsys.messages.cards.category_copy import canonical
from recsys.moments.candidates import Audience
from recsys.moments.contactable import ContactIndex
from recsys.moments.context import TriggerContext, TriggerHit, UserContext, day_of
from recsys.moments.kinds import KINDS
from recsys.moments.payload import Ask, moment_id, moment_line
from recsys.settings.moments import MomentKind
from recsys.snapshot.histories import NEVER
from recsys.snapshot.stock import at_risk
from recsys.types import DAY, MINUTE, Mask, Rows, Times

MAX_LOOKED_AT = 3_000
"""Most people whom one search looks at; it takes less than two seconds, and the next one goes on."""
AT_ONCE = 500
"""People looked at between two looks into the log."""
NOT_DUE_STANDS, LATER_STANDS = DAY, 5 * MINUTE
"""How long, in microseconds, somebody who did nothing since is not looked at again: not due, or kept from it by another message."""

GateVerdict: TypeAlias = Moment | Literal["not due", "later", "unlooked"]
"""What a look at somebody found: a moment, nothing, one that another message keeps back, or one of which no line was made."""


class _Candidate(NamedTuple):
    user_context: UserContext
    hits: Sequence[TriggerHit]
    """In the order of the rule, not yet asked whether they were told."""


class Finder:
    """Finds who is due, for one worker and one snapshot.

    It keeps the crowd (35 bytes a person) and, of each kind asked for, until when each person was found not due (8 bytes).
    """

    def __init__(self, serving: ServingState, state: EventLog, ask: Ask) -> None:
        self._serving, self._state, self._ask = serving, state, ask
        engine = serving.engine
        self._settings, self._messages = engine.settings.moments, engine.settings.messages
        self._told_words = canonical(self._messages.words)
        self._contact_index = ContactIndex(engine.snapshot, self._settings.consent)
        self._settled: dict[MomentKind, Times] = {}
        self._looked_for: dict[MomentKind, object] = {}
        self._high_spend = _high_spend(engine.snapshot.histories.revenue(), self._settings.high_spender_share)

    def find(self, kind: MomentKind, now: int, limit: int, received_at: int) -> int:
        """Find who is newly due at `now`, at most `limit`, and write it down; returns how many were written."""
        trigger_context = self._trigger_context(now)
        settled = self._settle(kind, trigger_context)
        places = self._candidates(kind, trigger_context)
        places, written = places[settled[places] <= now][:MAX_LOOKED_AT], 0
        for chunk in _chunks(places, AT_ONCE):
            user_ids = [self._contact_index.user_id(place) for place in chunk.tolist()]
            outcomes = self.look(kind, user_ids, now, trigger_context, max_n=limit - written)
            found = [each for each in outcomes if isinstance(each, Moment)]
            kept = self._state.moments.write(found, self._settings.per_day, received_at)
            refused = {each.user_id for each, fresh in zip(found, kept, strict=True) if not fresh}
            later = [each == "later" or user_id in refused for user_id, each in zip(user_ids, outcomes, strict=True)]
            settled[chunk] = now + np.where(later, LATER_STANDS, NOT_DUE_STANDS)
            settled[chunk[[each == "unlooked" for each in outcomes]]] = NEVER
            written += sum(kept)
            if written >= limit:
                break
        return written

    def candidates(self, kind: MomentKind, now: int) -> list[str]:
        """Everybody worth a look at `now`, those whose last event is oldest first."""
        return [self._contact_index.user_id(place) for place in self._candidates(kind, self._trigger_context(now)).tolist()]

    def look(
        self,
        kind: MomentKind,
        user_ids: Sequence[str],
        now: int,
        trigger_context: TriggerContext | None = None,
        *,
        max_n: int | None = None,
        whatever_was_notified: bool = False,
    ) -> list[GateVerdict]:
        """Look at each of these people: is it due at `now`?

        most: how many lines are made at most; who would be due beyond them is unlooked · whatever_was_told: as if nobody had ever
        been told anything, and for this kind alone.
        """
        trigger_context = trigger_context or self._trigger_context(now)
        outcomes: dict[str, GateVerdict] = dict.fromkeys(user_ids, "not due")
        candidates = [each for user_id in user_ids if (each := self._candidate(kind, user_id, trigger_context)) is not None]
        if not whatever_was_notified:
            candidates = self._untold(kind, candidates)
            kept = self._kept_back(kind, candidates)
            outcomes |= dict.fromkeys(kept, "later")
            candidates = [each for each in candidates if each.user_context.user_id not in kept]
        outcomes |= dict.fromkeys([each.user_context.user_id for each in candidates], "unlooked")
        outcomes |= {each.user_context.user_id: self._moment(kind, each) for each in candidates[:max_n]}
        return [outcomes[user_id] for user_id in user_ids]

    def _trigger_context(self, now: int) -> TriggerContext:
        self._serving.catch_up()
        changed = self._contact_index.catch_up(self._serving, self._state)
        for settled in self._settled.values():
            settled[changed[changed < len(settled)]] = NEVER
        catalog, settings = self._serving.engine.catalog, self._settings
        return TriggerContext(
            self._serving.engine,
            now,
            tuple(item_changes(self._state, now - int(settings.change_days * DAY))),
            at_risk(catalog.stock, catalog.sold, settings.lead_days) & catalog.available & (catalog.stock >= 1),
            self._high_spend,
        )

    def _settle(self, kind: MomentKind, trigger_context: TriggerContext) -> Times:
        """Until when each person is not looked at again, int64[p]; begun anew where other items changed."""
        looked_for = _items_of(kind, trigger_context)
        if self._looked_for.get(kind) != looked_for:
            self._settled.pop(kind, None)
        self._looked_for[kind] = looked_for
        settled = self._settled.get(kind, np.empty(0, np.int64))
        self._settled[kind] = np.append(settled, np.full(len(self._contact_index) - len(settled), NEVER))
        return self._settled[kind]

    def _candidates(self, kind: MomentKind, trigger_context: TriggerContext) -> Rows:
        contact_index = self._contact_index
        mask: Mask = (
            KINDS[kind].candidates(Audience(contact_index, trigger_context, self._serving, self._state))
            & contact_index.may_hear
        )
        places = np.flatnonzero(mask)
        return places[np.argsort(contact_index.last_seen[places], kind="stable")].astype(np.int32)

    def _candidate(self, kind: MomentKind, user_id: str, trigger_context: TriggerContext) -> _Candidate | None:
        """Look at one person; None: forgotten, or the rule does not hold."""
        serving = self._serving
        if serving.forgotten.at(user_id) is not None:
            return None
        user_context = UserContext(user_id, serving.person(user_id), serving.history(user_id), trigger_context)
        hits = list(KINDS[kind].rule(user_context))
        return _Candidate(user_context, hits) if hits else None

    def _untold(self, kind: MomentKind, candidates: Sequence[_Candidate]) -> list[_Candidate]:
        """Those with something that they were not told yet."""
        notified = self._notified({each.user_context.user_id: {kind: each.hits} for each in candidates})
        left = [_Candidate(each.user_context, notified[each.user_context.user_id][kind]) for each in candidates]
        return [each for each in left if each.hits]

    def _kept_back(self, kind: MomentKind, candidates: Sequence[_Candidate]) -> set[str]:
        """Users who had as many moments today as a day may have, or are due for a more urgent kind."""
        kinds = self._settings.kinds
        urgent = kinds[: kinds.index(kind)] if kind in kinds else kinds
        hits = {
            each.user_context.user_id: {name: list(KINDS[name].rule(each.user_context)) for name in urgent}
            for each in candidates
        }
        left = self._notified(hits)
        full = self._had_enough(candidates)
        return full | {user_id for user_id, kinds_left in left.items() if any(kinds_left.values())}

    def _had_enough(self, candidates: Sequence[_Candidate]) -> set[str]:
        days = {each.user_context.user_id: day_of(each.user_context.now, each.user_context.timezone) for each in candidates}
        counts = dict.fromkeys(days, 0)
        for notified in self._state.moments.notified_to(list(days), min((first for first, _ in days.values()), default=0)):
            first, following = days[notified.user_id]
            counts[notified.user_id] += first <= notified.at < following
        return {user_id for user_id, count in counts.items() if count >= self._settings.per_day}

    def _notified(
        self, hits: Mapping[str, Mapping[MomentKind, Sequence[TriggerHit]]]
    ) -> dict[str, dict[MomentKind, list[TriggerHit]]]:
        """What is left by user and kind without what was told: by its id, or lately by another of its kind."""
        ids = [
            moment_id(kind, user, due.key) for user, kinds in hits.items() for kind, some in kinds.items() for due in some
        ]
        known = self._state.moments.notified(ids)
        since = [due.once_since for kinds in hits.values() for some in kinds.values() for due in some]
        lately = self._lately([user for user, kinds in hits.items() if any(kinds.values())], since)
        return {
            user: {
                kind: [
                    due
                    for due in some
                    if moment_id(kind, user, due.key) not in known
                    and (due.once_since is None or lately.get((user, kind), NEVER) < due.once_since)
                ]
                for kind, some in kinds.items()
            }
            for user, kinds in hits.items()
        }

    def _lately(self, user_ids: Sequence[str], since: Iterable[int | None]) -> dict[tuple[str, str], int]:
        """When each user was last told of each kind, in microseconds."""
        earliest = min((each for each in since if each is not None), default=None)
        if earliest is None:
            return {}
        notified: list[Notified] = self._state.moments.notified_to(user_ids, earliest)
        return {(each.user_id, each.kind): each.at for each in sorted(notified, key=lambda each: each.at)}

    def _moment(self, kind: MomentKind, candidate: _Candidate) -> Moment:
        user_context, due = candidate.user_context, candidate.hits[0]
        line = moment_line(kind, due, user_context, self._ask, self._seen(user_context.user_id), self._told_words)
        day = day_of(user_context.now, user_context.timezone)
        return Moment(
            moment_id(kind, user_context.user_id, due.key), user_context.user_id, kind, user_context.now, day, line
        )

    def _seen(self, user_id: str) -> list[str]:
        """Items that the last sends showed."""
        max_n = self._messages.unseen_sends
        pins = self._state.pins.pins_of(user_id, max_n) if max_n else []
        return list(dict.fromkeys(item_id for pin in pins for item_id in pin.shown))


def _items_of(kind: MomentKind, trigger_context: TriggerContext) -> object:
    """The items that people are looked for by; None: they are not looked for by items."""
    if kind in ("back_in_stock", "price_drop"):
        return frozenset(trigger_context.news[kind].values())
    return trigger_context.runs_low.tobytes() if kind == "low_stock" else None


def _high_spend(revenue: NDArray[np.float64], share: float) -> float:
    """The smallest revenue that this share of all customers with any does not exceed; inf: there are none."""
    spent = revenue[revenue > 0]
    return float(np.quantile(spent, share, method="higher")) if len(spent) else np.inf


def _chunks(places: Rows, size: int) -> Iterable[Rows]:
    return (places[start : start + size] for start in range(0, len(places), size))
