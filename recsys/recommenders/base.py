"""The contract of recommenders: a name, settings, `partial` and `merge` offline and `recommend` online, in one file.

To add one: write its file and add one line to `recommenders/__init__.py`. Evaluation, tuning, the report, the checking of settings
and the shared behaviour tests then find it by themselves. A reason that is new needs its text in each language of `reasons`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol, TypeAlias, TypeVar

import msgspec

from recsys.reasons import reason_with_title
from recsys.settings import BehaviourSettings
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.histories import Tables
from recsys.types import Arrays, Candidates, Mask, Profile, Reason, RowQuery, Rows, Scores

REASONS_KEPT = 16_384
"""Most reasons that a recommender keeps ready per worker, where few of them say most of what is said."""


class RecommenderSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of one recommender; each subclass stands in its recommender's file."""


OfSettings = TypeVar("OfSettings", bound=RecommenderSettings, contravariant=True)


class Recommender(Protocol[OfSettings]):
    """Fits plain arrays offline and ranks items of the same catalogue online, both with settings of its own.

    `personal`: what it answers depends on the shopper's history. `ranks_everything`: asked for enough items, it ranks every
    allowed one, so it can end a fallback chain. `category_first`: items of the query's category stand before all others.
    """

    name: ClassVar[str]
    Settings: ClassVar[type[RecommenderSettings]]
    personal: ClassVar[bool]
    ranks_everything: ClassVar[bool]
    category_first: ClassVar[bool] = False

    @staticmethod
    def partial(tables: Tables, behaviour: BehaviourSettings, settings: OfSettings) -> Arrays:
        """Sum up what the events of some users say: of `tables`, whose users are all that it knows of."""
        ...

    @staticmethod
    def merge(parts: Sequence[Arrays], tables: Tables, behaviour: BehaviourSettings, settings: OfSettings) -> Arrays:
        """Learn from what was summed up of one or more sets of users, in the order of their rows; `tables` has all users, and no
        events.

        However the users were cut, the arrays are the same, byte for byte: sums are exact, or made in the order of the users.
        """
        ...

    @classmethod
    def fit(cls, tables: Tables, behaviour: BehaviourSettings, settings: OfSettings) -> Arrays:
        """Learn from all events of `tables`; the same tables, settings and seed give the same arrays."""
        return cls.merge([cls.partial(tables, behaviour, settings)], tables.without_events, behaviour, settings)

    def __init__(self, arrays: Arrays, catalog: Catalog, behaviour: BehaviourSettings, settings: OfSettings) -> None: ...

    def recommend(self, query: RowQuery, profile: Profile, n: int, allowed: Mask) -> Candidates:
        """Rank up to `n` distinct items for which allowed bool[items] holds, best first; never fewer than it could."""
        ...

    def follow_items(self) -> None:
        """Take in items that were put while serving; most recommenders learn nothing of them."""
        return  # or mypy takes it for abstract

    def scores_of(self, items: Rows) -> Scores:
        """Score items int32[k], each as if it alone were asked for; only of one that `ranks_everything`."""
        raise NotImplementedError

    def reason(self, query: RowQuery, profile: Profile, item: int, explained_by: int) -> Reason:
        """Say why an item that this recommender ranked is shown; `explained_by` is what `Candidates` carries for it, or -1."""
        ...

    def reasons(self, query: RowQuery, profile: Profile, items: Sequence[int], explained_by: Sequence[int]) -> list[Reason]:
        """Say the same of several items: those of a list are asked for together, so that what is alike is looked up once."""
        return [self.reason(query, profile, item, each) for item, each in zip(items, explained_by, strict=True)]


AnyRecommender: TypeAlias = Recommender[Any]
"""One among several, whatever its settings."""


class AskedRecommender(Protocol):
    """The online half of a recommender, as an engine asks it."""

    @property
    def personal(self) -> bool:
        """Tell whether its answers depend on the shopper's history."""
        ...

    @property
    def ranks_everything(self) -> bool:
        """Tell whether it ranks every allowed item, if asked for enough."""
        ...

    @property
    def category_first(self) -> bool:
        """Tell whether items of the query's category stand before all others."""
        ...

    def recommend(self, query: RowQuery, profile: Profile, n: int, allowed: Mask) -> Candidates:
        """Rank up to `n` distinct items for which allowed bool[items] holds, best first."""
        ...

    def follow_items(self) -> None:
        """Take in items that were put while serving."""
        ...

    def scores_of(self, items: Rows) -> Scores:
        """Score items int32[k], each as if it alone were asked for; only of one that `ranks_everything`."""
        ...

    def reasons(self, query: RowQuery, profile: Profile, items: Sequence[int], explained_by: Sequence[int]) -> list[Reason]:
        """Say why several items that this recommender ranked are shown."""
        ...


class EvidenceItem:
    """Words the reasons of recommenders whose candidates each have an item that spoke most for them.

    None is kept for the next answer: most evidence is of one shopper, so that to look for its words takes longer than to find them.
    """

    def __init__(self, catalog: Catalog, likeness: str = "similar") -> None:
        """`likeness` is the name of the text that names an item of the page."""
        self._catalog, self._likeness = catalog, likeness

    def reason(self, query: RowQuery, profile: Profile, explained_by: int) -> Reason:
        """Name the evidence item: one of the page, else one that the shopper bought or viewed."""
        if len(query.context):
            return titled_reason(self._catalog, "similar", self._likeness, explained_by, query.locale)
        code = "because_bought" if explained_by in profile.has_bought else "because_viewed"
        return titled_reason(self._catalog, code, code, explained_by, query.locale)

    def reasons(self, query: RowQuery, profile: Profile, explained_by: Sequence[int]) -> list[Reason]:
        """Name the evidence item of each of several; one that speaks for many is looked up once."""
        found = {each: self.reason(query, profile, each) for each in set(explained_by)}
        return list(map(found.__getitem__, explained_by))


def titled_reason(catalog: Catalog, code: str, name: str, explained_by: int, locale: str) -> Reason:
    """The reason of a code that names an item, worded by the text of a name."""
    text = reason_with_title(name, locale, catalog.title(explained_by))
    return Reason(code, text, because_item_id=catalog.item_id(explained_by))
