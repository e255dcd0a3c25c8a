"""What every call shares: the settings, who may call, what is served and what is counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recsys.messages.sends import Sends, SentSlate
from recsys.pipeline import answer
from recsys.present import Present
from recsys.replay import drawn, logged
from recsys.settings import Settings
from recsys.types import NO_HISTORY, Query, Slate
from recsys.web.auth import Gate
from recsys.web.live import Live, received_at
from recsys.web.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Service:
    """One application's parts; handed to every view."""

    settings: Settings
    gate: Gate
    live: Live
    metrics: Metrics

    def recommend(self, present: Present, query: Query) -> Slate:
        """Answer one query, and count it."""
        engine = present.engine
        history = NO_HISTORY if query.user_id is None else present.history(query.user_id)
        slate = answer(engine, query, history)
        self.metrics.slate(slate.placement, slate.fallback)
        if drawn(slate.recommendation_id, self.settings.state.slate_share):
            self.live.slates.offer(logged(engine, query, history, slate, received_at()))
        return slate

    def recommend_sent(self, present: Present, query: Query, send_id: str, user_ids: Sequence[str]) -> list[SentSlate]:
        """Answer a send's slates, `query` where it is not declared, and count them; all that is asked for them is logged."""
        engine, received = present.engine, received_at()

        def ask(one: Query) -> Slate:
            history = NO_HISTORY if one.user_id is None else present.history(one.user_id)
            slate = answer(engine, one, history)
            self.live.slates.keep(logged(engine, one, history, slate, received))
            return slate

        sends = Sends(engine.catalog, self.live.state.pins, ask, self.settings.messages.unseen_sends, received)
        found = sends.slates(send_id, query, user_ids)
        for slate, _ in found:
            self.metrics.slate(slate.placement, slate.fallback)
        return found
