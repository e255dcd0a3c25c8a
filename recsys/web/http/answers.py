"""Response types: /openapi.json describes responses by them, and tests hold responses against them."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from recsys.item_filters import Conditions
from recsys.settings.experiments import Experiment
from recsys.types import Assignment, Lifecycle, Reason

Attributes: TypeAlias = Annotated[
    dict[str, Any] | UnsetType, Meta(description="Attribute = value, where they were asked for; of those that it has.")
]


class _ItemMembers(Struct, frozen=True):
    """Members that every item comes with."""

    item_id: str
    title: str | None
    brand: str | None
    category: Annotated[str | None, Meta(description="Levels from the root, joined by ' > '.")]
    price: float | None
    currency: Annotated[str | None, Meta(description="ISO 4217.")]
    url: str | None
    image_url: str | None
    available: bool


class CatalogItemAnswer(_ItemMembers, frozen=True):
    """One item of the catalogue as it is now, live prices and availability included."""

    attributes: Attributes = UNSET


class ItemsAnswer(Struct, frozen=True):
    """Items of the catalogue, in the order of the question."""

    items: tuple[CatalogItemAnswer, ...]
    unknown: Annotated[tuple[str, ...], Meta(description="Ids that the catalogue does not have.")]


class ItemAnswer(_ItemMembers, frozen=True):
    """One item of a slate."""

    score: Annotated[float, Meta(description="Comparable within this slate only.")]
    reason: Annotated[Reason, Meta(description="Why it is shown, with the evidence that there is.")]
    attributes: Attributes = UNSET


class SlateAnswer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A ranked list of items for one placement, best first."""

    recommendation_id: Annotated[str, Meta(description="The same question on the same data has the same id.")]
    user_id: str | None
    placement: str
    snapshot: Annotated[str, Meta(description="Version of the snapshot that answered.")]
    strategy: Annotated[str, Meta(description="The rule of the placement that led.")]
    personalized: Annotated[bool, Meta(description="Whether the shopper's own history shaped it.")]
    fallback: Annotated[str | None, Meta(description="The last recommender that had to fill places.")]
    notices: Annotated[tuple[str, ...], Meta(description="What the question named that the catalogue does not know.")]
    experiments: Annotated[
        tuple[Assignment, ...] | UnsetType, Meta(description="Arms that could have changed the list; absent: none.")
    ] = UNSET
    items: tuple[ItemAnswer, ...]


class ContinuedSlateAnswer(SlateAnswer, frozen=True, omit_defaults=True):
    """A slate, and where its list goes on if it was asked with a cursor."""

    next_cursor: Annotated[
        str | UnsetType | None,
        Meta(description="The cursor of the next page; null: this is the last one. Absent without a cursor."),
    ] = UNSET


class SlotAnswer(Struct, frozen=True):
    """Addresses for a message: they answer with redirects to whatever stands in this place when it is opened."""

    image: str
    link: str


class SentItemAnswer(ItemAnswer, frozen=True, omit_defaults=True):
    """One item of a send's slate."""

    slot: Annotated[
        SlotAnswer | UnsetType,
        Meta(description="Where its slate is pinned and the service has slot secrets and an address."),
    ] = UNSET


class SentSlateAnswer(SlateAnswer, frozen=True, kw_only=True):
    """The slate of a send, best first."""

    items: tuple[SentItemAnswer, ...]
    send_id: str
    pinned: Annotated[
        bool,
        Meta(description="Whether every later fetch has the same items; false: the send is not declared, or has expired."),
    ]


class SendAnswer(Struct, frozen=True):
    """A declared send."""

    send_id: str
    placement: str
    limit: int
    template: str | None
    expires_at: Annotated[str, Meta(description="Up to when its slates are pinned, ISO 8601 UTC.")]
    attributes: Annotated[Conditions | UnsetType, Meta(description="What all of its items meet; absent: no condition.")] = (
        UNSET
    )


class ExperimentAnswer(Struct, frozen=True):
    """An experiment."""

    id: str
    since: Annotated[
        str | None, Meta(description="When it was declared, ISO 8601 UTC; null: it stands in the settings file.")
    ]
    experiment: Experiment
    problem: Annotated[str | None, Meta(description="Why it does not run; null: it does, or it was stopped.")] = None


class ContentAnswer(Struct, frozen=True):
    """Something to read."""

    content_id: str
    title: str
    url: str


class MomentAnswer(Struct, frozen=True):
    """Somebody who should hear from the shop now: why, and what the message shows."""

    moment_id: Annotated[str, Meta(description="The same moment has the same id, and is told once.")]
    user_id: str
    kind: str
    since: Annotated[str, Meta(description="When the reason arose, ISO 8601 UTC.")]
    anchors: Annotated[tuple[str, ...], Meta(description="Ids of the items that it is about.")]
    slate: SlateAnswer
    lifecycle: Lifecycle
    locale: str
    timezone: str
    channels: Annotated[tuple[str, ...], Meta(description="Those that the user consents to, the first one first.")]
    usual_hour: Annotated[
        int | None, Meta(description="Hour of the user's day in which most sessions begin; null: too few sessions.")
    ]
    copy: Annotated[str, Meta(description="What the shop says with the first item's category.")]
    creative: str
    coupon: str
    content: Annotated[ContentAnswer | None, Meta(description="Of `editorial`: what to read.")]
    price_before: Annotated[float | None, Meta(description="Of `price_drop`: what the item cost before.")] = None
    category: Annotated[str | None, Meta(description="The category that the slate keeps to.")] = None
    brand: Annotated[str | None, Meta(description="The brand that the slate keeps to.")] = None


class CardAnswer(Struct, frozen=True):
    """A message, rendered."""

    send_id: str
    user_id: str
    template: str
    channel: str
    locale: Annotated[str, Meta(description="Locale of the template that was used.")]
    pinned: Annotated[bool, Meta(description="Whether every later card shows the same items.")]
    recommendation_id: str
    items: Annotated[int, Meta(description="How many items it speaks of: as many as its channel has room for.")]
    parts: Annotated[dict[str, str], Meta(description="Such as subject, html and text of an email.")]
    broken: Annotated[tuple[str, ...], Meta(description="Limits of the channel that it breaks; empty: none.")]
    about: Annotated[
        str | None, Meta(description="The item that a card of its kind speaks of now, such as one in the cart; null: none.")
    ] = None


class MomentCardAnswer(Struct, frozen=True):
    """The message of a moment, rendered."""

    moment_id: str
    user_id: str
    kind: str
    template: str
    channel: str
    locale: Annotated[str, Meta(description="Locale of the template that was used.")]
    recommendation_id: str
    about: Annotated[
        str | None,
        Meta(description="The item that it speaks of; null: it is about none, or what it was about is bought or sold out."),
    ]
    items: Annotated[int, Meta(description="How many items it lists besides: as many as its channel has room for.")]
    parts: Annotated[dict[str, str], Meta(description="Such as subject, html and text of an email.")]
    broken: Annotated[tuple[str, ...], Meta(description="Limits of the channel that it breaks; empty: none.")]


class PageAnswer(Struct, frozen=True):
    """The slates of one page, in the order of the question."""

    slates: tuple[ContinuedSlateAnswer, ...]


class ReceiptAnswer(Struct, frozen=True):
    """Receipt of an erasure: what was deleted, and what is left to do."""

    user_id: str
    forgotten_at: Annotated[str, Meta(description="Everything up to this moment is ignored from now on, ISO 8601 UTC.")]
    anonymous_ids: Annotated[
        int, Meta(description="Linked anonymous ids that were forgotten too, each for the time in which it was this user's.")
    ]
    removed: Annotated[dict[str, int], Meta(description="Rows deleted, by what they were.")]
    snapshots: Annotated[tuple[str, ...], Meta(description="Versions whose files still hold the user; answers do not.")]
    remaining: str
    shared_ids: Annotated[
        int,
        Meta(
            description="Of the anonymous ids, those that were somebody else's at other times, of which nothing is forgotten."
        ),
    ]
    accounts: Annotated[
        tuple[str, ...], Meta(description="The accounts of the person that were forgotten: those that were joined are.")
    ]


class Rejection(Struct, frozen=True):
    """A row that was not taken, and why."""

    index: Annotated[int, Meta(description="Its place in the list that was sent, from 0.")]
    error: Annotated[str, Meta(description="The member, its value and what is allowed.")]


class EventsAnswer(Struct, frozen=True, omit_defaults=True):
    """Result of each event; what is accepted is durable."""

    accepted: int
    duplicates: Annotated[int, Meta(description="Events whose event_id was there already.")]
    rejected: tuple[Rejection, ...]
    ignored: Annotated[int, Meta(description="Events of a tracking tool that mean nothing here; absent: none.")] = 0
    properties: Annotated[
        tuple[str, ...], Meta(description="Names of members that are no columns and were kept as properties; absent: none.")
    ] = ()
    unknown_items: Annotated[
        tuple[str, ...],
        Meta(
            description="Items of events that are not in the catalogue; the events are kept, and count once it has them; absent: none."
        ),
    ] = ()


class RowResultsAnswer(Struct, frozen=True):
    """Result of each row; what is accepted is durable and seen by all workers within a second."""

    accepted: int
    rejected: tuple[Rejection, ...]


class ProblemAnswer(Struct, frozen=True, omit_defaults=True):
    """Problem of a request (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    parameter: Annotated[str | None, Meta(description="The parameter at fault.")] = None
    value: Annotated[str | float | bool | None, Meta(description="The value it had, shortened.")] = None
    allowed: Annotated[str | None, Meta(description="What it accepts.")] = None
    user_id: Annotated[str | None, Meta(description="In lines of a bulk answer: whose slate could not be given.")] = None


class HealthAnswer(Struct, frozen=True):
    """The process answers."""

    status: str


class ReadyAnswer(Struct, frozen=True):
    """Snapshot and state that are served."""

    ready: bool
    snapshot: str
    as_of: Annotated[str, Meta(description="The moment up to which events are in the snapshot, ISO 8601 UTC.")]
    error: Annotated[str | None, Meta(description="Why the newest snapshot could not be taken live.")]
