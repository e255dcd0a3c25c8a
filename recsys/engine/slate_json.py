"""A slate as JSON: the item fragments encoded at publishing, joined with this slate's scores and reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from recsys.snapshot.catalog import Catalog
from recsys.types import Assignment, Slate

_encode = msgspec.json.Encoder().encode
_encode_lines = msgspec.json.Encoder().encode_lines


class _Head(msgspec.Struct, frozen=True, omit_defaults=True):
    """The members of a slate that stand before its items."""

    recommendation_id: str
    user_id: str | None
    placement: str
    snapshot: str
    strategy: str
    personalized: bool
    fallback: str | None
    notices: tuple[str, ...]
    experiments: tuple[Assignment, ...] = ()


def slate_json(catalog: Catalog, slate: Slate, item_ends: Sequence[bytes] = ()) -> bytes:
    """Encode a slate with the item fields of its snapshot's catalogue; scores keep six significant digits.

    `item_ends` are how each item's JSON ends, brace included, where it has further members.
    """
    head = _Head(
        slate.recommendation_id,
        slate.user_id,
        slate.placement,
        slate.snapshot,
        slate.strategy,
        slate.personalized,
        slate.fallback,
        slate.notices,
        slate.experiments,
    )
    fragment, ends = catalog.fragment, item_ends or (b"}",) * len(slate.items)
    # All in one call; there is no line end within. As a list: of other sequences msgspec 0.22 keeps an iterator for ever, 64 bytes.
    reasons = _encode_lines(list(slate.reasons)).splitlines()
    items = [
        b'{%b,"score":%.6g,"reason":%b%b' % (fragment(row), score, reason, end)
        for row, score, reason, end in zip(slate.items, slate.scores, reasons, ends, strict=True)
    ]
    return b'%b,"items":[%b]}' % (_encode(head)[:-1], b",".join(items))


def attribute_ends(catalog: Catalog, slate: Slate) -> list[bytes]:
    """Return how each item's JSON ends where it comes with its attributes."""
    return [b',"attributes":%b}' % _encode(catalog.attributes.of(row)) for row in slate.items]


def sent_json(catalog: Catalog, slate: Slate, send_id: str, pinned: bool, slots: Sequence[Mapping[str, str]] = ()) -> bytes:
    """Encode the slate of a send: the same, with the send and whether it is pinned at the end, and each item's slot, if it has one."""
    ends = [b',"slot":%b}' % _encode(slot) for slot in slots]
    return b'%b,"send_id":%b,"pinned":%b}' % (slate_json(catalog, slate, ends)[:-1], _encode(send_id), _encode(pinned))
