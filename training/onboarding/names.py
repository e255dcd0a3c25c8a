"""Column names of shops in several languages, by the canonical column that each usually means, the most telling first."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from training.onboarding.concepts import folded, rank

_USER = (
    "userid customerid customerno customernumber clientid memberid shopperid visitorid buyerid householdid "
    "accountid user customer client "
    "visitor shopper buyer member useremail customeremail email mail "
    "kunde kundennummer kundennr kundenid kundeid idkunde kontaktid client "
    "clientid cliente idcliente clienteid idcustomer idclient iduser klantid klantnummer kundnr klientid customerref customerkey "
    "utilisateur usuario"
)
_ITEM = (
    "itemid productid sku productsku articleid articleno articlenumber stockcode productcode itemcode itemno "
    "variantsku item product article "
    "productids itemids contentids skus products items productlist "
    "referencia reference referentie asin artikel artikelnummer artikelnr produkt produktid produit articulo "
    "producto prodotto code productno goodsid thing"
)
_TIME = (
    "timestamp eventtime eventtimestamp createdat created datetime occurredat orderdate orderedat orderplacedat "
    "purchasedat purchasedate "
    "invoicedate transactiontimestamp transactiondate placedat placed thedate at when date time ts zeit zeitpunkt "
    "datum bestelldatum "
    "bestelltam fecha fechapedido data datadopedido dataordine "
    "dateheure datecommande besteldatum boughtat orderpurchasetimestamp purchasedate "
    "orderts saledate salesdate orderedon purchasedon placedon"
)
_OF_EVENTS = {
    "event_type": "eventtype eventname event action activity interaction interactiontype what kind ereignis aktion",
    "order_id": "orderid ordernumber orderno order invoiceno invoiceid invoicenumber transactionid basketid "
    "receiptid receipt bestellung "
    "bestellnummer bestellnr beleg belegnummer commande pedido ordine number",
    "quantity": "quantity qty units pieces count unitsales menge anzahl stueck quantite cantidad quantita pcs",
    "price": "price unitprice itemprice priceeach each preis einzelpreis stueckpreis prix precio prezzo",
    "amount": "amount linetotal totalprice salesvalue storesales revenue sales total betrag umsatz gesamtpreis "
    "montant importe",
    "currency": "currency currencycode coin waehrung devise moneda valuta",
    "session_id": "sessionid session usersession visitid",
    "anonymous_id": "anonymousid deviceid cookieid clientcookie",
    "event_id": "eventid",
    "title": "title itemname productname producttitle name description label bezeichnung artikelname designation",
    "brand": "brand brandname vendor manufacturer marke hersteller marque marca maker",
    "category": "category categoryname productcategory categorypath kategorie warengruppe gruppe categorie categoria",
    "query": "query searchterm searchquery suchbegriff",
    "channel": "channel kanal",
    "coupon": "coupon couponcode vouchercode",
}
_OF_ITEMS = {
    "title": "title name itemname productname producttitle label bezeichnung artikelname titel titre nom titulo nombre",
    "category": "category categories categorypath productcategory producttype shelf shelves kategorie kategorien "
    "warengruppe gruppe categorie",
    "brand": "brand brandname vendor manufacturer manufacturerid maker marke hersteller marque marca",
    "price": "price saleprice unitprice regularprice preis verkaufspreis prix precio prezzo",
    "currency": "currency currencycode waehrung coin",
    "available": "available availability instock isinstock isavailable lieferbar verfuegbar disponible disponibile",
    "stock": "stock stockquantity inventory inventoryquantity qty quantity left bestand lagerbestand lager",
    "published": "published status state visible active enabled online shown aktiv sichtbar",
    "backorder": "backorder backorders",
    "url": "url link producturl pageurl",
    "image_url": "imageurl image imagelink picture img bild bildurl",
    "group_id": "groupid itemgroupid parentid parentsku parent slug handle",
    "description": "description beschreibung",
    "published_at": "publishedat createdat",
    "cost": "cost costprice einkaufspreis",
    "as_of": "asof updatedat",
}
_OF_USERS = {
    "locale": "locale language sprache",
    "timezone": "timezone",
    "birthday": "birthday birthdate dateofbirth geburtstag geburtsdatum",
    "consent_email": "consentemail emailconsent acceptsmarketing newsletter emailoptin",
    "consent_push": "consentpush pushoptin",
    "consent_sms": "consentsms smsoptin",
    "consent_whatsapp": "consentwhatsapp whatsappoptin",
}
KNOWN: Mapping[str, Mapping[str, str]] = {
    "events": {"user_id": _USER, "item_id": _ITEM, "timestamp": _TIME, **_OF_EVENTS},
    "items": {"item_id": f"{_ITEM} id", **_OF_ITEMS},
    "users": {"user_id": f"{_USER} id", **_OF_USERS},
    "identities": {"anonymous_id": "anonymousid deviceid cookieid visitorid", "user_id": _USER, "timestamp": _TIME},
}
"""By table and canonical column: names without blanks, signs and capitals."""
_STATES = frozenset(("paystate", "ordercondition", "bestellstatus"))
_CANCELLED = frozenset(("cancelledon", "canceledon", "voidedat", "voidedon", "storniertam"))
WORDS: Mapping[str, str] = {
    "view": "view viewed detailview productview productviewed viewitem pageview pdp",
    "cart_add": "cartadd addtocart cart add basket addtobasket addtocart basketadd",
    "cart_remove": "cartremove removefromcart removefrombasket basketremove",
    "purchase": "purchase purchased buy bought order ordered sale transaction checkoutcompleted ordercompleted kauf",
    "refund": "refund refunded return returned storno",
    "checkout": "checkout begincheckout checkoutstarted",
    "search": "search searched suche",
    "impression": "impression impressions listview",
    "click": "click clicked selectitem",
    "home_view": "homeview home",
    "category_view": "categoryview viewcategory",
}
"""Words of shops for event types, written as in `KNOWN`."""


def plain(name: str) -> str:
    """A name without capitals, accents, blanks and signs."""
    return re.sub(r"[\W_]", "", folded(name))


def says_state(name: str) -> bool:
    """Tell whether a column's name says that it may tell how an order stands."""
    return plain(name) in _STATES or rank("state", name) is not None


def says_cancelled(name: str) -> bool:
    """Tell whether a column's name says that it holds the moment when an order was cancelled."""
    return plain(name) in _CANCELLED or rank("cancelled", name) is not None


def named(table: str, columns: Iterable[str], usable: Mapping[str, Collection[str]]) -> dict[str, str]:
    """The column that each canonical one is taken for by its name alone, each at most once; of nested names the last part counts.

    Names that the lists hold go before those whose words say it. usable: by canonical column, the columns whose values could be its
    own, and by table and canonical column those that are preferred; one that has its name is taken whatever stands in it.
    """
    left, found = list(columns), dict[str, str]()
    for canonical, words in KNOWN[table].items():
        ranked = [plain(canonical), *words.split()]
        told = {name: at for name in left if (at := _telling(canonical, name, ranked)) is not None}
        fits = {canonical, *usable.get(canonical, left)}
        preferred = fits & {canonical, *usable.get(f"{table}.{canonical}", left)}
        mine = {name: at for name, at in told.items() if name in preferred}
        mine = mine or {name: at for name, at in told.items() if name in fits}
        if mine:
            found[canonical] = min(mine, key=lambda name: (mine[name], left.index(name)))
            left.remove(found[canonical])
    return found


def _telling(canonical: str, name: str, ranked: Sequence[str]) -> int | None:
    """Return how telling a name is, 0 the most; None where it says something else."""
    last = plain(name.rpartition(".")[2])
    if last in ranked:
        return ranked.index(last)
    by_words = rank(canonical, name)
    return None if by_words is None else len(ranked) + by_words


def event_words(words: Iterable[str]) -> dict[str, str]:
    """The event type of each of a shop's words that is known."""
    known = {word: kind for kind, words in WORDS.items() for word in words.split()}
    return {word: known[plain(word)] for word in words if plain(word) in known}
