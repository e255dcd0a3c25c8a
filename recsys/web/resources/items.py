"""Items of the catalogue, and the lists that go with one: similar items, and items bought together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta, Struct

from recsys.engine.serving_state import ServingState
from recsys.snapshot.catalog import Catalog
from recsys.web.http.answers import CatalogItemAnswer, ContinuedSlateAnswer, ItemsAnswer
from recsys.web.http.etags import kept_response
from recsys.web.http.parameters import EACH_ID, ListParameters, WithAttributes, check_ids
from recsys.web.http.problems import Problem
from recsys.web.http.responses import Response
from recsys.web.operations import Call, Operation
from recsys.web.resources.lists import list_response

MAX_ITEMS = 100
"""Items of the catalogue that one call gives."""
_ALLOWED = f"1 to {MAX_ITEMS} item ids, {EACH_ID}"


class ItemsParameters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Query string that names items of the catalogue."""

    item_id: Annotated[
        tuple[str, ...], Meta(description=f"The items. Allowed: {_ALLOWED}.", min_length=1, max_length=MAX_ITEMS)
    ]
    with_attributes: WithAttributes = False
    ALLOWED: ClassVar[Mapping[str, str]] = {"item_id": _ALLOWED}

    def __post_init__(self) -> None:
        """Check what a type alone does not say.

        Raises:
            Problem: 400.
        """
        check_ids("item_id", self.item_id)


class ItemParameters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Query string of the call for one item."""

    with_attributes: WithAttributes = False


def item(call: Call[ItemParameters]) -> Response:
    """Answer one item of the catalogue as it is now."""
    serving = _serving_with(call)
    catalog = serving.engine.catalog
    return _kept(call, _item_json(catalog, catalog.row(call.path["item_id"]), call.parameters.with_attributes))


def items(call: Call[ItemsParameters]) -> Response:
    """Answer several items, each once, and which ids are none."""
    catalog = call.service.live.answering().engine.catalog
    rows = {item_id: catalog.row(item_id) for item_id in call.parameters.item_id}
    found = b",".join(_item_json(catalog, row, call.parameters.with_attributes) for row in rows.values() if row >= 0)
    unknown = msgspec.json.encode([item_id for item_id, row in rows.items() if row < 0])
    return _kept(call, b'{"items":[%b],"unknown":%b}' % (found, unknown))


def similar(call: Call[ListParameters]) -> Response:
    """Answer items that the same shoppers liked."""
    return list_response(call, _serving_with(call), "similar", (call.path["item_id"],))


def bought_together(call: Call[ListParameters]) -> Response:
    """Answer items that stand in the same orders."""
    return list_response(call, _serving_with(call), "bought_together", (call.path["item_id"],))


def _serving_with(call: Call[Any]) -> ServingState:
    """Return what answers now, for an item of the path that the catalogue has."""
    item_id, serving = call.path["item_id"], call.service.live.answering()
    if serving.engine.catalog.row(item_id) < 0:
        raise Problem(404, f"there is no item {item_id!r} in the catalogue", parameter="item_id", value=item_id)
    return serving


def _item_json(catalog: Catalog, row: int, with_attributes: bool) -> bytes:
    if with_attributes:
        return b'{%b,"attributes":%b}' % (catalog.fragment(row), msgspec.json.encode(catalog.attributes.of(row)))
    return b"{%b}" % catalog.fragment(row)


def _kept(call: Call[Any], body: bytes) -> Response:
    return kept_response(call.environ, body, call.service.settings.web.max_age_seconds)


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="get",
        path="/v1/items/{item_id}",
        summary="Give an item of the catalogue as it is now.",
        scope="read",
        browser=True,
        at_once=True,
        parameters=ItemParameters,
        view=item,
        answers=(CatalogItemAnswer,),
        problems=(404, 503),
    ),
    Operation(
        method="get",
        path="/v1/items",
        summary="Give some items of the catalogue as they are now.",
        scope="read",
        browser=True,
        parameters=ItemsParameters,
        view=items,
        answers=(ItemsAnswer,),
        problems=(503,),
    ),
    Operation(
        method="get",
        path="/v1/items/{item_id}/similar",
        summary="List items that are liked by the same shoppers as this one.",
        scope="read",
        browser=True,
        at_once=True,
        waits_with=("cursor",),
        parameters=ListParameters,
        view=similar,
        answers=(ContinuedSlateAnswer,),
        problems=(404, 410, 503),
    ),
    Operation(
        method="get",
        path="/v1/items/{item_id}/bought-together",
        summary="List items that are bought in the same orders as this one.",
        scope="read",
        browser=True,
        at_once=True,
        waits_with=("cursor",),
        parameters=ListParameters,
        view=bought_together,
        answers=(ContinuedSlateAnswer,),
        problems=(404, 410, 503),
    ),
)
