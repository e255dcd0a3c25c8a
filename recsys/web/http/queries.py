"""From parsed parameters to the pipeline's `Query`."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import UNSET

from recsys.engine.merchandising.attribute_filters import FilterError, typed_filter
from recsys.engine.serving_state import ServingState
from recsys.item_filters import Condition, ItemFilter
from recsys.reasons import reason_locale
from recsys.snapshot.catalog import Catalog
from recsys.types import Query
from recsys.web.http.parameters import Filters, Personal, parse_bought
from recsys.web.http.problems import invalid


def list_query(
    filters: Filters,
    serving: ServingState,
    now: int,
    placement: str,
    user_id: str | None = None,
    context_items: tuple[str, ...] = (),
) -> Query:
    """Ask for one list of a placement inside the filters.

    Raises:
        Problem: 400 if there is no such placement, or a condition names what items do not have.
    """
    settings, catalog = serving.engine.settings, serving.engine.catalog
    conditions = {} if filters.attributes is UNSET else filters.attributes
    category = None if filters.category is UNSET else filters.category
    if isinstance(category, tuple):
        category, conditions = _categories(category, conditions)
    rules = settings.placement(placement)
    if rules is None:
        raise invalid("placement", placement, "one of " + ", ".join(settings.placement_names()))
    query = Query(
        now=now,
        placement=placement,
        user_id=user_id,
        limit=rules.limit if filters.limit is UNSET else filters.limit,
        category=category,
        brands=filters.brand,
        price_min=None if filters.price_min is UNSET else filters.price_min,
        price_max=None if filters.price_max is UNSET else filters.price_max,
        context_items=context_items,
        exclude=filters.exclude,
        bought=parse_bought(filters.bought) if isinstance(filters, Personal) and filters.bought is not UNSET else None,
        locale=serving.reason_locale(user_id)
        if filters.locale is UNSET
        else reason_locale(filters.locale, settings.messages.locale),
        filter=item_filter(catalog, conditions),
    )
    return serving.with_own_limit(query) if filters.limit is UNSET else query


def item_filter(catalog: Catalog, conditions: Mapping[str, Condition]) -> ItemFilter:
    """Put conditions into the types of the catalogue's attributes.

    Raises:
        Problem: 400, naming the attribute, the value and what is allowed.
    """
    try:
        return typed_filter(catalog, conditions)
    except FilterError as error:
        raise invalid(error.name, error.value, error.allowed, error.wrong) from None


def _categories(names: tuple[str, ...], conditions: dict[str, Condition]) -> tuple[str | None, dict[str, Condition]]:
    """One category leads a list; several are a condition like others."""
    if len(names) == 1:
        return names[0], conditions
    if "category" in conditions:
        raise invalid("category", names, "several categories once: here, or under attributes", "stands in attributes too")
    return None, {**conditions, "category": Condition(any=names)}


def personal_query(personal: Personal, serving: ServingState, now: int, user_id: str | None) -> Query:
    """Ask for a shopper's list on the placement that the parameters name.

    Raises:
        Problem: 400 if there is no such placement.
    """
    return list_query(personal, serving, now, personal.placement, user_id, personal.item_id)
