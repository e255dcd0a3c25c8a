"""Query strings as raw parameters: what is repeated as lists, conditions on attributes as objects, as they would stand in a body."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from recsys.item_filters import ATTRIBUTE, PARTS
from recsys.web.http.problems import Problem, invalid

REPEATED = frozenset(("brand", "category", "item_id", "exclude"))
"""Parameters that may be given several times in a query string; in a body they are lists."""
_WHOLE = re.compile(r"[0-9]+")


def raw_parameters(query_string: str, allowed: Mapping[str, str], *, has_attributes: bool) -> dict[str, Any]:
    """Read a query string; `allowed` says in words what a parameter accepts.

    Raises:
        Problem: 400, naming the parameter, the value and what is allowed.
    """
    raw: dict[str, Any] = {}
    for name, value in _pairs(query_string):
        if has_attributes and name.startswith(ATTRIBUTE):
            _add_condition(raw.setdefault("attributes", {}), name, value)
        elif name in REPEATED:
            raw.setdefault(name, []).append(value)
        elif name in raw or (has_attributes and name == "attributes"):
            raise invalid(name, value, allowed.get(name, "") + ", given once")
        elif name == "limit" and not _WHOLE.fullmatch(value):
            raise invalid(name, value, allowed[name])
        else:
            raw[name] = value
    if len(categories := raw.get("category", ())) == 1:
        raw["category"] = categories[0]
    return raw


def _add_condition(found: dict[str, dict[str, Any]], name: str, value: str) -> None:
    """Add what one `attr.NAME.PART` of an address says; without a part it is `any`."""
    attribute, _, part = name.removeprefix(ATTRIBUTE).partition(".")
    condition, part = found.setdefault(attribute, {}), part or "any"
    if part in ("any", "all", "none"):
        condition.setdefault(part, []).append(value)
    elif part in PARTS and part not in condition:
        condition[part] = value
    else:
        wrong = "is given twice" if part in PARTS else "is no condition"
        raise invalid(name, value, f"{ATTRIBUTE}{attribute}, or with .any, .all, .none, .min or .max", wrong)


def _pairs(query_string: str) -> list[tuple[str, str]]:
    if not query_string:
        return []
    if query_string.isascii() and not ("%" in query_string or "+" in query_string):  # most are: nothing is to be decoded
        parts = [each.partition("=") for each in query_string.split("&") if each]
        return [(name, value) for name, _, value in parts]
    try:
        return parse_qsl(query_string, keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise Problem(400, "the query string is not percent-encoded UTF-8") from None
