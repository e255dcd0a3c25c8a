"""The words of platforms and languages for yes and no, for what is for sale, who may be written to, and how an order stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import polars as pl

Meaning = Literal["flag", "availability", "consent", "order"]

_YES = "true t yes y 1 1.0 on ja oui si sí sim tak ano da да evet vrai wahr verdadero vero verdadeiro prawda hai はい 是"
_NO = (
    "false f no n 0 0.0 -1 off nein non não nao nie ne nej nei nee нет hayır hayir faux falsch falso fałsz iie いいえ 否 "
    "not never without"
)
_FOR_SALE = (
    "instock available limitedavailability limitedstock lowstock onlineonly madetoorder active live published publish public "
    "enabled visible onsale forsale sellable purchasable continue allow allowed notify "
    "verfügbar lieferbar auflager vorrätig aktiv disponible enstock disponibile disponível disponivel emestoque skladem naskladě "
    "dostępny dostępna dostępne dostupné opvoorraad leverbaar pålager ilager raktáron stokta вналичии"
)
_NOT_FOR_SALE = (
    "outofstock soldout unavailable notavailable discontinued draft archived hidden inactive disabled deleted trash private pending "
    "unpublished unlisted retired obsolete suspended blocked instoreonly reserved preorder presale backorder backordered "
    "onbackorder availableonbackorder comingsoon deny denied none nostock nichtverfügbar nichtlieferbar nichtauflager ausverkauft "
    "vergriffen inaktiv entwurf archiviert indisponible épuisé epuise rupture rupturedestock horsstock brouillon agotado sinstock "
    "nodisponible esaurito nondisponibile esgotado semestoque indisponível indisponivel vyprodáno nenískladem nedostupné "
    "niedostępny niedostępna niedostępne wyprzedany wyprzedane uitverkocht nietopvoorraad nietleverbaar udsolgt utsolgt slutsåld "
    "elfogyott nincsraktáron tükendi stoktayok нетвналичии"
)
_AGREED = (
    "subscribed optin optedin doubleoptin granted confirmed accepted agreed allowed allow active enabled consented given "
    "explicit abonniert angemeldet zugestimmt bestätigt eingewilligt abonné inscrit suscrito iscritto inscrito"
)
_REFUSED = (
    "unsubscribed notsubscribed neversubscribed nonsubscribed optout optedout denied declined rejected refused revoked withdrawn "
    "pending unconfirmed notsubscribed cleaned bounced suppressed inactive disabled blocked invalid redacted transactional "
    "notgiven complained spam abgemeldet widerrufen abgelehnt désabonné desinscrit désinscrit "
    "cancelado disiscritto none"
)
_STANDS = (
    "paid partiallypaid authorized authorised captured charged completed complete processing processed shipped "
    "partiallyshipped delivered fulfilled partiallyfulfilled partial partiallyrefunded invoiced closed done success "
    "succeeded successful approved accepted confirmed open new received sent ready packed dispatched unfulfilled "
    "bezahlt abgeschlossen versendet versandt geliefert erledigt payé expédié livré pagado enviado entregado pagato spedito"
)
_VOID = (
    "cancelled canceled cancel cancelledbycustomer void voided refunded fullyrefunded refund returned failed failure declined denied "
    "rejected pending pendingpayment awaitingpayment unpaid onhold expired abandoned checkoutdraft draft trash chargeback "
    "chargedback disputed fraud unavailable storniert abgebrochen erstattet zurückerstattet rückerstattet fehlgeschlagen "
    "ausstehend annulé remboursé échoué cancelado anulado reembolsado fallido annullato rimborsato geannuleerd "
    "anulowane zrušeno stornováno"
)
_WORDS: Mapping[Meaning, tuple[str, str]] = {
    "flag": (_YES, _NO),
    "availability": (f"{_YES} {_FOR_SALE}", f"{_NO} {_NOT_FOR_SALE}"),
    "consent": (f"{_YES} {_AGREED}", f"{_NO} {_REFUSED}"),
    "order": (_STANDS, _VOID),
}


def read_words(text: pl.Expr, meaning: Meaning, yes: Iterable[str] = (), no: Iterable[str] = ()) -> pl.Expr:
    """True or false by the words of a meaning, with a table's own `yes` and `no` before them; null where the word is neither."""
    affirming, denying = _WORDS[meaning]
    known = dict.fromkeys(affirming.split(), True) | dict.fromkeys(denying.split(), False)
    known |= dict.fromkeys(_alike_all(yes), True) | dict.fromkeys(_alike_all(no), False)
    return alike(text).replace_strict(list(known), list(known.values()), default=None, return_dtype=pl.Boolean())


def alike(text: pl.Expr) -> pl.Expr:
    """Words without what tells their spellings apart: letter case, blanks, `_` and `-` after a letter, schema.org's address."""
    bare = text.cast(pl.String).str.strip_chars().str.to_lowercase()
    return bare.str.replace(r"^(?:https?://)?(?:www\.)?schema\.org/", "").str.replace_all(r"(\p{L})[\s_-]+", "${1}")


def _alike_all(words: Iterable[str]) -> list[str]:
    return pl.select(alike(pl.lit(pl.Series(list(words), dtype=pl.String)))).to_series().to_list()
