"""Column names of shops in several languages, by the canonical column that each usually means, the most telling first."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache

from training.onboarding.concepts import concepts, folded, rank

_USER = (
    "userid customerid customerno customernumber clientid memberid shopperid visitorid buyerid householdid "
    "accountid user customer client "
    "visitor shopper buyer member useremail customeremail email mail "
    "kunde kundennummer kundennr kundenid kundeid idkunde kontaktid client "
    "uid custid customeruid clientid cliente idcliente clienteid idcustomer idclient iduser klantid klantnummer kundnr klientid "
    "customerref customerkey "
    "utilisateur usuario distinctid"
)
_ITEM = (
    "itemid productid sku productsku articleid articleno articlenumber stockcode productcode itemcode itemno "
    "variantsku item product article "
    "productids itemids contentids skus products items productlist "
    "referencia reference referentie asin artikel artikelnummer artikelnr produkt produktid produit articulo "
    "producto prodotto code codice codigo productno goodsid thing"
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
_OF_KINDS = (
    "eventtype eventname event action activity interaction interactiontype ereignis aktion evenement evento actie handelse hendelse "
    "hamdelse olay zdarzenie udalost vorgang イベント イベント名 行動 事件 이벤트 событие"
)
_OF_EVENTS = {
    "event_type": f"{_OF_KINDS} what kind",
    "order_id": "orderid ordernumber orderno order invoiceno invoiceid invoicenumber transactionid basketid "
    "receiptid receipt bestellung "
    "bestellnummer bestellnr beleg belegnummer commande pedido ordine number incrementid",
    "quantity": "quantity qty units pieces count unitsales menge anzahl stueck quantite cantidad quantita pcs",
    "price": "price unitprice itemprice lineitemprice priceeach each soldfor preis einzelpreis stueckpreis prix precio prezzo "
    "vk vkbrutto vkpreis vkprostueck vkbruttoprostueck vknettoprostueck apris",
    "amount": "amount linetotal totalprice salesvalue storesales revenue sales total betrag umsatz gesamtpreis "
    "montant importe",
    "currency": "currency currencycode coin waehrung devise moneda valuta",
    "session_id": "sessionid session usersession visitid",
    "anonymous_id": "anonymousid deviceid cookieid clientcookie",
    "event_id": "eventid",
    "title": "title itemname productname prodname producttitle name description label bezeichnung artikelname designation "
    "libelle benamning benaming 商品名 상품명",
    "brand": "brand brandname vendor manufacturer marke hersteller marque marca maker",
    "category": "category categoryname productcategory categorypath kategorie warengruppe gruppe categorie categoria",
    "query": "query searchterm searchquery suchbegriff",
    "channel": "channel kanal",
    "coupon": "coupon couponcode vouchercode",
}
_IN_STOCK = (
    "instock enstock enexistencia enexistencias auflager aufvorrat vorratig ilager palager opvoorraad skladem naskladzie stoktavar "
    "varastossa instoc"
)
"""Names of which the values tell whether they mean a stock or an item that is for sale."""
_OF_ITEMS = {
    "title": "title name itemname productname prodname producttitle label bezeichnung artikelname titel titre nom titulo nombre "
    "designation "
    "libelle benamning benaming titolo nome naam navn namn isim ad adi nazwa nazev nimi nev название наименование 名 名称 "
    "商品名 상품명",
    "category": "category categories categorypath productcategory producttype shelf shelves kategorie kategorien "
    "warengruppe gruppe categorie",
    "brand": "brand brandname vendor manufacturer manufacturerid maker marke hersteller marque marca",
    "price": "price saleprice unitprice regularprice preis verkaufspreis prix precio prezzo vk vkbrutto vkpreis "
    "vkprostueck vkbruttoprostueck vknettoprostueck",
    "currency": "currency currencycode waehrung coin",
    "available": f"available availability isinstock isavailable lieferbar verfuegbar disponible disponibile {_IN_STOCK}",
    "stock": f"stock stockquantity inventory inventoryquantity qty quantity left bestand lagerbestand lager {_IN_STOCK}",
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
    "locale": "locale language lang sprache langue idioma lingua taal sprak jezyk",
    "timezone": "timezone",
    "birthday": "birthday birthdate dateofbirth geburtstag geburtsdatum",
    "consent_email": "consentemail emailconsent acceptsmarketing acceptsemailmarketing emailmarketing marketingemails newsletter "
    "consentementemail consentimientoemail consentimentoemail consensoemail einwilligungemail emaileinwilligung toestemmingemail "
    "emailmarketingconsent emailmarketingstatus emailmarketingconsentstate emailconsentstatus "
    "emailoptin emailsubscribed newslettersubscribed subscribedtonewsletter newsletterabonniert newsletterempfanger",
    "consent_push": "consentpush pushoptin",
    "consent_sms": "consentsms smsoptin acceptssmsmarketing smsmarketing smsmarketingconsent smsmarketingstatus "
    "smsmarketingconsentstate",
    "consent_whatsapp": "consentwhatsapp whatsappoptin",
}
KNOWN: Mapping[str, Mapping[str, str]] = {
    "events": {"user_id": _USER, "item_id": _ITEM, "timestamp": _TIME, **_OF_EVENTS},
    "items": {"item_id": f"{_ITEM} id", **_OF_ITEMS},
    "users": {"user_id": f"{_USER} id", **_OF_USERS},
    "identities": {"anonymous_id": "anonymousid deviceid cookieid visitorid", "user_id": _USER, "timestamp": _TIME},
}
"""By table and canonical column: names without blanks, signs and capitals."""
_LEFT_OVER = {"quantity": ("current_quantity",)}
"""Names that go before the canonical one: of the pieces of a line that are left once some came back, as Shopify's API tells them."""
_STATES = frozenset(("paystate", "ordercondition", "bestellstatus"))
_CANCELLED = frozenset(("cancelledon", "canceledon", "voidedat", "voidedon", "storniertam"))
_AT = re.compile(r"(?:[\s_.-](?:at|on|am|le|el|il)|[a-z](?:At|On))$")
WORDS: Mapping[str, str] = {
    "view": "view viewed views detailview viewdetail productview viewproduct viewedproduct productviewed productdetail productdetails "
    "detail viewitem itemview itemviewed viewcontent pageview productpageview pdp produktansicht produktaufruf "
    "artikelansicht artikelaufruf ansicht aufruf angesehen vue vueproduit produitvu consultation ficheproduit "
    "vista vistaproducto productovisto visto visualizacion visualizzazione visualizzato visualizacao "
    "visualizacaoproduto bekeken productbekeken weergave visning produktvisning visad vist goruntuleme "
    "urungoruntuleme wyswietlenie wyswietlenieproduktu zobrazeni 閲覧 商品閲覧 商品詳細 浏览 조회 상품조회 "
    "просмотр",
    "cart_add": "cartadd addtocart addedtocart cart add basket addtobasket addedtobasket basketadd addtobag productadded "
    "itemadded indenwarenkorb warenkorb warenkorbhinzugefugt ajoutpanier ajoutaupanier panier anadiralcarrito "
    "anadidoalcarrito agregaralcarrito carrito aggiuntaalcarrello carrello aggiuntoalcarrello adicionaraocarrinho "
    "adicionadoaocarrinho carrinho inwinkelwagen winkelwagen toegevoegdaanwinkelwagen lagtivarukorg varukorg kurv "
    "ikurv handlekurv sepet sepeteekle sepeteekleme koszyk dodanodokoszyka dodaniedokoszyka kosik カート "
    "カート追加 カートに追加 加购 加入购物车 장바구니 장바구니담기 корзина вкорзину",
    "cart_remove": "cartremove removefromcart removedfromcart removefrombasket removedfrombasket basketremove productremoved "
    "ausdemwarenkorb warenkorbentfernt retraitpanier retraitdupanier eliminardelcarrito rimossodalcarrello "
    "removerdocarrinho uitwinkelwagen sepettencikar usunietozkoszyka カート削除 カートから削除",
    "purchase": "purchase purchased purchases buy bought order ordered sale sold transaction checkoutcompleted "
    "checkoutsuccess ordercompleted orderplaced placedorder orderpaid ordercreated orderedproduct orderconfirmed "
    "purchasecompleted kauf verkauf gekauft bestellung bestellt achat achete vente commande compra comprado venta "
    "pedido acquisto acquistato vendita ordine venda encomenda aankoop gekocht verkoop bestelling kop kopt "
    "forsaljning bestallning kob salg ordre satinalma satinalindi satis siparis zakup sprzedaz zamowienie kupiono "
    "nakup objednavka 購入 注文 購買 购买 下单 구매 주문 покупка заказ продажа",
    "refund": "refund refunded refunds return returned returns orderrefunded orderreturned ordercancelled ordercanceled "
    "refundedorder returnedorder cancelledorder canceledorder "
    "refundcreated refundissued storno retoure rucksendung ruckgabe erstattung gutschrift "
    "creditnote creditmemo remboursement retour avoir devolucion reembolso rimborso reso restituzione devolucao "
    "terugbetaling creditnota retur aterbetalning tilbagebetaling iade zwrot reklamacja vraceni 返品 返金 退款 "
    "退货 환불 반품 возврат",
    "checkout": "checkout begincheckout checkoutstarted startedcheckout initiatecheckout kasse caisse cassa afrekenen kassa "
    "odeme",
    "search": "search searched sitesearch suche recherche busqueda ricerca busca pesquisa zoekopdracht zoeken sok sokning "
    "arama wyszukiwanie 検索 搜索 검색 поиск",
    "impression": "impression impressions listview viewlist itemlistview",
    "click": "click clicked selectitem klick clic clique klik tiklama klikniecie クリック 点击 클릭 клик",
    "home_view": "homeview home homepage",
    "category_view": "categoryview viewcategory categoryviewed",
}
"""Words of shops for event types, written as in `KNOWN`."""
_BESIDE_REFUNDS = "payment invoice rechnung facture factura fattura fatura faktura factuur"
_REFUSES = re.compile(
    r"opt ?(?:ed ?)?out|unsub|abgem|abbest|abmeld|\bdo ?not\b|\bbounced\b|suppress|desinscri|desabon|desuscri|disiscri|"
    r"afgemeld|uitgeschr|avregistr|frameld|blacklist|blocklist|\bbaja\b|"
    r"^(?:no|not|kein\w*|sans|sin|senza|geen|ingen|inga) (?!of\b|de\b|von\b).*"
    r"(?:newsletter|mail|sms|push|contact|marketing|werbung|whatsapp|publicid)"
)
"""Words of a name, without accents and capitals, for who said no to messages."""
_OTHER_REFUSALS = re.compile(r"\b(?:track\w*|sales?|sell|cookies?|rate|count|number|reason|source|mailbox|anzahl|nb)\b")
_GONE = re.compile(
    r"hidden|inacti|inaktiv|disabled|deaktiv|delet|discontinu|remov|block|retired|obsolet|delist|withdrawn|end.?of.?(?:life|sale)|gesperrt|sperrkenn|loesch|auslauf|ausgelist|"
    r"supprim|elimina|borrad|descatalog|fuori.?produzione|verwijderd|geblokkeerd|usunie|smazan|silin"
)
"""Words of a name, without accents and capitals, for what is sold no more."""
_NAMED = ("item", "user", "order")
"""Concepts of which one column may hold the id and another one the name."""
_SALE = (
    "saleprice specialprice offerprice discountprice discountedprice pricesale promoprice promotionalprice angebotspreis aktionspreis "
    "sonderpreis prixpromo prixpromotionnel tarifpromo prixsolde preciooferta preciorebajado preciopromocional prezzoscontato "
    "prezzoofferta prezzopromozionale actieprijs aanbiedingsprijs precopromocional precodeoferta kampanjpris reapris tilbudspris "
    "indirimlifiyat cenapromocyjna cenaobnizona セール価格 特別価格 特価 促销价 할인가"
)
"""Names of columns with a price that goes before the usual one where it is given."""


def plain(name: str) -> str:
    """A name without capitals, accents, blanks and signs, but for those of a number: `Item #` is `itemno`."""
    return re.sub(r"[\W_]", "", re.sub(r"#|n°", "no", folded(name).lower()))


def says_kind(name: str) -> bool:
    """Tell whether a column's name says that it holds what happened."""
    return plain(name.rpartition(".")[2]) in _plain_words(_OF_KINDS)


def is_sale_price(name: str) -> bool:
    """Tell whether a column's name says that its price goes before the usual one."""
    return plain(name) in _plain_words(_SALE)


@cache
def _plain_words(words: str) -> frozenset[str]:
    return frozenset(map(plain, words.split()))


def says_state(name: str) -> bool:
    """Tell whether a column's name says that it may tell how an order stands."""
    return plain(name) in _STATES or rank("state", name) is not None


def says_no_order(name: str) -> bool:
    """Tell whether a column's name says that a yes in it is of a cancelled order, or of a test."""
    return says_cancelled(name) or rank("test", name) is not None


def says_valid(name: str) -> bool:
    """Tell whether a column's name says that a no in it is of an order that does not stand."""
    return rank("valid", name) is not None


def says_for_sale_by_name(name: str) -> bool:
    """Tell whether a column's name says that it tells what is for sale."""
    return plain(name) in _plain_words(_OF_ITEMS["available"]) or rank("available", name) is not None


def says_gone(name: str) -> bool:
    """Tell whether a column's name says that a mark, a moment or a yes in it is of an item that is sold no more."""
    return bool(_GONE.search(folded(name)))


def says_cancelled(name: str) -> bool:
    """Tell whether a column's name says that it holds the moment when an order was cancelled."""
    return plain(name) in _CANCELLED or rank("cancelled", name) is not None


def says_moment(name: str) -> bool:
    """Tell whether the name of a column that says cancelled says when, as `cancelled_at` does and `is_cancelled` does not."""
    return plain(name) in _CANCELLED or "date" in concepts(name) or bool(_AT.search(name.strip()))


def named(table: str, columns: Iterable[str], usable: Mapping[str, Collection[str]]) -> dict[str, str]:
    """The column that each canonical one is taken for by its name alone, each at most once; of nested names the last part counts.

    Names that the lists hold go before those whose words say it. usable: by canonical column, the columns whose values could be its
    own, and by table and canonical column those that are preferred; one that has its name is taken whatever stands in it, but for an
    `item_id` where another column that says id or SKU is preferred: a platform may call the numbers of its lines so.
    """
    left, found = list(columns), dict[str, str]()
    for canonical, words in KNOWN[table].items():
        ranked = [plain(each) for each in (*_LEFT_OVER.get(canonical, ()), canonical, *words.split())]
        ranks = {name: at for name in left if (at := _telling(canonical, name, ranked)) is not None}
        fits = {canonical, *usable.get(canonical, left)}
        its_own = {canonical} if canonical != "item_id" else set()
        preferred = fits & {*its_own, *usable.get(f"{table}.{canonical}", usable.get("filled", left))}
        if canonical == "item_id" and canonical in left and canonical not in preferred:
            preferred = {name for name in preferred if {"id", "sku"} & {*concepts(name)}}
        mine = {name: at for name, at in ranks.items() if name in preferred}
        mine = mine or {name: at for name, at in ranks.items() if name in fits}
        if mine:
            order = {name: (mine[name], left.index(name)) for name in mine}
            first = min(mine, key=order.__getitem__)
            found[canonical] = min((name for name in mine if _names_id(first, name)), key=order.__getitem__, default=first)
            left.remove(found[canonical])
    return found


def _names_id(bare: str, name: str) -> bool:
    """Tell whether a name says the id of what another one only names: `Artikelnummer` beside `Artikel`, which holds its title then."""
    said = concepts(bare)
    return len(said) == 1 and said[0] in _NAMED and concepts(name) in (tuple(sorted((*said, "id"))), ("item", "sku"))


def _telling(canonical: str, name: str, ranked: Sequence[str]) -> int | None:
    """Return how telling a name is, 0 the most; None where it says something else."""
    if canonical.startswith("consent") and refuses(name):
        return None
    last = plain(name.rpartition(".")[2])
    if last in ranked:
        return ranked.index(last)
    by_words = rank(canonical, name)
    return None if by_words is None else len(ranked) + by_words


def refuses(name: str) -> bool:
    """Tell whether a column's name says that a yes, or a moment, in it is of somebody who wants no messages."""
    words = re.sub(r"[\W_]+", " ", folded(name))
    return bool(_REFUSES.search(words)) and not _OTHER_REFUSALS.search(words)


def event_words(words: Iterable[str]) -> dict[str, str]:
    """The event type of each of a shop's words that is known; beside refunds alone a payment is the purchase, as Square writes it, and
    beside credit notes an invoice."""
    words = list(words)
    known = {plain(word): kind for kind, ranks in WORDS.items() for word in ranks.split()}
    found = {word: known[plain(word)] for word in words if plain(word) in known}
    if {*found.values()} == {"refund"}:
        found |= {word: "purchase" for word in words if plain(word) in _plain_words(_BESIDE_REFUNDS)}
    return found
