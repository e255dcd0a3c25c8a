"""Rows and columns that look like lines of purchases and are none: totals, parts of bundles, ratings under the name of a value."""

from __future__ import annotations

import re
from collections.abc import Mapping

import polars as pl

from training.onboarding.concepts import concepts
from training.onboarding.proposal import Proposal
from training.onboarding.values import is_another_in_each, is_nothing, is_said, texts, where_empty

_BEFORE_TOTAL = re.compile(
    r"(?i)^(?:grand|sub|order|invoice|page|general|zwischen|end|gesamt|sous|i alt)[\s-]*|[\s-]*(?:general|général|generale|geral)$"
)
_PARTS = 0.9
"""Share of the rows that name a whole which must cost nothing, and of the wholes that must be items, before these are parts of it."""
_STARS = r"^(?:10|\d)(?:[.,][05]0*)?$"
"""What people rate with: whole and half numbers from 0 to 10."""
_MOST_STARS, _FEWEST_RATINGS = 21, 10
_PURCHASE = ("order_id", "quantity", "amount", "currency", "event_type")


def without_ratings(rows: pl.DataFrame, columns: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The columns without a price that may be a rating, and what is said of it: a few small numbers beside nothing of a purchase."""
    own = columns.get("price", "")
    text = texts(rows, own) if own else pl.Series([], dtype=pl.String)
    whole = text.str.replace(r"[.,]0+$", "")
    few = len(text) >= _FEWEST_RATINGS and whole.n_unique() <= _MOST_STARS and text.str.contains(_STARS).all()
    if not few or {*_PURCHASE} & set(columns):
        return dict(columns), []
    said = (
        f"{own} may be a rating, for it holds {whole.n_unique():,} small numbers and no column tells of orders or quantities:"
        " it is not used as a price. Ratings are views: leave low ones out with `where`; if it is a price, set `price` to it"
    )
    return {name: each for name, each in columns.items() if name != "price"}, [said]


def tell_false_lines(found: Proposal) -> None:
    """Leave totals among the lines of purchases out, and ask about parts of bundles that cost nothing."""
    _totals(found)
    _parts(found)


def _totals(found: Proposal) -> None:
    own = found.origin("item_id")
    text = texts(found.rows, own) if own else pl.Series([], dtype=pl.String)
    words = sorted(word for word in text.unique() if _is_total(word))
    if not words:
        return
    found.settings.setdefault("where", []).append({"column": own, "one_of": words, "not": True})
    rows = int(text.is_in(words).sum())
    found.unsure.append(
        f"rows whose {own} is {' or '.join(f'“{word}”' for word in words)} are totals, and are left out ({rows:,} of those looked at):"
        " take the condition under `where` away if these are items"
    )


def _is_total(word: str) -> bool:
    """Tell whether a word means a total and nothing else; one with a number in it, such as SUM-001, is an id."""
    return not re.search(r"\d", word) and concepts(_BEFORE_TOTAL.sub("", word.strip().rstrip(":"))) == ("total",)


def _parts(found: Proposal) -> None:
    """Rows that cost nothing and name another item, or the number of its line, as the one that they belong to."""
    columns = found.settings["columns"]
    own, price = found.origin("item_id"), found.origin("price") or found.origin("amount")
    if not (own and price):
        return
    lines = [name for name in found.rows.columns if is_another_in_each(texts(found.rows, name))]
    for name in found.rows.columns:
        if name in columns.values() or found.rows[name].dtype.is_nested():
            continue
        parts = found.rows.filter(is_said(found.rows, name))
        wholes = texts(parts, name)
        differ = bool(parts.height) and (parts[name].cast(pl.String) != parts[own].cast(pl.String)).all()
        free = parts.filter(is_nothing(price)).height
        if not differ or free < _PARTS * parts.height:
            continue
        if any(
            int(wholes.is_in(texts(found.rows, each).implode()).sum()) >= _PARTS * parts.height for each in (own, *lines)
        ):
            found.unsure.append(
                f"{parts.height:,} of the rows looked at cost nothing and name an item or its line in {name}: parts of a bundle count"
                f" as bought; leave them out with {where_empty(found.rows, name)} under `[data.events]`, or keep them"
            )
