"""The service that every call shares: settings, authentication, engine, metrics and cards."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from recsys.engine.inspection.replay import drawn, logged
from recsys.engine.serving_state import ServingState
from recsys.engine.state_at_hand import StateAtHand
from recsys.live.pinned_slates import PinnedSlate
from recsys.messages.cards.cards import Cards
from recsys.messages.sends import Known, Sends, SentSlate
from recsys.messages.slots import SlotKeys, slot_addresses
from recsys.moments.finder import Finder
from recsys.settings import Settings
from recsys.types import Query, Send, Slate, StateError
from recsys.web.http.auth import Authenticator
from recsys.web.http.metrics import Metrics
from recsys.web.serving.lanes import Lanes
from recsys.web.serving.live import Live
from recsys.web.serving.rate_limits import Attempts, RateLimits


@dataclass(frozen=True, slots=True)
class Service:
    """One application's parts; handed to every view."""

    settings: Settings
    auth: Authenticator
    live: Live
    metrics: Metrics
    cards: Cards
    slot_keys: SlotKeys | None = None
    lanes: Lanes = field(default_factory=Lanes)
    limits: RateLimits = field(init=False)
    dislike_limit: Attempts = field(init=False)
    _finders: list[tuple[ServingState, Finder]] = field(default_factory=list)
    """The one that found moments last, unless another snapshot serves since."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        object.__setattr__(self, "limits", RateLimits(self.settings.web.limits))
        rate = self.settings.messages.dislikes
        object.__setattr__(self, "dislike_limit", Attempts(rate, "messages.dislikes", "presses of a button"))
        self.live.on_reload(self._release)

    def recommend(self, serving: ServingState, query: Query, is_message: bool = False) -> Slate:
        """Answer one query, of a page or of a message, and count it; from memory alone where the log cannot be read just now."""
        known = serving.read_to  # before anything of the shopper is read
        try:
            answered = self.live.expose(serving, serving.answer(query, is_message), known, is_message)
        except StateError as error:
            serving = self.live.at_hand(error)
            answered = serving.answer(query, is_message)
        slate = answered.slate
        self.metrics.slate(slate.placement, slate.fallback, len(slate.items) < query.limit)
        if isinstance(serving, StateAtHand):
            self.metrics.slate_at_hand()
        elif slate.teams or drawn(slate.recommendation_id, self.settings.state.slate_share):
            self.live.slates.offer(logged(answered, self.live.clock.now()))
        return slate

    def recommend_sent(self, serving: ServingState, query: Query, send_id: str, user_ids: Sequence[str]) -> list[SentSlate]:
        """Answer a send's slates, `query` where it is not declared, and count them."""
        found = self.sends(serving).slates(send_id, query, user_ids)
        for each in found:
            self.metrics.slate(each.slate.placement, each.slate.fallback)
        return found

    def pin_given(self, serving: ServingState, known: int, send: Send, slate: PinnedSlate, query: Query) -> SentSlate:
        """Serve a slate that was answered before, and read when who was forgotten was `known` up to a number of the log, as that of a
        send of its own, and count it."""
        found = self.sends(serving, known).given(send, slate, query)
        self.metrics.slate(found.slate.placement, found.slate.fallback)
        return found

    def sends(self, serving: ServingState, known: int | None = None) -> Sends:
        """Return what answers for sends from now on; all that is asked for them is logged. `known`: as `pin_given`."""
        engine, received = serving.engine, self.live.clock.now()

        def look() -> int:
            serving.catch_up()
            return serving.read_to

        def ask(one: Query) -> Slate:
            asked_at = serving.read_to
            answered = self.live.expose(serving, serving.answer_message(one), asked_at, is_message=True)
            self.live.slates.keep(logged(answered, received))
            return answered.slate

        return Sends(
            engine.catalog,
            self.live.state.pins,
            ask,
            self.settings.messages.unseen_sends,
            received,
            serving.disliked_at,
            Known(serving.read_to if known is None else known, look),
        )

    def finder(self, serving: ServingState) -> Finder:
        """Return what finds who is due for a moment; its slates are counted and sampled as those of pages are."""
        with self._lock:
            if not self._finders or self._finders[0][0] is not serving:
                ask = partial(self.recommend, serving, is_message=True)
                made = Finder(serving, self.live.state, ask, self.lanes.give_way)
                if serving.engine is not self.live.loaded:
                    return made
                self._finders[:] = [(serving, made)]
            return self._finders[0][1]

    def _release(self) -> None:
        """Keep no finder of a snapshot that serves no more."""
        with self._lock:
            self._finders[:] = [each for each in self._finders if each[0].engine is self.live.loaded]

    def slots(self, send_id: str, user_id: str, sent: SentSlate) -> list[dict[str, str]]:
        """The slot addresses of a pinned slate, an item each; none without slot secrets and `messages.public_url`."""
        public_url = self.settings.messages.public_url
        if self.slot_keys is None or not public_url or not sent.pinned:
            return []
        return slot_addresses(public_url, self.slot_keys.token(send_id, user_id), sent.places)
