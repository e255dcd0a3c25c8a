"""Items that are in orders but are no recommendation: taken out of the catalogue by the shop's rules, so that nothing shows them or
learns from them. Events of them stay, and with them the revenue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
from polars.exceptions import PolarsError

from recsys.categories import split_category
from recsys.settings import Settings
from recsys.settings.catalog import NeverKind, NeverSettings
from recsys.tables.checks.line_words import LINE_WORDS
from recsys.tables.presets import merged
from recsys.tables.validation import Finding, Level
from recsys.types import SettingsError

_NAMED = 5
"""Items that a finding names."""
_SHOWN = 40
"""Letters of a title that it quotes."""


@dataclass(frozen=True, slots=True)
class CatalogueRules:
    """The rules of `[catalog.never]`, over a shop's items."""

    never: NeverSettings
    kinds: tuple[NeverKind, ...]

    def split(self, items: pl.DataFrame, given_away: pl.Series, file: str) -> tuple[pl.DataFrame, list[Finding]]:
        """Give the items that may be shown, and say which may not; `given_away` as of the function of that name.

        Raises:
            SettingsError: if a pattern is not a regular expression.
        """
        out = items.filter(self._matches(items, given_away))
        kept = items.filter(~pl.col("item_id").is_in(out["item_id"].implode())) if out.height else items
        rule, advice = (
            "may be shown and learned from (`[catalog.never]`)",
            "nothing, if none of them should ever be recommended; ",
        )
        advice += "`kinds = []` keeps those that only go by their name; what was paid for them stays in the revenue"
        gone = _finding(out, items, file, rule, advice, "left_out")
        return kept, [*gone, *self._asked(kept, items, file)]

    def _asked(self, kept: pl.DataFrame, items: pl.DataFrame, file: str) -> list[Finding]:
        """Say which items are called what is seldom meant to be recommended, in a shop that has no word on it.

        Where the settings name kinds, names that may be of those kinds are told all the same: they stay in lists.
        """
        if self.never.kinds:
            return self._doubtful(kept, items, file)
        if self.never.kinds is not None or self.never != NeverSettings():
            return []
        matching = {kind: words.called(kept) for kind, words in LINE_WORDS.items()}
        surely = {kind: sure for kind, (sure, _) in matching.items() if sure.any()}
        wanted = ", ".join(f'"{kind}"' for kind in LINE_WORDS if kind in surely or kind in self.kinds)
        by_name = kept.filter(pl.any_horizontal(pl.lit(False), *surely.values()))
        perhaps = pl.any_horizontal(doubtful for _, doubtful in matching.values())
        rest = kept.filter(perhaps & ~pl.col("item_id").is_in(by_name["item_id"].implode()))
        write = (
            f"write `[catalog.never]` with `kinds = [{wanted}]` to keep them out of lists; `kinds = []` if they belong there"
        )
        stay = ", ".join(f'"{kind}"' for kind in self.kinds)
        either = (
            "to keep them out of lists name them under `[catalog.never]`, in `ids`, `categories` or `patterns`; "
            f"`kinds = [{stay}]` if they belong there"
        )
        return [
            *_finding(by_name, items, file, "is no gift card, sample, postage, test or fee by its name", write),
            *_finding(
                rest, items, file, "is surely a product by its name, and no gift card, sample, postage, test or fee", either
            ),
        ]

    def _doubtful(self, kept: pl.DataFrame, items: pl.DataFrame, file: str) -> list[Finding]:
        """Say which items perhaps are of the kinds that the settings leave out."""
        perhaps = pl.any_horizontal(pl.lit(False), *(LINE_WORDS[kind].called(kept)[1] for kind in self.kinds))
        rule = f"is surely a product by its name, and none of {', '.join(self.kinds)}"
        advice = "nothing, if they belong into lists; else name them under `[catalog.never]`, in `ids`, `categories` or `patterns`"
        return _finding(kept.filter(perhaps), items, file, rule, advice)

    def given_away(self, rows: pl.LazyFrame) -> pl.Series:
        """Give the ids of items that more orders have for nothing than for money, where free items are never shown.

        `rows`: columns event_type, item_id, price of all events.
        """
        if not self.never.free:
            return pl.Series(dtype=pl.String)
        priced = (pl.col("event_type") == "purchase") & pl.col("price").is_not_null() & pl.col("item_id").is_not_null()
        free = rows.filter(priced).group_by("item_id").agg((pl.col("price") == 0).mean().alias("free"))
        return free.filter(pl.col("free") > 0.5).select("item_id").collect(engine="streaming")["item_id"]

    def by_id(self, ids: pl.Series, given_away: pl.Series) -> pl.Series:
        """Tell, bool[n], which ids alone say that an item is never shown."""
        frame = pl.DataFrame({"item_id": ids}, schema={"item_id": pl.String})
        columns = {"title": pl.String, "category": pl.String, "price": pl.Float64}
        return self._matches(
            frame.with_columns(pl.lit(None, kind).alias(name) for name, kind in columns.items()), given_away
        )

    def _matches(self, items: pl.DataFrame, given_away: pl.Series) -> pl.Series:
        texts = ("item_id", "title")
        found = [pl.col("item_id").is_in([*self.never.ids, *given_away])]
        found += [_found(pattern, pl.col(name)) for pattern in self.never.patterns for name in texts]
        found += [pl.lit(LINE_WORDS[kind].called(items)[0]) for kind in self.kinds]
        if self.never.free:
            found.append(pl.col("price") == 0)
        chosen = self._categories(items["category"].drop_nulls().unique().to_list())
        found.append(pl.col("category").is_in(chosen))
        return items.select(pl.any_horizontal(each.fill_null(False) for each in found)).to_series()

    def _categories(self, names: Sequence[str]) -> list[str]:
        """Categories at or below those of the rules."""
        wanted = [path for path in map(split_category, self.never.categories) if path]
        return sorted(name for name in names if any(split_category(name)[: len(each)] == each for each in wanted))


def catalogue_rules(settings: Settings) -> CatalogueRules:
    """The rules of the settings; kinds that they do not name are those of the presets of events and items."""
    never = settings.catalog.never
    if never.kinds is not None:
        return CatalogueRules(never, never.kinds)
    tables = {"events": settings.data.events, "items": settings.data.items}
    of_presets = (merged(name, table).never_kinds for name, table in tables.items())
    return CatalogueRules(never, tuple(dict.fromkeys(kind for kinds in of_presets for kind in kinds)))


def _finding(
    out: pl.DataFrame, items: pl.DataFrame, file: str, rule: str, advice: str, level: Level = "note"
) -> list[Finding]:
    """Say which items it is about, by id and title; nothing where there are none."""
    if not out.height:
        return []
    named = [
        f"{item_id} ({title[:_SHOWN]})" if title else item_id
        for item_id, title in out.select("item_id", "title").head(_NAMED).iter_rows()
    ]
    example = ", ".join(named) + (" …" if out.height > _NAMED else "")
    finding = Finding("items", file, "", rule, out.height, out.height / items.height, example, advice, level)
    return [finding]


def _found(pattern: str, text: pl.Expr) -> pl.Expr:
    try:
        pl.Series([""]).str.contains(pattern)
    except PolarsError as error:
        raise SettingsError(f"catalog.never.patterns: {pattern!r} is not a regular expression: {error}") from error
    return text.str.contains(pattern)
