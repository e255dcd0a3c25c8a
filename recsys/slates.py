"""A slate as JSON: the item fragments encoded at publishing, joined with this slate's scores and reasons."""

from __future__ import annotations

import msgspec

from recsys.data.catalog import Catalog
from recsys.types import Slate

_encode = msgspec.json.Encoder().encode


class _Head(msgspec.Struct, frozen=True):
    """The members of a slate that stand before its items."""

    recommendation_id: str
    user_id: str | None
    placement: str
    snapshot: str
    strategy: str
    personalized: bool
    fallback: str | None
    notices: tuple[str, ...]


def slate_json(catalog: Catalog, slate: Slate) -> bytes:
    """Encode a slate with the item fields of its snapshot's catalogue; scores keep six significant digits."""
    head = _Head(
        slate.recommendation_id,
        slate.user_id,
        slate.placement,
        slate.snapshot,
        slate.strategy,
        slate.personalized,
        slate.fallback,
        slate.notices,
    )
    fragment = catalog.fragment
    encode = _encode
    items = [
        b'{%b,"score":%.6g,"reason":%b}' % (fragment(row), score, encode(reason))
        for row, score, reason in zip(slate.items, slate.scores, slate.reasons, strict=True)
    ]
    return b'%b,"items":[%b]}' % (_encode(head)[:-1], b",".join(items))


def sent_json(catalog: Catalog, slate: Slate, send_id: str, pinned: bool) -> bytes:
    """Encode the slate of a send: the same, with the send and whether it is pinned at the end."""
    return b'%b,"send_id":%b,"pinned":%b}' % (slate_json(catalog, slate)[:-1], _encode(send_id), _encode(pinned))
