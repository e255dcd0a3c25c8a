"""Items that are in orders but are no recommendation: taken out of the catalogue by the shop's rules, so that nothing shows them or
learns from them. Events of them stay, and with them the revenue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl
from polars.exceptions import PolarsError

from recsys.categories import split_category
from recsys.settings import Settings
from recsys.settings.catalog import NeverKind, NeverSettings
from recsys.tables.presets import merged
from recsys.tables.validation import Finding
from recsys.types import SettingsError

KINDS: Mapping[NeverKind, str] = {
    "shipping": r"^(ship(ping)?|post(age)?|delivery|freight|dot|c2)$|^(dotcom |free |express |standard )?(shipping|postage|carriage|"
    r"delivery|freight|versand|porto|lieferung|livraison|envío|spedizione|verzending|doprava|poštovné|dostawa|wysyłka|frakt|fragt|"
    r"frete|toimituskulut|kargo|доставка|送料|运费|配送料)"
    r"([- ]?(kosten|costs?|fees?|charges?|protection|insurance))?$|^(versandkosten|frais de (port|livraison)|gastos de envío|"
    r"spese di spedizione|verzendkosten)\b",
    "gift_cards": r"\b(gift[- _]?(cards?|vouchers?|certificates?)|e-?gift|geschenk(karten?|gutscheine?)|gutscheine?|"
    r"wertgutscheine?|cartes?[- ]cadeaux?|chèques?[- ]cadeaux?|tarjetas? (de )?regalo|buon[io] regalo|cadeau(bon|kaart)(nen|en)?|"
    r"dárkov(á|é|ý|e) (kart[ay]|poukaz[y]?)|kart[ay] podarunkow[ae]|cart(ão|ões)[- ]presente|vales?[- ]presente|presentkort|"
    r"gavekort|lahjakort(ti|it)|hediye (kart|çek)\w*|подарочн\w+ (карт|сертификат)\w*)\b|"
    r"ギフト(カード|券)|礼品卡|기프트카드|^gift_\d+",
    "samples": r"^(free )?samples?$|^proben?$|^(free|product|fabric|tester) (sample|swatch)|(^|[^-\w])free (samples?|gifts?)\b|"
    r"\b(gift with purchase|gwp|(gratis|waren|duft|parfüm|stoff|produkt|tee|creme)proben?|pröbchen|stoffmuster|"
    r"gratis(artikel|beigabe|geschenk)|échantillons?( gratuits?)?|cadeaux? offerts?|muestras? (gratis|gratuitas?)|"
    r"amostras?( grátis)?|campioncin[oi]|campion[ei] (gratuit[oi]|omaggio)|gratis monsters?|proefjes?|vzor(ek|ky) zdarma|"
    r"(darmowa )?próbk[ai]|gratisprov(er)?|vareprøver?|пробник\w*)\b|サンプル|试用装",
    "tests": r"^tests?$|^test[-_]|\b(test (product|item|order|article)|testartikel|testprodukt|do not (buy|order|ship)|"
    r"produit test|producto de prueba|prodotto di prova)\b",
    "fees": r"^(m|manual|d|discount|rabatt|amazon ?fee|bank charges?|adjust bad debt|cruk|surcharge|tip|donation|spende|pfand|"
    r"deposit|service fee|handling fee|payment fee|mwst|tax)$|\b(bank charges|amazon fee|adjust bad debt|payment fee)\b",
}
"""Words that each kind goes by, searched in any case in id, title and every level of the category."""
_NAMED = 5


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
        if not out.height:
            return items, self._doubtful(items, file)
        finding = Finding(
            table="items",
            file=file,
            column="",
            rule="may be shown and learned from (`[catalog.never]`)",
            rows=out.height,
            share=out.height / items.height,
            example=", ".join(out["item_id"].head(_NAMED)) + (" …" if out.height > _NAMED else ""),
            advice="nothing, if none of them should ever be recommended; what was paid for them stays in the revenue",
            level="left_out",
        )
        return items.filter(~pl.col("item_id").is_in(out["item_id"].implode())), [finding]

    def _doubtful(self, items: pl.DataFrame, file: str) -> list[Finding]:
        """Say which items are called what is seldom meant to be recommended, in a shop that has no word on it."""
        if self.never != NeverSettings() or self.kinds:
            return []
        kinds = [kind for kind in KINDS if CatalogueRules(self.never, (kind,)).called(items).any()]
        out = items.filter(CatalogueRules(self.never, tuple(kinds)).called(items)) if kinds else items.head(0)
        if not out.height:
            return []
        named = ", ".join(f'"{kind}"' for kind in kinds)
        finding = Finding(
            table="items",
            file=file,
            column="",
            rule="is no gift card, sample, postage, test or fee by its name",
            rows=out.height,
            share=out.height / items.height,
            example=", ".join(out["item_id"].head(_NAMED)) + (" …" if out.height > _NAMED else ""),
            advice=f"write `[catalog.never]` with `kinds = [{named}]` to keep them out of lists; `kinds = []` if they belong there",
        )
        return [finding]

    def called(self, items: pl.DataFrame) -> pl.Series:
        """Tell, bool[n], which items go by a name of the kinds."""
        return self._matches(items, pl.Series(dtype=pl.String))

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
        found += [_found(f"(?i){KINDS[kind]}", pl.col(name)) for kind in self.kinds for name in texts]
        if self.never.free:
            found.append(pl.col("price") == 0)
        chosen = self._categories(items["category"].drop_nulls().unique().to_list())
        found.append(pl.col("category").is_in(chosen))
        return items.select(pl.any_horizontal(each.fill_null(False) for each in found)).to_series()

    def _categories(self, names: Sequence[str]) -> list[str]:
        """Categories at or below those of the rules, or with a level that is called like one of the kinds."""
        paths = {name: split_category(name) for name in names}
        wanted = [split_category(name) for name in self.never.categories]
        below = {name for name, path in paths.items() if any(path[: len(each)] == each for each in wanted if each)}
        rows = [(name, level) for name, path in paths.items() for level in path]
        levels = pl.DataFrame(rows, schema={"name": pl.String, "level": pl.String}, orient="row")
        is_word = pl.col("level").str.len_chars() > 2  # codes such as C2 are postage among ids alone
        called = [is_word & _found(f"(?i){KINDS[kind]}", pl.col("level")) for kind in self.kinds]
        return sorted({*below, *levels.filter(pl.any_horizontal(pl.lit(False), *called))["name"]})


def catalogue_rules(settings: Settings) -> CatalogueRules:
    """The rules of the settings; kinds that they do not name are those of the presets of events and items."""
    never = settings.catalog.never
    if never.kinds is not None:
        return CatalogueRules(never, never.kinds)
    tables = {"events": settings.data.events, "items": settings.data.items}
    of_presets = (merged(name, table).never_kinds for name, table in tables.items())
    return CatalogueRules(never, tuple(dict.fromkeys(kind for kinds in of_presets for kind in kinds)))


def _found(pattern: str, text: pl.Expr) -> pl.Expr:
    try:
        pl.Series([""]).str.contains(pattern)
    except PolarsError as error:
        raise SettingsError(f"catalog.never.patterns: {pattern!r} is not a regular expression: {error}") from error
    return text.str.contains(pattern)
