"""Kinds of events, told by the words of a column, and returns by negative quantities."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import polars as pl

from recsys.types import EVENT_TYPES
from training.onboarding.concepts import folded
from training.onboarding.files import Seen
from training.onboarding.names import event_words, plain, says_kind, says_state
from training.onboarding.proposal import Proposal
from training.onboarding.values import affirmed, texts

_BESIDE = r"[^\d()−–-]*"
_SIGNED = rf"\s*[-−–]{_BESIDE}\d|{_BESIDE}[-−–]\s*[.,]?\d"
_NEGATIVE = rf"^(?:{_SIGNED}|{_BESIDE}\({_BESIDE}\d[^()]*\){_BESIDE}$)|\d\s*[-−–]\s*$"
"""Numbers below 0 where a table's reader takes them for that: `-2`, `€ -2.00`, `(2)` and `2-`, but not `1.299,-` or `US-$ 2`."""
_SHOWN = 5
"""Most words that are named."""
_MOST_KINDS = 20
"""Most different words of a column that may say what happened in a shop's own words."""
_ALMOST_ALL = 0.9
"""Share of the rows that must hold words of events before a column is taken for them whatever it is called."""
_HALF, _FIFTH = 0.5, 0.2
_PAYMENT = re.compile(
    r"pay|paid|paiement|reglement|zahl|abrechn|pago|cobro|pagamento|betaal|betal|tender|odeme|plat[bn]|billing"
)
_OTHER_THINGS = re.compile(r"ship|deliver|versand|liefer|livraison|envio|customer|kund|client|price|preis|product|item")
_BETTER = 0.1
"""Share by which more rows must hold words of events than in the column whose name says that it tells what happened."""
_PAGES = (
    "home homepage homeview category categoryview cart basket warenkorb panier carrito carrello carrinho winkelwagen varukorg kurv "
    "handlekurv sepet koszyk kosik カート 장바구니 корзина checkout kasse caisse cassa kassa afrekenen odeme search sitesearch suche "
    "recherche busqueda ricerca busca pesquisa zoeken sok arama 検索 搜索 검색 поиск detail pdp productdetail productdetails "
    "productpage ficheproduit 商品詳細 商品详情"
)
_PLACES = frozenset(
    (
        "page",
        "pages",
        "pagetype",
        "url",
        "uri",
        "path",
        "screen",
        "template",
        "route",
        "referrer",
        "landing",
        "seite",
        "seitentyp",
    )
)
"""Words of a column's name that say where somebody was, and not what they did."""
_BEFORE = frozenset(
    [
        "previous",
        "prev",
        "prior",
        "last",
        "next",
        "source",
        "referrer",
        "referer",
        "medium",
        "vorherige",
        "vorige",
        "quelle",
        "precedent",
        "anterior",
    ]
)
"""Words of a column's name that say where somebody came from, or what they did before or after."""
_KINDS = frozenset(
    ["metric", "type", "typ", "tipo", "kind", "art", "behavior", "behaviour", "action", "evt", "op", "operation", "what"]
)
"""Words of a column's name under which words of events are what happened, with nothing to ask about other columns."""


_NO_SALE = re.compile(
    r"^(?:sales)?(?:quot|estimate|offer)|angebot|proforma|kostenvoranschlag|devis|presupuesto|preventivo|orcamento|lieferschein|"
    r"deliverynote|packingslip|bon(?:de)?livraison|albaran|pakbon|trasporto|orderconfirm|auftragsbest|orderbevest|oferta|^offert"
)
"""Kinds of documents, as `plain` writes them, that stand beside the one of the sale."""
_SALES = (
    re.compile(r"^(?:sales|ausgangs|tax)?(?:invoice|rechnung|facture|factura|fattura|fatura|faktura|factuur)"),
    re.compile(r"^(?:sales|kunden)?(?:order|auftrag|bestellung|commande|pedido|ordine|bestelling)$"),
)
"""Kinds of documents that tell a sale, the surest first."""
_LINES = frozenset(("orderedproduct", "orderedproducts", "productordered", "productpurchased"))
"""Words for one line of an order."""
_WHOLE_ORDERS = frozenset(("placedorder", "orderplaced", "ordercompleted", "completedorder"))
"""Words for an order as a whole, which a platform writes beside those of its lines."""
_OTHER_KINDS = frozenset(("view", "cart_add", "cart_remove", "checkout", "refund"))


def kinds_by_words(seen: Seen, columns: Mapping[str, str]) -> str:
    """The column whose words say what happened, whatever it is called; empty where none does.

    Nine in ten rows hold words of two kinds of events at least, or half of them under a name that says so if purchases are told from
    others, and more than in the one that its name tells. Pages (`cart`, `checkout`) are places, and buying is none; a column that is
    called one of pages is the last that is asked.
    """
    named_column = columns.get("event_type", "")
    taken = {own for name, own in columns.items() if name not in ("title", "event_type")}
    least = share_of_events(texts(seen.rows, named_column)) + _BETTER if named_column else 0.0
    others = (
        name
        for name in seen.usable["events.event_type"]
        if name not in taken
        and name != named_column
        and not says_state(name)
        and not _words_of(name) & _BEFORE
        and not is_of_payment(name)
    )
    fitting = {name: found for name in others if (found := _fitness(texts(seen.rows, name), seen.rows.height)) >= least}
    fitting = {
        name: found for name, found in fitting.items() if found >= (_HALF if _tells_apart(seen, name) else _ALMOST_ALL)
    }
    return min(fitting, key=lambda name: (_is_place(name), -fitting[name]), default=named_column)


def _tells_apart(seen: Seen, name: str) -> bool:
    """Tell whether a column's words say of some rows that they are purchases and of others that they are not: a word that nobody knows
    is asked for, where all would count as bought without the column."""
    kinds = {*event_words(texts(seen.rows, name).unique()).values()}
    return _is_called_so(name) and "purchase" in kinds and not kinds.isdisjoint(_OTHER_KINDS)


def _is_called_so(name: str) -> bool:
    """Tell whether a column's name says that it holds kinds of what happened, and not of customers, prices or ways of sending."""
    return (says_kind(name) or bool(_words_of(name) & _KINDS)) and not _OTHER_THINGS.search(folded(name))


def doubts_on_kinds(seen: Seen, columns: Mapping[str, str], named: str) -> list[str]:
    """Say what else may tell what happened, where the column that does is known by its words alone: the one that is `named` so, else
    others with few words in nearly every row."""
    own = columns.get("event_type", "")
    if not own or (named in ("", own) and (says_kind(own) or _words_of(own) & _KINDS)):
        return []
    left = [name for name in seen.rows.columns if name not in columns.values() and _may_tell(seen, name)]
    others = [name for name in left if name == named or says_kind(name)] or left
    if not others:
        return []
    words = texts(seen.rows, others[0]).value_counts(sort=True)[others[0]].head(_SHOWN)
    return [
        f"{own} is taken for what happened, by its words alone; {others[0]} may say it in the shop's own ({', '.join(words)}):"
        " if it does, set `event_type` to it and map its words under `event_types`"
    ]


def _may_tell(seen: Seen, name: str) -> bool:
    """Tell whether nearly every row has one of a few words in a column, and these are no pages and no yes and no."""
    text = texts(seen.rows, name)
    few = 2 <= text.n_unique() <= _MOST_KINDS and len(text) >= _ALMOST_ALL * seen.rows.height
    if not few or text.str.contains(r"^[\d.,-]+$").any() or affirmed(text):
        return False
    return not (known := event_words(text.unique())) or not _are_pages(known)


def pages(seen: Seen, columns: Mapping[str, str]) -> list[str]:
    """Columns that nothing else is taken from, with words that say where somebody was."""
    left = [name for name in seen.usable["events.event_type"] if name not in columns.values()]
    return [name for name in left if _are_pages(event_words(texts(seen.rows, name).unique()))]


def is_of_payment(name: str) -> bool:
    """Tell whether a column's name says how something was paid: an invoice is a way of paying there, and so is a credit note."""
    return bool(_PAYMENT.search(folded(name)))


def other_kinds(name: str, text: pl.Series) -> list[str]:
    """The words, of a few, that say that something else than a purchase happened: several in a fifth of the values, or any in a column
    that is called so; pages, which say where somebody was, are none."""
    words = text.unique(maintain_order=True)
    if not 2 <= len(words) <= _MOST_KINDS or text.str.contains(r"^[\d.,-]+$").any() or is_of_payment(name):
        return []
    known = event_words(words)
    found = [word for word, kind in known.items() if kind in _OTHER_KINDS and not _are_pages([word])]
    many = len(known) > 1 and int(text.is_in([*known]).sum()) >= _FIFTH * len(text)
    return found if many or _is_called_so(name) else []


def documents(text: pl.Series) -> dict[str, str]:
    """Tell what each of few kinds of documents is as an event, where some are no sale, such as quotes: the invoice is the purchase, or
    else the order, and "" is nothing; none where no word is a document of a sale."""
    words = text.unique(maintain_order=True).to_list() if text.n_unique() <= _MOST_KINDS else []
    if not any(_NO_SALE.search(plain(word)) for word in words):
        return {}
    sales = [
        (known, word) for known in _SALES for word in words if known.search(plain(word)) and not _NO_SALE.search(plain(word))
    ]
    returned = event_words(words)
    kinds = {word: "refund" if returned.get(word) == "refund" else "" for word in words}
    return kinds | {sales[0][1]: "purchase"} if sales else {}


def share_of_events(text: pl.Series) -> float:
    """Share of the values that are words of events, 0…1; pages are none."""
    known = event_words(text.unique())
    return 0.0 if _are_pages(known) else int(text.is_in([*known]).sum()) / max(1, len(text))


def _fitness(text: pl.Series, rows: int) -> float:
    """Share of the rows with a word of an event, 0…1; of one kind alone, or of pages, none."""
    return share_of_events(text) * len(text) / rows if len({*event_words(text.unique()).values()}) > 1 else 0.0


def _are_pages(words: Iterable[str]) -> bool:
    known = frozenset(map(plain, _PAGES.split()))
    return all(plain(word) in known for word in words)


def _is_place(name: str) -> bool:
    return bool(_PLACES & _words_of(name)) and not says_kind(name)


def _words_of(name: str) -> set[str]:
    return set(re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()))


def tell_words(found: Proposal, own: str) -> None:
    """Say what the words of a column mean, and ask for those that nobody knows."""
    counted = texts(found.rows, own).value_counts(sort=True)
    words = dict(counted.iter_rows())
    known = event_words(words)
    unlike = {word: kind for word, kind in known.items() if word != kind}
    whole = [word for word in known if plain(word) in _WHOLE_ORDERS]
    if whole and any(plain(word) in _LINES for word in known):
        unlike |= dict.fromkeys(whole, "")
        found.evidence.append(f"“{whole[0]}” is left out: another word tells each line of an order, which would count twice")
    if unlike:
        found.settings["event_types"] = unlike
        found.evidence += [
            f"“{word}” is {kind}: {words[word]:,} of the rows looked at" for word, kind in unlike.items() if kind
        ]
    for word in [word for word in words if word not in known and word not in EVENT_TYPES]:
        found.unsure.append(
            f'the word “{word}” of {own} ({words[word]:,} rows) is no event: map it under `event_types`, or to "" to leave it out'
        )


def tell_returns(found: Proposal) -> None:
    """Take rows of negative quantities, prices and totals for refunds; where most rows are such, ask."""
    columns = found.settings["columns"]
    for own in [columns[name] for name in ("quantity", "price", "amount") if isinstance(columns.get(name), str)]:
        text = texts(found.rows, own)
        if (negative := int(text.str.contains(_NEGATIVE).sum())) < 2:
            continue
        if negative * 2 > len(text):
            found.unsure.append(
                f"{own} is below 0 in {negative:,} of {len(text):,} rows, which count in nothing: if sales are written so, as in a"
                " ledger of stock, export them without the sign"
            )
            continue
        rules = found.settings.setdefault("type_rules", [])
        rules.append({"column": own, "pattern": _NEGATIVE, "event_type": "refund"})
        found.evidence.append(f"rows whose {own} is below 0 are refunds: {negative:,} of the rows looked at")
