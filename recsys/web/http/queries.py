"""From parsed parameters to the pipeline's `Query`."""

from __future__ import annotations

from msgspec import UNSET

from recsys.engine.serving_state import ServingState
from recsys.reasons import reason_locale
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
        Problem: 400 if there is no such placement.
    """
    settings = serving.engine.settings
    rules = settings.placement(placement)
    if rules is None:
        raise invalid("placement", placement, "one of " + ", ".join(settings.placement_names()))
    query = Query(
        now=now,
        placement=placement,
        user_id=user_id,
        limit=rules.limit if filters.limit is UNSET else filters.limit,
        category=None if filters.category is UNSET else filters.category,
        brands=filters.brand,
        price_min=None if filters.price_min is UNSET else filters.price_min,
        price_max=None if filters.price_max is UNSET else filters.price_max,
        context_items=context_items,
        exclude=filters.exclude,
        bought=parse_bought(filters.bought) if isinstance(filters, Personal) and filters.bought is not UNSET else None,
        locale=serving.reason_locale(user_id)
        if filters.locale is UNSET
        else reason_locale(filters.locale, settings.messages.locale),
    )
    return serving.with_own_limit(query) if filters.limit is UNSET else query


def personal_query(personal: Personal, serving: ServingState, now: int, user_id: str | None) -> Query:
    """Ask for a shopper's list on the placement that the parameters name.

    Raises:
        Problem: 400 if there is no such placement.
    """
    return list_query(personal, serving, now, personal.placement, user_id, personal.item_id)
