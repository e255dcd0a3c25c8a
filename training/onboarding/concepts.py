"""Concepts that the words of a column's name stand for, such as "order" and "date", in the languages of shops.

`Référence commande`, `Bestellnummer`, `order.id` and `注文番号` all say order and id: names that no list holds are told by them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache

_WORDS: Mapping[str, str] = {
    "user": "user users kd kdnr username customer customers client clients member shopper visitor buyer purchaser soldtoparty party "
    "debitor kunde kunden käufer besteller cliente clientes acheteur utilisateur usuario comprador utente acquirente klant "
    "klanten koper kund kunder köpare køber musteri müşteri alıcı klient klienta kupujący zákazník zákazníka kupující "
    "asiakas vásárló ügyfél клиент покупатель 会員 顧客 お客様 購入者 注文者 客户 买家 고객 회원 kupującego kupca kupac πελάτης "
    "πελάτη αγοραστής 会员 會員 客戶 買家 عميل العميل الزبون לקוח קונה клієнт клієнта покупець",
    "account": "account",
    "order": "order salesorder transaction invoice receipt basket document doc voucherno bestellung bestell auftrag auftrags "
    "rechnung rechnungs beleg belegs bon vorgang commande facture pedido factura ordine fattura encomenda fatura "
    "bestelling factuur bestel beställning ordre faktura sipariş zamówienie zamówienia faktury objednávka objednávky "
    "tilaus rendelés számla заказ заказа 注文 受注 伝票 订单 주문 comandă comenzii comenzi παραγγελία παραγγελίας 訂單 طلب الطلب "
    "הזמנה замовлення narudžba narudžbe fiş fişi",
    "item": "item items product products article articles goods material merchandise stockkeeping ware artikel produkt "
    "produkte produkter vara varen vare produit produits producto productos artículo articulo prodotto prodotti "
    "articolo produto produtos artigo producten urun ürün produktu towar towaru produkty zboží výrobek tuote termék "
    "cikk товар товара 商品 製品 品目 产品 상품 tovar tovaru produs produse produsului προϊόν προϊόντος منتج المنتج מוצר товару "
    "proizvod proizvoda artikl artikla tuotteen 宝贝",
    "sku": "sku asin ean gtin barcode ugs 品番 货号 артикул sygnatura symbol šifra מקט",
    "kind": "art",
    "buy": "orders purchase purchases compra acquisto",
    "id": "id ids no nr nro num number numbers code key ref reference identifier uid uuid guid nummer numéro numero número "
    "código codigo codice cod codes réf référence referencia riferimento referência kod kodu kodas numer nomer "
    "identyfikator číslo kód tunnus szám azonosító номер код 番号 コード 编号 号 번호 코드 koodi κωδικός αριθμός număr numărul "
    "رقم رمز מספר קוד broj 編號 编码 編碼",
    "date": "date day time datetime timestamp dt when wann quand cuándo quando wanneer hvornår kiedy kdy milloin mikor când когда "
    "коли πότε متى מתי いつ 何时 언제 datum zeit zeitpunkt uhrzeit tag data jour heure fecha hora día ora giorno "
    "dia tijd tijdstip tid dato tidspunkt tarih tarihi zaman saat dzień czas čas päivä aika dátum idő дата время 日時 "
    "日付 年月日 日 时间 日期 일시 날짜 dátuma ημερομηνία تاريخ תאריך 時間",
    "made": "created creation placed ordered purchased bought made posting posted sold sale sales selling venta venda "
    "occurred erstellt angelegt bestellt gekauft création créé créée creado creación creato creazione criado criação "
    "aangemaakt skapad oprettet opprettet oluşturma złożenia złożono utworzenia vytvoření vytvořeno luotu létrehozva создан "
    "создания 作成 购买 下单 创建 訂購",
    "quantity": "quantity qty quantities units pieces pcs count menge mengen anzahl anz stück stückzahl stk quantité qté qte "
    "cantidad cant unidades uds quantità qta qtà pezzi quantidade qtd qtde aantal stuks antal st adet miktar ilość "
    "sztuk množství kusů ks määrä kpl mennyiség db количество кол штук 数量 個数 件数 수량 cantitate ποσότητα 數量 كمية الكمية "
    "כמות кількість množstvo količina liczba",
    "price": "price prices preis preise prix tarif valor precio prezzo preço preco prijs prijzen pris fiyat fiyatı cena ceny hinta "
    "ár цена 価格 値段 单价 가격 preț prețul τιμή سعر السعر מחיר ціна cijena 판매가 pvp 販売単価",
    "unit": "unit each einzel einzeln stückpreis unitaire unitario unitaria unitário unité per pro eenheid stuk enhet styck styk "
    "birim jednostkowa jednostkowy jednotková kus yksikkö egység единицу 単価 单位 unitar μονάδας الوحدة وحدة יחידה 單價",
    "total": "total totals amount subtotal sum revenue turnover gesamt gesamtpreis summe betrag umsatz montant totale importe "
    "importo totaal bedrag belopp beløb tutar toplam kwota suma razem wartość celkem částka summa összeg összesen "
    "сумма итого 合計 金額 总价 金额 합계 금액 σύνολο المجموع مجموع סהכ spolu ukupno 小計 小计 сума",
    "line": "line lines row lineitem position positions pos zeile zeilen ligne lignes línea linea riga linha regel regels rad "
    "linje satır pozycja řádek rivi sor 明細 行",
    "currency": "currency coin währung devise moneda valuta moeda waluta parabirimi döviz měna valuutta pénznem валюта 通貨 货币 "
    "valută νόμισμα",
    "name": "name names title label naam bezeichnung titel nom titre libellé désignation nombre título nome titolo navn namn "
    "isim adı ad nazwa název nimi név название наименование 名 名称 denumire denumirea όνομα 名稱 اسم שם назва názov naziv",
    "brand": "brand brands vendor manufacturer maker marke hersteller marque fabricant marca fabricante produttore merk "
    "fabrikant märke tillverkare mærke producent marka üretici značka výrobce merkki márka gyártó бренд "
    "производитель ブランド メーカー 品牌 브랜드",
    "category": "category categories categoryname kategorie kategorien warengruppe catégorie catégories categoría categoria "
    "categorie kategori kategoria kategorie rubrik kategória luokka категория カテゴリ カテゴリー 分类 카테고리",
    "bill": "bill billing facturation facturación fatturazione faturamento facturering fakturering",
    "contact": "contact kontakt contacto contatto contato iletişim",
    "card": "card karte karten carte tarjeta tessera carta cartão kaart kort karta kart",
    "mail": "mail email emailaddress epost eposta correo courriel post posta mailadresse emailadresse メール "
    "メールアドレス 邮箱 이메일 почта",
    "address": "address addr adresse adres adress direccion indirizzo endereço electronico électronique elettronica アドレス",
    "state": "status state stand zustand statut état estado situación stato situação durum durumu tila stav állapot статус "
    "состояние ステータス 状態 状态 상태 stare κατάσταση 狀態 حالة الحالة סטטוס",
    "cancel": "cancel cancelled canceled cancellation cancelation voided void storno storniert stornierung annulation annulé "
    "annulée annulé anulación anulado cancelación cancelado annullamento annullato cancelamento anulação "
    "geannuleerd annulering avbruten makulerad annulleret annullering iptal anulowano anulowania anulowane storna "
    "zrušeno zrušení peruttu törlés отмена отмены отменен キャンセル 取消 취소",
    "test": "test tests testing testbestellung prueba prova teste essai テスト",
    "valid": "valid valide valido válido gültig geldig giltig ważne platná gyldig geçerli",
    "return": "return returns returned refund refunded rückgabe retoure retourniert zurückgegeben erstattet retour retourné "
    "retournée remboursé remboursement devuelto devolución reembolsado reembolso reso restituito rimborsato rimborso "
    "devolvido devolução geretourneerd retur returnerad returneret återbetald iade zwrot zwrócony zwrócone vráceno "
    "palautettu возврат 返品 返金 退货 退款 반품 환불",
    "pay": "payment pay paid financial zahlung zahl bezahlt paiement pago pagamento betaling betalning ödeme płatność "
    "platba maksu оплата оплаты 支払 支払い 付款 결제",
    "ship": "ship shipping shipped shipment delivery delivered fulfillment fulfilment freight versand lieferung liefer "
    "livraison envío envio entrega spedizione consegna verzending levering leverans frakt kargo teslimat wysyłka "
    "dostawa doprava 配送 出荷 发货 배송",
    "stock": "stock onhand hand soh inventory onhand lagerbestand bestand lager existencias inventario giacenza estoque voorraad "
    "lagersaldo lagerantal stok stanmagazynowy zapas sklad zásoba varasto készlet остаток остатки 在庫 在庫数 "
    "库存 재고 재고수량",
    "available": "available availability instock verfügbar verfügbarkeit lieferbar lieferstatus disponible disponibilité "
    "disponibilidad disponibile disponibilità disponível disponibilidade beschikbaar beschikbaarheid leverbaar "
    "tillgänglig tillgänglighet tilgængelig mevcut dostępność dostępny dostupnost saatavuus наличие 在庫状況 "
    "販売状態 재고상태",
    "published": "published visible visibility active enabled online shown sichtbar sichtbarkeit aktiv veröffentlicht visible "
    "actif publié publicado activo pubblicato attivo ativo zichtbaar gepubliceerd synlig aktif yayında "
    "opublikowany aktywny viditelný 公開 公開状態",
    "parent": "parent handle master variantgroup",
    "group": "group gruppe gruppen groupe grupo gruppo groep grupp grup grupa skupina グループ",
    "cost": "cost einkaufspreis coût costo coste custo kostprijs inköpspris maliyet koszt náklad 原価 仕入価格",
    "link": "url link page permalink adresse lien enlace collegamento länk odkaz ссылка リンク",
    "image": "image picture photo img bild foto imagen immagine imagem afbeelding resim görsel zdjęcie obrázek изображение "
    "画像 图片 이미지",
    "text": "description beschreibung descripción descrizione descrição beschrijving beskrivning beskrivelse açıklama opis "
    "popis kuvaus leírás описание 説明 描述 설명 περιγραφή",
    "tax": "tax taxes vat steuer steuern mwst ust taxe tasse impuesto impuestos imposto impostos imposta imposte iva tva btw moms "
    "podatek vergi kdv daň dph налог ндс alv áfa φπα gst 税 消費税 税額 税额 부가세",
    "other": "discount fee store shop company country city zip postal phone street birth birthday due "
    "update updated modified list old compare competitor weight age first last expected "
    "rating rabatt gebühr filiale land stadt plz telefon geburt geburtstag fällig gewicht alt remise "
    "magasin pays ville naissance descuento tienda país ciudad sconto negozio paese desconto loja "
    "korting winkel rabat butik indirim mağaza sklep sleva obchod скидка магазин "
    "割引 店舗 生年 더",
    "": "amazon ebay etsy gmt utc iso machine "
    "税込 税抜 管理 za internal sell the of de du des da do di del della la le el l d e vk ttc ht incl inkl inc excl brutto "
    "netto am net gross bruto neto mwst is in at on level current to my our overall event data lineitems cart properties attributes "
    "payload",
}
_LETTERS = str.maketrans({
    "ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ł": "l", "ı": "i", "ø": "o", "æ": "ae", "đ": "d", "ð": "d", "þ": "th", "œ": "oe",
})  # fmt: skip


def folded(text: str) -> str:
    """A text without capitals and accents."""
    spelled = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    return "".join(each for each in spelled if not unicodedata.combining(each))


_LINKS = ("s", "n", "es", "en", "e")
"""Letters between the parts of a compound."""
_NOTHING = ""
_SHORTEST = 3
"""Letters of a word that may be a part of a compound, where letters are not whole words."""
_LONGEST = 40
"""Letters of a word that is looked into."""
MEANT: Mapping[str, tuple[str, ...]] = {
    "user_id": (
        "user id", "user", "user mail", "mail", "user mail address", "mail address", "bill mail", "contact mail",
        "bill mail address", "contact mail address", "mail order", "made user", "card user", "card id user", "contact id",
        "account user", "account id user", "account mail",
        "account", "account id",
    ),
    "order_id": ("order id", "order", "buy id", "buy order", "made id", "made order", "made order id"),
    "item_id": ("item id", "sku", "item sku", "item", "kind id", "sku id", "item sku id", "stock id", "stock item id"),
    "timestamp": (
        "order date", "order made date", "order made", "made date", "buy date", "date", "made", "order date date",
        "order made date date", "pay",
    ),
    "quantity": ("quantity", "item quantity", "order item quantity", "order quantity", "made quantity", "buy quantity",
        "quantity sku"),
    "price": (
        "price unit", "price", "unit", "item price", "item price unit", "made price", "price unit total",
        "item price unit total",
        "price quantity", "price unit quantity", "made price sku", "price sku",
    ),
    "amount": ("line total", "item total", "price total", "line item total", "line price", "total",),
    "currency": ("currency", "currency id", "order currency", "price currency", "item currency"),
    "title": ("item name", "line name", "item"),
    "brand": ("brand", "brand name", "item brand"),
    "category": ("category", "category name", "item category", "item category name", "item group", "item group name"),
    "stock": ("stock", "stock quantity", "item stock", "available quantity", "available stock", "stock unit",
        "available", "item available"),
    "available": ("available", "item available", "available state", "stock state"),
    "published": ("published", "item published", "published state", "item state"),
    "group_id": ("parent id", "parent", "parent sku", "item parent", "item parent id", "group id", "item group id"),
    "cost": ("cost", "cost price", "item cost", "cost unit"),
    "url": ("link", "item link"),
    "image_url": ("image", "image link", "item image", "item image link"),
    "description": ("text", "item text"),
    "test": ("test", "order test"),
    "valid": ("valid", "order valid"),
    "state": (
        "state id", "order state id", "pay state id", "state", "order state", "pay state", "order state name",
        "state name", "order pay state",
    ),
    "returned": (
        "return", "item return", "order return", "line return", "return date", "return made", "return state", "return quantity",
        "return id", "return total", "item return quantity", "order return quantity",
        "cancel quantity", "item cancel quantity",
    ),
    "cancelled": (
        "cancel date", "order cancel date", "cancel", "order cancel", "cancel made", "made cancel date", "order cancel date date",
    ),
}  # fmt: skip
"""By canonical column, and for an order's state and the moment of its cancellation: concepts of a name, the most telling first."""
_MEANT = {
    name: {tuple(sorted(set(each.split()))): at for at, each in reversed(list(enumerate(hints)))}
    for name, hints in MEANT.items()
}
_WHOLE = {said for known in _MEANT.values() for said in known}
_NET_WORDS = (
    "excl exkl excluding excluded without exclus excluida exclusief "
    "escluso esclusa escluse hariç ex ht hors net netto neto senza sin sem zzgl bez ohne без 税抜"
)
_GROSS_WORDS = (
    "incl inkl inc including included inclus incluido incluida incluso inclusi inclusa incluse inclusief "
    "dahil brutto bruto gross ttc comprises compresa compresi con com mit med z с"
)
_NET = frozenset(map(folded, _NET_WORDS.split()))
_SAYS_WHETHER = _NET | frozenset(map(folded, _GROSS_WORDS.split()))
"""Words that say whether taxes are in a price."""
_BESIDE_TAX = _SAYS_WHETHER - {"ht", "ttc", "net", "netto", "neto", "gross", "brutto", "bruto"} | frozenset(
    ("with", "before", "after", "plus", "s", "se", "ve")
)
"""Words that, next to the word for taxes, say whether they are in a price: of `Total excl. tax`, and not of `Net tax amount`."""
_BETWEEN = frozenset(("of", "de", "la", "le", "les", "l", "el", "d", "the", "der", "die", "toutes"))
"""Words that may stand between the two."""
_LESS = re.compile(r"\(\s*[-−][^)]*\)")
"""What is taken off already, as in `Quantity (- Refund)`."""
_COUNTED = re.compile(
    r"^(?:number|no|nr|num)\b.*\b(?:items|products|articles|orders|customers|users)$|^(?:order|customer|user)s? count$"
)
"""Names such as `Number of items`, which count and are no number of one."""


def rank(canonical: str, name: str) -> int | None:
    """Return how telling a name's words are for a canonical column, 0 the most; None where they do not say it."""
    said, known = concepts(name), _MEANT.get(canonical, {})
    inside = tuple(each for each in said if each != "line")
    at = known.get(said if said in _WHOLE else inside)
    return None if at is None else 2 * at + says_net(name)


def concepts(name: str) -> tuple[str, ...]:
    """The concepts of a name's words, each once, sorted; none where a word is unknown."""
    head, _, inside = name.partition("/")
    if inside and concepts(head) == ("line", "order"):  # a path as Odoo writes it, `Order Lines/Product`
        return concepts(inside)
    words = _split(name)
    if _COUNTED.match(" ".join(words)):
        return ()
    whole = _known().get("".join(words))
    found = [whole] if whole else [concept for word in _without_taxes(words) for concept in _parts(word)]
    hints = {each for each in found if each}
    return () if "?" in found else tuple(sorted(hints))


def says_net(name: str) -> bool:
    """Tell whether a name says that its money is without taxes."""
    return bool(_NET & set(_split(name)))


def _without_taxes(words: Sequence[str]) -> Sequence[str]:
    """The words of a name but those that only say whether taxes are in a price: `net of tax`, `tax excl.`, `IVA inclusa`."""
    known = _known()
    taxes = [at for at, word in enumerate(words) if known.get(word) == "tax"]
    for at in taxes:
        before = at - 1
        while before >= 0 and words[before] in _BETWEEN:
            before -= 1
        if before >= 0 and (words[before] in _BESIDE_TAX or (words[before] in _NET and before < at - 1)):
            return [*words[:before], *_without_taxes(words[at + 1 :])]
        if words[at + 1 : at + 2] and words[at + 1] in _BESIDE_TAX and words[at + 2 : at + 3] != ["in"]:
            return [*words[: before + 1], *_without_taxes(words[at + 2 :])]
    return words


def _split(name: str) -> list[str]:
    apart = re.sub(
        r"(?<=[^\W\d_])(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])",
        " ",
        _LESS.sub("", unicodedata.normalize("NFKC", name)).replace("MwSt", "mwst").replace("USt", "ust"),
    )
    return re.findall(r"[^\W\d_]+", folded(apart).replace("№", "no").replace("n°", " no ").replace("#", " no "))


@cache
def _known() -> Mapping[str, str]:
    hints = {folded(word): concept for concept, words in reversed(list(_WORDS.items())) for word in words.split()}
    return dict.fromkeys(_SAYS_WHETHER, "") | hints


@lru_cache(maxsize=4_096)
def _parts(word: str) -> tuple[str, ...]:
    """The concepts of a word, or of the parts of a compound; `?` where no parts make it up."""
    known = _known()
    if word in known:
        return (known[word],)
    if len(word) > _LONGEST:
        return ("?",)
    latin = word.isascii()
    for end in range(len(word) - 1, 0, -1):
        start, rest = word[:end], word[end:]
        if start not in known or (latin and end < _SHORTEST):
            continue
        for link in (_NOTHING, *_LINKS) if latin else (_NOTHING,):
            left = rest.removeprefix(link)
            if rest.startswith(link) and left and (len(left) >= 2 or not latin) and "?" not in (after := _parts(left)):
                return (known[start], *after)
    return ("?",)
