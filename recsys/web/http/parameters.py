"""Request parameters: one type per call, which both parses the request and describes it in /openapi.json.

Anything unknown, malformed or out of range is a 400 that names the parameter, the value and what is allowed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Annotated, Any, TypeVar, cast

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from recsys.clock import SECOND
from recsys.ids.event_ids import MAX_ID_BYTES, id_problem
from recsys.item_filters import MAX_VALUES, PARTS, Conditions
from recsys.types import Bought
from recsys.web.http.addresses import raw_parameters
from recsys.web.http.browsers.halves import decode_whole
from recsys.web.http.cursors import MAX_LENGTH, START
from recsys.web.http.mismatches import MISSING, UNKNOWN, mismatch_of
from recsys.web.http.problems import Problem, invalid
from recsys.web.http.times import microseconds

MAX_BRANDS = 100
MAX_CONTEXT_ITEMS = 50
MAX_EXCLUDED = 500
MAX_PLACEMENTS = 20
MAX_USERS = 5000
LONGEST_CATEGORY = 1024
HIGHEST_PRICE = 1e12
LAST_MOMENT = 253_402_300_799 * SECOND
"""The end of the year 9999 in microseconds."""
MAX_BOUGHT_DAYS = 3650
BODY_BYTES = 1 << 20
"""Bytes of the largest request body."""

EACH_ID = f"each 1 to {MAX_ID_BYTES} bytes of UTF-8 without control characters"
ALLOWED = {
    "limit": "a whole number from 1 to 100",
    "cursor": f"{START} for a list from its beginning, or the next_cursor of an earlier answer to the same question",
    "category": f"a category's levels joined by ' > ', 1 to {LONGEST_CATEGORY} characters; of several any",
    "attributes": "attributes of items, each an object with any, all, none, min or max; in an address attr.NAME or attr.NAME.min",
    "with_attributes": "true or false",
    "brand": f"up to {MAX_BRANDS} brands, {EACH_ID}",
    "price_min": f"a number from 0 to {HIGHEST_PRICE:.0f}, at most price_max",
    "price_max": f"a number from 0 to {HIGHEST_PRICE:.0f}",
    "exclude": f"up to {MAX_EXCLUDED} item ids, {EACH_ID}",
    "item_id": f"up to {MAX_CONTEXT_ITEMS} item ids, {EACH_ID}",
    "bought": f"hide, allow, only, or hide_days:N with N from 0 to {MAX_BOUGHT_DAYS}",
    "now": "an ISO 8601 time with its zone, such as 2026-01-31T12:00:00Z, or microseconds since 1970, to the year 9999",
    "placement": "the name of a placement",
    "campaign_id": f"one id, 1 to {MAX_ID_BYTES} bytes of UTF-8 without control characters",
    "placements": f"a list of 1 to {MAX_PLACEMENTS} placements, each a name or an object with placement and filters",
    "send_id": f"one id, 1 to {MAX_ID_BYTES} bytes of UTF-8 without control characters",
    "user_id": f"one id, 1 to {MAX_ID_BYTES} bytes of UTF-8 without control characters",
    "locale": "a language tag such as de or fr-CA; texts are in en, de, fr and ar, for others in the shop's own locale",
    "user_ids": f"a list of 1 to {MAX_USERS} user ids",
}
"""Parameter = what it accepts, in words: for error answers and for the description of the API."""


def _about(name: str, meaning: str, **limits: Any) -> Meta:
    return Meta(description=f"{meaning} Allowed: {ALLOWED[name]}.", **limits)


_Category = Annotated[str, Meta(min_length=1, max_length=LONGEST_CATEGORY)]
Category = Annotated[
    _Category | Annotated[tuple[_Category, ...], Meta(min_length=1, max_length=MAX_VALUES)],
    _about("category", "Only this category and all below it; of several any."),
]
WithAttributes = Annotated[bool, _about("with_attributes", "Whether each item comes with its attributes.")]
Price = Annotated[float, Meta(ge=0, le=HIGHEST_PRICE)]
Now = Annotated[int | str, _about("now", "Answer as of this moment; needs the scope admin.")]
CursorText = Annotated[str, _about("cursor", "Go on with a list.", min_length=1, max_length=MAX_LENGTH)]
Placement = Annotated[str, _about("placement", "The spot of the shop that asks.")]
_TAG = "^[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8})*$"
LocaleTag = Annotated[
    str, _about("locale", "Language of the reasons' texts; default: the shopper's own.", pattern=_TAG, max_length=35)
]


class Filters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Filters of one slate, which it never leaves."""

    limit: Annotated[int, _about("limit", "Most items; default: the placement's own.", ge=1, le=100)] | UnsetType = UNSET
    category: Category | UnsetType = UNSET
    attributes: Annotated[Conditions, _about("attributes", "Only items for which all of this holds.")] | UnsetType = UNSET
    brand: Annotated[tuple[str, ...], _about("brand", "Only these brands.", max_length=MAX_BRANDS)] = ()
    price_min: Annotated[Price, _about("price_min", "Lowest price.")] | UnsetType = UNSET
    price_max: Annotated[Price, _about("price_max", "Highest price.")] | UnsetType = UNSET
    exclude: Annotated[
        tuple[str, ...], _about("exclude", "Items left out, for instance those already shown.", max_length=MAX_EXCLUDED)
    ] = ()
    locale: LocaleTag | UnsetType = UNSET
    with_attributes: WithAttributes = False

    def __post_init__(self) -> None:
        """Check what a type alone does not say.

        Raises:
            Problem: 400.
        """
        check_ids("brand", self.brand)
        check_ids("exclude", self.exclude)
        if self.price_min is not UNSET and self.price_max is not UNSET and self.price_min > self.price_max:
            raise invalid("price_min", self.price_min, f"{ALLOWED['price_min']} ({self.price_max:g})")


class Personal(Filters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of one slate for a shopper."""

    placement: Placement = "home"
    item_id: Annotated[
        tuple[str, ...], _about("item_id", "The items on the page or in the cart.", max_length=MAX_CONTEXT_ITEMS)
    ] = ()
    bought: Annotated[str, _about("bought", "What to do with items the shopper owns.")] | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Check what a type alone does not say.

        Raises:
            Problem: 400.
        """
        super().__post_init__()
        check_ids("item_id", self.item_id)
        if self.bought is not UNSET:
            parse_bought(self.bought)


class ListParameters(Filters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Query string of the calls that answer the same for every shopper."""

    cursor: CursorText | UnsetType = UNSET
    now: Now | UnsetType = UNSET


class UserParameters(Personal, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Query string of a shopper's recommendations."""

    now: Now | UnsetType = UNSET


class SlateParameters(UserParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same, where the slate may be that of a send, which is asked one way only."""

    send_id: Annotated[str, _about("send_id", "The send whose slate this is.")] | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Check what a type alone does not say.

        Raises:
            Problem: 400.
        """
        super().__post_init__()
        if self.send_id is not UNSET:
            check_ids("send_id", (self.send_id,))
            for name in _NOT_OF_SENDS:
                if (given := getattr(self, name)) not in ((), UNSET, False):
                    raise invalid(name, given, "placement and limit", "is not allowed together with send_id")


_NOT_OF_SENDS = (
    "category",
    "attributes",
    "with_attributes",
    "brand",
    "price_min",
    "price_max",
    "exclude",
    "item_id",
    "bought",
    "now",
    "locale",
)
"""What would make one send mean two things."""


class PageSlate(Personal, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of one slate of a page."""

    cursor: CursorText | UnsetType = UNSET


class PageBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body that asks for all slates of one page; no item stands on two of them."""

    placements: Annotated[
        tuple[str | PageSlate, ...],
        _about("placements", "In the order in which they choose.", min_length=1, max_length=MAX_PLACEMENTS),
    ]
    user_id: Annotated[str, _about("user_id", "The shopper; absent: nobody known.")] | UnsetType = UNSET
    now: Now | UnsetType = UNSET
    locale: LocaleTag | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Check what a type alone does not say.

        Raises:
            Problem: 400.
        """
        if self.user_id is not UNSET:
            check_ids("user_id", (self.user_id,))


class BulkBody(SlateParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body that asks for one slate for each of many shoppers."""

    user_ids: Annotated[
        tuple[str, ...],
        _about("user_ids", "An id that cannot be one gets a problem as its line.", min_length=1, max_length=MAX_USERS),
    ]


class NoParameters(Struct, frozen=True, forbid_unknown_fields=True):
    """Of calls that take none."""


Parameters = TypeVar("Parameters", bound=Struct)


def read_query(query_string: str, kind: type[Parameters]) -> Parameters:
    """Parse a query string.

    Raises:
        Problem: 400, naming the parameter, the value and what is allowed.
    """
    raw = raw_parameters(query_string, _allowed(kind), has_attributes="attributes" in kind.__struct_fields__)
    return _convert(raw, kind, strict=False)


def _number(text: str) -> float | str:
    """Read a number; one that is too large for any stays text, which whoever wants a number refuses in its own place."""
    number = float(text)
    return number if math.isfinite(number) else text


_decode = msgspec.json.Decoder(float_hook=_number).decode
_NO_OTHERS: Mapping[str, type[Struct]] = MappingProxyType({})


def read_body(body: bytes, kind: type[Parameters], shapes: Mapping[str, type[Struct]] = _NO_OTHERS) -> Parameters:
    """Parse a JSON body: by the type of the first member of `shapes` that it has, else by `kind`.

    Raises:
        Problem: 400, naming the member, the value and what is allowed.
    """
    try:
        raw = decode_whole(body, _decode)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, f"the body is not valid JSON: {error}") from None
    if not isinstance(raw, dict):
        raise Problem(400, f"the body must be a JSON object, not {type(raw).__name__}")
    shape_of = next((shape for member, shape in shapes.items() if member in raw), kind)
    return cast(Parameters, _convert(raw, shape_of, strict=True))


def read_row(raw: Any, kind: type[Parameters]) -> Parameters:
    """Parse one row of a body's list, by itself.

    Raises:
        Problem: 400, naming the member, the value and what is allowed.
    """
    if not isinstance(raw, dict):
        raise invalid("row", raw, "an object")
    return _convert(raw, kind, strict=True)


def check_ids(parameter: str, ids: tuple[str, ...]) -> None:
    """Check that each text can be an id.

    Raises:
        Problem: 400, naming the parameter and the first text that cannot.
    """
    for text in ids:
        if wrong := id_problem(text):
            raise invalid(parameter, text, ALLOWED.get(parameter, EACH_ID), wrong)


_BOUGHT = re.compile(r"(hide|allow|only)|hide_days:([0-9]{1,4})")


def parse_bought(text: str) -> Bought:
    """Read what to do with items that the shopper owns.

    Raises:
        Problem: 400.
    """
    match = _BOUGHT.fullmatch(text)
    if match and match[1]:
        return Bought(match[1])  # type: ignore[arg-type]
    if match and int(match[2]) <= MAX_BOUGHT_DAYS:
        return Bought("hide_days", int(match[2]))
    raise invalid("bought", text, ALLOWED["bought"])


def parse_moment(given: int | str) -> int:
    """Read a moment, in microseconds since 1970.

    Raises:
        Problem: 400.
    """
    moment = microseconds(given)
    if moment is None or not 0 <= moment <= LAST_MOMENT:
        raise invalid("now", given, ALLOWED["now"])
    return moment


@cache
def _allowed(kind: type[Struct]) -> Mapping[str, str]:
    """Return in words what the parameters of a call accept."""
    return {**ALLOWED, **getattr(kind, "ALLOWED", {})}


def _convert(raw: dict[str, Any], kind: type[Parameters], strict: bool) -> Parameters:
    try:
        return msgspec.convert(raw, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise _explain(str(error), raw, kind) from None


_NAMED = re.compile(r"`(\w+)` ")
"""Begin of what is wrong with the whole, where it names the member that is."""


_MEMBERS = {"attributes": ", ".join(PARTS), "filter": ", ".join(PARTS)}
"""Member = the members of its objects, where these are no parameters."""


def _explain(message: str, raw: dict[str, Any], kind: type[Struct]) -> Problem:
    allowed = _allowed(kind)
    text, where, name, value = mismatch_of(message, raw)
    prefix = where + "." if where else ""
    if unknown := UNKNOWN.fullmatch(text):
        members = {**_MEMBERS, **getattr(kind, "MEMBERS", {})}.get(name)
        known = PageSlate if where else kind
        names = members or ", ".join(sorted(known.__struct_fields__)) or "no parameter"
        return invalid(prefix + unknown[1], value.get(unknown[1]), names, "is not a parameter of this call")
    if missing := MISSING.fullmatch(text):
        return invalid(prefix + missing[1], None, allowed.get(missing[1], text), "is needed")
    if not where and (named := _NAMED.match(text)):
        return invalid(named[1], raw.get(named[1]), allowed.get(named[1], text))
    return invalid(where, value, allowed.get(name, text))
