"""Words for yes and no: of languages, platforms and a shop's own."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import pytest

from recsys.tables.values.words import Meaning, read_words


def said(meaning: Meaning, *words: str, yes: Sequence[str] = (), no: Sequence[str] = ()) -> list[bool | None]:
    """What words mean."""
    return pl.DataFrame({"word": list(words)}).select(read_words(pl.col("word"), meaning, yes, no)).to_series().to_list()


@pytest.mark.parametrize(
    ("meaning", "words", "value"),
    [
        ("flag", ["true", "YES", " ja ", "Oui", "sí", "да", "1", "1.0"], True),
        ("flag", ["false", "No", "nein", "NON", "não", "нет", "0", "0.0", "-1"], False),
        (
            "availability",
            ["In stock", "instock", "InStock", "in_stock", "https://schema.org/InStock", "active", "live"],
            True,
        ),
        ("availability", ["outofstock", "OutOfStock", "out_of_stock", "out-of-stock", "Sold out", "SoldOut"], False),
        ("availability", ["draft", "archived", "hidden", "discontinued", "http://schema.org/Discontinued", "nein"], False),
        ("availability", ["preorder", "PreOrder", "backorder", "on backorder"], False),
        ("consent", ["subscribed", "opt-in", "Opted in", "yes"], True),
        ("consent", ["unsubscribed", "opt-out", "opted_out", "bounced", "pending", "no"], False),
        ("order", ["paid", "completed", "Partially refunded", "partly refunded", "shipped_partially"], True),
        ("order", ["cancelled", "canceled", "voided", "refunded", "failed", "pending", "storniert"], False),
        (
            "availability",
            ["Auf Lager!", "en existencia", "w magazynie", "készleten", "есть в наличии", "在庫あり", "재고 있음"],
            True,
        ),
        (
            "availability",
            ["nicht verfuegbar", "sin existencias", "brak w magazynie", "ikke på lager", "품절", "売り切れ", "tükendi"],
            False,
        ),
        ("availability", ["temporarily out of stock", "schema:OutOfStock", "coming soon", "Not for sale."], False),
        (
            "consent",
            ["not opted in", "no suscrito", "nicht erteilt", "odhlášen", "отписан", "hard bounce", "soft opt-in"],
            False,
        ),
        ("order", ["wc-processing", "In Bearbeitung", "Payment accepted", "w realizacji", "доставлен", "已完成"], True),
        (
            "order",
            ["wc-on-hold", "Zahlung ausstehend", "Erreur de paiement", "İptal edildi", "отменён", "キャンセル", "not paid"],
            False,
        ),
        (
            "order",
            [
                "On backorder (paid)",
                "Bezorgd",
                "Slutförd",
                "Betald",
                "処理中",
                "Tamamlandı",
                "En préparation",
                "Zrealizowane",
            ],
            True,
        ),
        (
            "order",
            ["On backorder (not paid)", "In afwachting van betaling", "Väntar på betalning", "入金待ち", "İade Edildi"],
            False,
        ),
        (
            "order",
            ["Oczekujące na płatność", "Aguardando pagamento", "En espera", "In sospeso", "Warten auf Zahlungseingang"],
            False,
        ),
        (
            "availability",
            ["Veröffentlicht", "Publié", "Disponibile", "Beschikbaar", "Finns i lager", "Yayında", "公開中"],
            True,
        ),
        (
            "availability",
            ["Gesperrt", "Désactivé", "Descatalogado", "Fuori produzione", "Ej i lager", "Ön sipariş", "廃盤"],
            False,
        ),
        (
            "availability",
            ["Not visible individually", "No longer available", "Na zamówienie", "Sob encomenda", "Uit assortiment"],
            False,
        ),
        ("consent", ["Einwilligung erteilt", "Aceptado", "Akkoord", "İzin verildi", "同意済み"], True),
        ("consent", ["Unbestätigt", "Refusé", "No acepta", "Ej samtycke", "İzin yok", "同意しない"], False),
        ("flag", ["maybe", "", "2", "in stock"], None),
        ("availability", ["unbekannt", "14"], None),
        ("consent", ["in stock", "see notes"], None),
        ("order", ["yes", "true", "4711"], None),
    ],
)
def test_words_of_platforms_and_languages(meaning: Meaning, words: list[str], value: bool | None) -> None:
    """Letter case, blanks, dashes and schema.org's address make no difference; a word of another meaning is none."""
    assert said(meaning, *words) == [value] * len(words)


def test_a_shops_own_words_come_first() -> None:
    """`yes` and `no` add words, and override those that are known; they are as tolerant as the others."""
    assert said("availability", "pre-order", "AUF ANFRAGE", "yes", yes=["Preorder"], no=["auf Anfrage"]) == [
        True,
        False,
        True,
    ]
    assert said("availability", "active", no=["Active"]) == [False]
