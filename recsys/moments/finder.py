"""The finder of moments: from all people to candidates, to rules, to limits, to payloads.

What is found is written down before anybody is notified of it (`live/moments.py`), so nobody is due twice for the same. What a look
found is remembered only until it can turn out otherwise, so that polls find the same however often they come.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from recsys.categories import within_category
from recsys.clock import DAY
from recsys.engine.filters import disliked_rows
from recsys.engine.serving_state import ServingState
from recsys.live.driver import until_written
from recsys.live.log import EventLog
from recsys.live.moments import Moment, Notified, not_forgotten
from recsys.messages.cards.category_copy import canonical
from recsys.moments.candidates import Audience, ItemStanding, concerned, standing_of_items
from recsys.moments.contactable import ContactIndex
from recsys.moments.context import TriggerContext, TriggerHit, UserContext, day_of
from recsys.moments.kinds import KINDS, next_turn
from recsys.moments.payload import Ask, moment_id, moment_line
from recsys.settings.moments import MomentKind
from recsys.snapshot.histories import NEVER
from recsys.snapshot.stock import runs_low
from recsys.types import Mask, Rows, Times

_T = TypeVar("_T")

MAX_LOOKED_AT = 3_000
"""Most people whom one search looks at; it takes less than two seconds, and the next one goes on."""
AT_ONCE = 100
"""People looked at between two looks into the log."""
LONGEST = DAY
"""Longest, in microseconds, that what a look found is remembered."""


class Look(NamedTuple):
    """Result of a look at somebody: `why` there is a moment or none (`later`: another message keeps it back, `nothing`: there is none
    to show, `unlooked`: no line was made), and from when on (microseconds) it can turn out otherwise, unless they do something, an
    item changes, or, for `later`, they are notified of something."""

    why: Literal["due", "not due", "later", "nothing", "unlooked"]
    until: int
    moment: Moment | None = None


class _Candidate(NamedTuple):
    user_context: UserContext
    hits: Sequence[TriggerHit]
    """In the order of the rule, whether or not they were notified of it."""


class Finder:
    """Finds who is due, for one worker and one snapshot; threads may share it.

    It keeps the contact index (35 bytes a person) and, of each kind asked for, until when what was found of each stands (8 bytes).
    """

    def __init__(
        self, serving: ServingState, state: EventLog, ask: Ask, give_way: Callable[[], None] = lambda: None
    ) -> None:
        """`give_way` is called before each person, so that whoever waits for the interpreter gets it."""
        self._serving, self._state, self._ask, self._give_way = serving, state, ask, give_way
        engine = serving.engine
        self._settings, self._messages = engine.settings.moments, engine.settings.messages
        self._copy_texts = canonical(self._messages.words)
        self._contact_index = ContactIndex(engine.snapshot, self._settings.consent)
        self._searching = threading.RLock()
        """Held by a search, which adds to the index and to what stands; the next one goes on where it ended."""
        self._stands: dict[MomentKind, Times] = {}
        self._kept_back_since: dict[MomentKind, dict[str, int]] = {}
        self._items: ItemStanding | None = None
        self._high_spend = _high_spend(engine.snapshot.histories.revenue(), self._settings.high_spender_share)

    def find(self, kind: MomentKind, now: int, limit: int, received_at: int) -> int:
        """Find who is newly due at `now`, at most `limit`, and write it down; returns how many were written."""
        with self._searching:
            return self._find(kind, now, limit, received_at)

    def _find(self, kind: MomentKind, now: int, limit: int, received_at: int) -> int:
        trigger_context = self._trigger_context(now)
        stands = self._standing(kind, now)
        written, places = 0, self._candidates(kind, trigger_context)
        places = places[stands[places] <= now]
        places = places[np.argsort(stands[places], kind="stable")]  # for whom nothing was found yet, then who waits longest
        for chunk in _chunks(places[:MAX_LOOKED_AT], AT_ONCE):
            user_ids = [self._contact_index.user_id(place) for place in chunk.tolist()]
            looks = self.look(kind, user_ids, now, trigger_context, max_n=limit - written)
            found = [each.moment for each in looks if each.moment is not None]
            written += until_written(partial(self._write, found, received_at), self._serving.catch_up)
            stands[chunk] = [each.until for each in looks]
            self._keep_back(kind, user_ids, looks, now)
            if written >= limit:
                break
        return written

    def _write(self, found: Sequence[Moment], received_at: int) -> int:
        """Write down what was found of those who were not forgotten since; returns how many are new."""
        known = self._serving.read_to  # the number first: other threads read on meanwhile
        left = not_forgotten(found, self._serving.forgotten)
        return sum(self._state.moments.write(left, self._settings.per_day, received_at, known))

    def may_write_to(self, user_id: str) -> bool:
        """Tell whether somebody is among those whom the shop may write to, as of the last search."""
        place = self._contact_index.place(user_id)
        return place >= 0 and bool(self._contact_index.contactable[place])

    def candidates(self, kind: MomentKind, now: int) -> list[str]:
        """Everybody worth a look at `now`, those whose last event is oldest first."""
        with self._searching:
            places = self._candidates(kind, self._trigger_context(now)).tolist()
            return [self._contact_index.user_id(place) for place in places]

    def look(
        self,
        kind: MomentKind,
        user_ids: Sequence[str],
        now: int,
        trigger_context: TriggerContext | None = None,
        *,
        max_n: int | None = None,
        whatever_was_notified: bool = False,
    ) -> list[Look]:
        """Look at each of these people: is it due at `now`?

        max_n: how many lines are made at most; who would be due beyond them is unlooked · whatever_was_notified: as if nobody had
        ever been notified of anything, and for this kind alone.
        """
        with self._searching:
            trigger_context = trigger_context or self._trigger_context(now)
        users = [
            each for user_id in self._paced(user_ids) if (each := self._user_context(user_id, trigger_context)) is not None
        ]
        looks = dict.fromkeys(user_ids, Look("not due", now + LONGEST))
        looks |= {each.user_id: Look("not due", min(now + LONGEST, next_turn(kind, each))) for each in self._paced(users)}
        candidates = [_Candidate(each, hits) for each in self._paced(users) if (hits := self._hits(kind, each))]
        if not whatever_was_notified:
            candidates = self._not_notified(kind, candidates)
            kept = self._kept_back(kind, candidates)
            looks |= {user_id: Look("later", min(now + LONGEST, turn)) for user_id, turn in kept.items()}
            candidates = [each for each in candidates if each.user_context.user_id not in kept]
        looks |= {each.user_context.user_id: Look("unlooked", NEVER) for each in candidates}
        left = len(candidates) if max_n is None else max_n
        for chosen in self._paced(candidates):
            if left:
                found = self._moment(kind, chosen)
                left -= found is not None
                looks[chosen.user_context.user_id] = Look("nothing", now) if found is None else Look("due", NEVER, found)
        return [looks[user_id] for user_id in user_ids]

    def _trigger_context(self, now: int) -> TriggerContext:
        self._serving.catch_up()
        changed = self._contact_index.catch_up(self._serving, self._state)
        self._serving.catch_up()  # whoever is woken by an event is looked at with it
        catalog, settings = self._serving.engine.catalog, self._settings
        trigger_context = TriggerContext(
            self._serving.engine,
            now,
            tuple(self._state.item_changes.since(now - 2 * int(settings.change_days * DAY))),
            runs_low(catalog, settings.lead_days),
            self._high_spend,
        )
        self._wake(changed)
        before, self._items = self._items, standing_of_items(trigger_context)
        if before is not None and self._stands:
            self._wake(np.flatnonzero(concerned(self._audience(trigger_context), before, self._items)).astype(np.int32))
        return trigger_context

    def _wake(self, places: Rows) -> None:
        """Have people looked at again, for whatever kind."""
        for stands in self._stands.values():
            stands[places[places < len(stands)]] = NEVER

    def _standing(self, kind: MomentKind, now: int) -> Times:
        """Until when what was found of each person stands, int64[p]; of those kept back only until they are notified of something."""
        stands = self._stands.get(kind, np.empty(0, np.int64))
        self._stands[kind] = stands = np.append(stands, np.full(len(self._contact_index) - len(stands), NEVER))
        waiting = self._kept_back_since.get(kind, {})
        waiting = {each: since for each, since in waiting.items() if stands[self._contact_index.place(each)] > now}
        self._kept_back_since[kind] = waiting
        for notified in self._state.moments.notified_to(list(waiting), min(waiting.values(), default=0)):
            if notified.at >= waiting[notified.user_id]:
                stands[self._contact_index.place(notified.user_id)] = NEVER
        return stands

    def _keep_back(self, kind: MomentKind, user_ids: Sequence[str], looks: Sequence[Look], now: int) -> None:
        """Remember who is kept back, since when."""
        waiting = self._kept_back_since[kind]
        for user_id, each in zip(user_ids, looks, strict=True):
            waiting.pop(user_id, None)
            if each.why == "later":
                waiting[user_id] = now

    def _audience(self, trigger_context: TriggerContext) -> Audience:
        return Audience(self._contact_index, trigger_context, self._serving, self._state)

    def _candidates(self, kind: MomentKind, trigger_context: TriggerContext) -> Rows:
        contact_index = self._contact_index
        mask: Mask = KINDS[kind].candidates(self._audience(trigger_context)) & contact_index.contactable
        places = np.flatnonzero(mask)
        return places[np.argsort(contact_index.last_seen[places], kind="stable")].astype(np.int32)

    def _user_context(self, user_id: str, trigger_context: TriggerContext) -> UserContext | None:
        """One person now; None: forgotten, or written to under the user that this id belongs to."""
        serving = self._serving
        if serving.forgotten.at(user_id) is not None or user_id in serving.accounts or serving.owner_of(user_id) != user_id:
            return None
        return UserContext(user_id, serving.person(user_id), serving.history(user_id), trigger_context)

    def _hits(self, kind: MomentKind, one: UserContext) -> list[TriggerHit]:
        """Return what the rule of a kind says, without what the shopper said no to; what was about nothing else is none."""
        hits = list(KINDS[kind].rule(one))
        said = self._serving.disliked_at(one.user_id, one.now) if hits else ()
        if not said:
            return hits
        hidden = {*disliked_rows(self._serving.engine.catalog, said).tolist()}
        left = [(each, tuple(row for row in each.anchors if row not in hidden)) for each in hits]
        return [
            each._replace(anchors=rows, price_before=each.price_before if rows[:1] == each.anchors[:1] else None)
            for each, rows in left
            if (rows or not each.anchors or not KINDS[kind].about_items) and not _is_refused(each, said)
        ]

    def _not_notified(self, kind: MomentKind, candidates: Sequence[_Candidate]) -> list[_Candidate]:
        """Those with something that they were not notified of yet."""
        left = self._left({each.user_context.user_id: {kind: each.hits} for each in candidates})
        found = [_Candidate(each.user_context, left[each.user_context.user_id][kind]) for each in candidates]
        return [each for each in found if each.hits]

    def _kept_back(self, kind: MomentKind, candidates: Sequence[_Candidate]) -> dict[str, int]:
        """Users who had as many moments today as a day may have, or are due for a more urgent kind, with when that can change."""
        kinds = self._settings.kinds
        urgent = kinds[: kinds.index(kind)] if kind in kinds else kinds
        users = {each.user_context.user_id: each.user_context for each in candidates}
        left = self._left(
            {user_id: {name: self._hits(name, one) for name in urgent} for user_id, one in self._paced(users.items())}
        )
        kept = {
            user_id: min(next_turn(name, users[user_id]) for name, hits in by_kind.items() if hits)
            for user_id, by_kind in left.items()
            if any(self._moment(name, _Candidate(users[user_id], hits)) for name, hits in by_kind.items() if hits)
        }
        return kept | self._had_enough(candidates)

    def _had_enough(self, candidates: Sequence[_Candidate]) -> dict[str, int]:
        """Users who had as many moments today as a day may have, with when their next day begins."""
        days = {each.user_context.user_id: day_of(each.user_context.now, each.user_context.timezone) for each in candidates}
        counts = dict.fromkeys(days, 0)
        for notified in self._notified_to(days, min((first for first, _ in days.values()), default=0)):
            first, following = days[notified.user_id]
            counts[notified.user_id] += first <= notified.at < following
        return {user_id: days[user_id][1] for user_id, count in counts.items() if count >= self._settings.per_day}

    def _left(
        self, hits: Mapping[str, Mapping[MomentKind, Sequence[TriggerHit]]]
    ) -> dict[str, dict[MomentKind, list[TriggerHit]]]:
        """Return what is left by user and kind without what they were notified of, under whichever id: by its key, or lately by
        another of its kind that said the same."""
        theirs = {user: (user, *self._other_ids(user)) for user, kinds in hits.items() if any(kinds.values())}
        ids = {
            (user, kind, due.key): [moment_id(kind, each, key) for each in theirs[user] for key in (due.key, *due.said_by)]
            for user, kinds in hits.items()
            for kind, some in kinds.items()
            for due in some
        }
        known = self._state.moments.notified([each for some in ids.values() for each in some])
        since = [due.once_since for kinds in hits.values() for some in kinds.values() for due in some]
        lately = self._lately(list(theirs), since)
        return {
            user: {
                kind: [
                    due
                    for due in some
                    if known.isdisjoint(ids[user, kind, due.key])
                    and (due.once_since is None or lately.get((user, kind), NEVER) < due.once_since)
                ]
                for kind, some in kinds.items()
            }
            for user, kinds in hits.items()
        }

    def _lately(self, user_ids: Sequence[str], since: Iterable[int | None]) -> dict[tuple[str, str], int]:
        """Return when each user was last notified of each kind, in microseconds."""
        earliest = min((each for each in since if each is not None), default=None)
        if earliest is None:
            return {}
        notified = self._notified_to(user_ids, earliest)
        return {(each.user_id, each.kind): each.at for each in sorted(notified, key=lambda each: each.at)}

    def _notified_to(self, user_ids: Collection[str], since: int) -> list[Notified]:
        """Return what was found due from a moment (microseconds) on for these users, also under their other ids, by user."""
        users: dict[str, list[str]] = {}
        for user in dict.fromkeys(user_ids):
            for each in dict.fromkeys((user, *self._other_ids(user))):
                users.setdefault(each, []).append(user)
        notified = self._state.moments.notified_to(list(users), since)
        return [each._replace(user_id=user) for each in notified for user in users[each.user_id]]

    def _other_ids(self, user_id: str) -> list[str]:
        """The other ids under which somebody may have been notified: joined accounts, and those linked last."""
        return self._serving.linked_last(user_id)

    def _moment(self, kind: MomentKind, candidate: _Candidate) -> Moment | None:
        user_context, due = candidate.user_context, candidate.hits[0]
        line = moment_line(kind, due, user_context, self._ask, self._seen(user_context.user_id), self._copy_texts)
        if line is None:
            return None
        day = day_of(user_context.now, user_context.timezone)
        return Moment(
            moment_id(kind, user_context.user_id, due.key), user_context.user_id, kind, user_context.now, day, line
        )

    def _paced(self, each: Iterable[_T]) -> Iterator[_T]:
        for one in each:
            self._give_way()
            yield one

    def _seen(self, user_id: str) -> list[str]:
        """Items that the last sends showed."""
        max_n = self._messages.unseen_sends
        pins = self._state.pins.pins_of(user_id, max_n) if max_n else []
        return list(dict.fromkeys(item_id for pin in pins for item_id in pin.shown))


def _is_refused(hit: TriggerHit, said: Iterable[tuple[str, str]]) -> bool:
    """Tell whether a hit is about a brand or category that the shopper said no to."""
    return any(
        value == hit.brand
        if hides == "brand"
        else hides == "category" and hit.category is not None and within_category(hit.category, value)
        for hides, value in said
    )


def _high_spend(revenue: NDArray[np.float64], share: float) -> float:
    """The smallest revenue that this share of all customers with any does not exceed; inf: there are none."""
    spent = revenue[revenue > 0]
    return float(np.quantile(spent, share, method="higher")) if len(spent) else np.inf


def _chunks(places: Rows, size: int) -> Iterable[Rows]:
    return (places[start : start + size] for start in range(0, len(places), size))
