"""Choice of the engine that answers a query: the plain one, or one under what the arms of experiments change."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from recsys.engine.pipeline import Engine, answer
from recsys.live.experiments import Exposure
from recsys.types import History, Profile, Query, Slate


class Choice(NamedTuple):
    """Engine that answers a query, the shopper's profile if it was found on the way, and the exposures that begin with the answer."""

    engine: Engine
    profile: Profile | None = None
    exposures: tuple[Exposure, ...] = ()


class Identities(Protocol):
    """Identities as of now."""

    def owner_of(self, user_id: str) -> str:
        """Whose an id is: the user that it was linked to last, else itself."""

    def ids_of(self, user_id: str) -> list[str]:
        """A user's id and every anonymous id that was ever linked to it."""


class Arms(Protocol):
    """The experiments that run over one engine."""

    def choose(self, identities: Identities, query: Query, history: History, is_message: bool = False) -> Choice:
        """Find what answers a query, of a page or of a message."""

    def changes_limit(self, placement: str) -> bool:
        """Tell whether an arm changes the length of a placement's lists."""

    def people_changed(self) -> None:
        """Take in that ids were joined or erased."""


class Answered(NamedTuple):
    """A query as it was asked, what answered it from which history, and the answer.

    `exposures` are to be written down before the answer is given.
    """

    engine: Engine
    query: Query
    history: History
    slate: Slate
    exposures: tuple[Exposure, ...] = ()


def answered(choice: Choice, query: Query, history: History) -> Answered:
    """Answer a query with what was chosen for it."""
    slate = answer(choice.engine, query, history, choice.profile)
    return Answered(choice.engine, query, history, slate, choice.exposures)
