"""Prices, stock and availability as they change, and whole items: seen by every worker within a second, and by the next snapshot."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec

from recsys.engine.merchandising.attribute_filters import FilterError, typed_filter
from recsys.item_filters import Condition
from recsys.item_updates import AttributeValue, ItemUpdate
from recsys.snapshot.catalog import Catalog
from recsys.types import StateError
from recsys.web.http.answers import Rejection, RowResultsAnswer
from recsys.web.http.item_bodies import ItemRow, ItemsBody, WholeItemRow, WholeItemsBody
from recsys.web.http.parameters import read_row
from recsys.web.http.problems import Problem, invalid
from recsys.web.http.responses import Response
from recsys.web.http.row_results import ACCEPTED, judge, row_results_response
from recsys.web.operations import Call, Operation


def patch_items(call: Call[ItemsBody]) -> Response:
    """Change items of the catalogue, in order."""
    return _update(call, call.parameters.items, _changed)


def put_items(call: Call[WholeItemsBody]) -> Response:
    """Create items, or replace them whole, in order."""
    return _update(call, call.parameters.items, _whole)


def _update(call: Call[Any], rows: tuple[Any, ...], read: Callable[[Any, Catalog], ItemUpdate]) -> Response:
    live = call.service.live
    catalog = live.serving().engine.catalog
    updates, rejected = judge(enumerate(rows), lambda raw: read(raw, catalog))
    if updates:
        refused = {each.index for each in rejected}
        places = [place for place in range(len(rows)) if place not in refused]
        problems = zip(places, updates, live.update(updates), strict=True)
        rejected += [Rejection(place, f"item_id: {update.item_id!r} {wrong}") for place, update, wrong in problems if wrong]
        with suppress(StateError, Problem):  # they are written
            live.serving()  # so that no list of this worker has to take in many
    rejected.sort(key=lambda each: each.index)
    return row_results_response(RowResultsAnswer(len(rows) - len(rejected), tuple(rejected)))


def _changed(raw: Any, catalog: Catalog) -> ItemUpdate:
    row = read_row(raw, ItemRow)
    if catalog.row(row.item_id) < 0:
        raise invalid("item_id", row.item_id, "an item of the catalogue", "is not in the catalogue")
    return ItemUpdate(row.item_id, row.available, row.stock, row.price)


def _whole(raw: Any, catalog: Catalog) -> ItemUpdate:
    row = read_row(raw, WholeItemRow)
    if row.currency is not None and row.currency.strip().upper() != (catalog.currency or row.currency.strip().upper()):
        raise invalid("currency", row.currency, f"the catalogue's, {catalog.currency}")
    item = msgspec.structs.replace(row.whole(), attributes=_attributes(row, catalog))
    return ItemUpdate(row.item_id, row.available, row.stock, row.price, item)


def _attributes(row: WholeItemRow, catalog: Catalog) -> dict[str, AttributeValue]:
    """The attributes that an item is given, in their types; read as the values of a filter are."""
    columns, found = catalog.attributes.columns, dict[str, AttributeValue]()
    for name, given in row.attributes.items():
        if name not in columns:
            raise invalid(f"attributes.{name}", given, ", ".join(columns) or "none: the catalogue has no attributes")
        if given is None or given == ():
            continue
        values = given if isinstance(given, tuple) else (given,)
        if columns[name].type != "words" and isinstance(given, tuple):
            raise invalid(f"attributes.{name}", given, "one value")
        try:
            ((_, condition),) = typed_filter(catalog, {name: Condition(any=values)})
        except FilterError as error:
            raise invalid(f"attributes.{name}", error.value, error.allowed, error.wrong) from error
        typed = condition.any or ()
        found[name] = tuple(str(value) for value in typed) if columns[name].type == "words" else typed[0]
    return found


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
    Operation(
        method="put",
        path="/v1/items",
        summary="Put whole items: new ones, or in place of those that there are.",
        scope="events",
        parameters=WholeItemsBody,
        rows=(WholeItemRow,),
        view=put_items,
        answers=(RowResultsAnswer,),
        status=ACCEPTED,
        problems=(413, 415, 503),
    ),
)
