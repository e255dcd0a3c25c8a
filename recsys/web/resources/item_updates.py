"""Prices, stock and availability as they change: seen by every worker within a second, and by the next snapshot."""

from __future__ import annotations

from typing import Any

from recsys.snapshot.catalog import Catalog
from recsys.types import ItemUpdate
from recsys.web.http.answers import RowResultsAnswer
from recsys.web.http.bodies import ItemRow, ItemsBody
from recsys.web.http.parameters import read_row
from recsys.web.http.problems import invalid
from recsys.web.http.responses import Response
from recsys.web.http.row_results import ACCEPTED, judge, row_results_response
from recsys.web.operations import Call, Operation


def patch_items(call: Call[ItemsBody]) -> Response:
    """Change items of the catalogue, in order."""
    live = call.service.live
    catalog = live.serving().engine.catalog
    updates, rejected = judge(enumerate(call.parameters.items), lambda raw: _read(raw, catalog))
    if updates:
        live.update(updates)
    return row_results_response(RowResultsAnswer(len(updates), tuple(rejected)))


def _read(raw: Any, catalog: Catalog) -> ItemUpdate:
    row = read_row(raw, ItemRow)
    if catalog.row(row.item_id) < 0:
        raise invalid("item_id", row.item_id, "an item of the catalogue", "is not in the catalogue")
    return ItemUpdate(row.item_id, row.available, row.stock, row.price)


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="patch",
        path="/v1/items",
        summary="Change price, stock and availability of items.",
        scope="events",
        parameters=ItemsBody,
        rows=(ItemRow,),
        view=patch_items,
        answers=(RowResultsAnswer,),
        status=ACCEPTED,
        problems=(413, 415, 503),
    ),
)
