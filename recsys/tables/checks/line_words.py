"""Words by which shops call the lines of orders that are no recommendation: postage, gift cards, samples, tests and fees.

Words are of two strengths. Sure ones take items out. A product that is taken out wrongly is hardly noticed, so doubtful
ones are only asked about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from recsys.categories import split_category
from recsys.settings.catalog import NeverKind


@dataclass(frozen=True, slots=True)
class LineWords:
    """Words of a kind, as regular expressions searched in any case in a title, an id (blanks for `-` and `_`) or a
    category's level.

    sure: no product is called so · doubtful: products may be called so, too · but: words that make a product of it (a holder for
    gift cards, tea with a free sample) · codes: ids that say it where a title agrees.
    """

    sure: str
    doubtful: str
    but: str
    codes: tuple[str, ...] = ()

    def called(self, items: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
        """Tell, bool[n] twice, which items go by a name of a kind surely, and which perhaps.

        A title says it by itself. Ids and categories say it where there is no title, or where the title may mean it, too.
        """
        spaced = pl.col("item_id").str.replace_all(r"[-_]+", " ")
        whether, surely = rf"(?i){self.sure}|{self.doubtful}", rf"(?i){self.sure}"
        levels = _levels(items["category"].drop_nulls().unique(), self)
        near = pl.any_horizontal(_has(pl.col("title"), whether), _has(spaced, whether), pl.col("category").is_in([*levels]))
        hits = items.with_row_index("at").filter(near & ~_has(pl.col("title"), rf"(?i){self.but}"))
        by_title = _has(pl.col("title"), whether)
        aside = (_has(spaced, surely) & ~_has(spaced, rf"(?i){self.but}")) | pl.col("category").is_in(
            [name for name, sure in levels.items() if sure]
        )
        coded = pl.col("item_id").is_in([*self.codes])
        agrees = pl.col("title").is_null() | by_title
        sure = hits.filter(_has(pl.col("title"), surely) | (aside & agrees) | (coded & by_title))["at"]
        rows = pl.int_range(items.height, eager=True, dtype=pl.UInt32)
        found = rows.is_in(sure.implode())
        return found, rows.is_in(hits["at"].implode()) & ~found


_GOES_ON = r"\s*[-–—:|/#(*,•$€£¥\d]"
"""What follows a word that begins a title: a sign between two things, or a number. Names of products go on so, too."""
_SIGN = r"(us|ca?|au?|nz)?[$€£¥₺₽₩]"
_CODE = r"(zł|kč|kr|ft|lei|tl|eur|usd|gbp|chf|cad|aud|pln|czk|sek|dkk|nok|huf|ron|jpy|euros?|ct|cents?|円|元|원|руб\.?)"
_NUMBER = r"\d([\d.,]|\s\d{3})*"
_MONEY = rf"(({_SIGN}|\b{_CODE})\s*{_NUMBER}(\s*{_CODE})?|{_NUMBER}(\s*({_SIGN}|{_CODE})|,-))"
_END = rf"\s*[-–—:|/#(*,•]?\s*({_MONEY}|{_NUMBER}(\s*%)?|{_SIGN}|\b{_CODE})?\)?\s*$"
"""What follows a word that says all of a title: its end, or nothing but an amount."""
_CARRIERS = (
    r"(dhl|ups|usps|fedex|dpd|gls|hermes|evri|royal mail|post(nl|nord)|inpost|colissimo|chronopost|mondial relay|correos)"
    r"( (express|ground|standard|economy|priority|international|tracked|home))?"
)
_PLACES = (
    r"de|at|ch|li|lu|fr|be|nl|gb|uk|ie|us|usa|ca|au|nz|es|pt|it|gr|pl|cz|sk|hu|ro|bg|hr|si|dk|se|no|fi|ee|lv|lt|tr|jp|eu|"
    r"(in|aus)land|deutschland|österreich|schweiz|europ[ae]|france|international|worldwide|domestic"
)
_WEIGHT = rf"((bis|up to|jusqu'à|hasta|fino a|max\.?|<|≤) ?)?{_NUMBER}(\s*[-–]\s*{_NUMBER})?\s*(kg|g|lbs?|oz)"
_SENT = rf"({_END}|\W+({_CARRIERS}|{_PLACES}|{_WEIGHT}|standard|express)\)?\s*$)"
"""What follows words for postage that say all of a title: an amount, a carrier, a country or a class of weight."""
_THINGS = (
    r"holder|box(es|en)?|boîte|envelope?s?|enveloppes?|wallet|tins?|stand|display|sleeve|template|bags?|case|frame|packs?|sets?|"
    r"wrap\w*|"
    r"tags?|ribbon|rack|labels?|tape|scales?|containers?|cartons?|pouch|sticker\w*|stamps?|paper|tray|\w*karton\w*|\w*halter|"
    r"\w*umschl[aä]g\w*|\w*hüllen?|etui\w*|\w*schachteln?|\w*taschen?|\w*verpackung\w*|\w*mappen?|\w*vorlagen?|kuverts?|\w*aufkleber|"
    r"\w*etiketten?|porte|pochettes?|étuis?|coffrets?|présentoirs?|étiquettes?|sobres?|cajas?|porta\w*|estuches?|fundas?|etiquetas?|"
    r"bust[ae]|scatol[ae]|custodi[ae]|houders?|do(os|zen|osje)|hoesjes?|verpakking|pudełk\w+|kopert\w+|opakowani\w+|naklejk\w+|"
    r"krabi[cč]k\w+|obálk\w+|pouzdr\w+|kutu\w*|zarf\w*|kılıf\w*|askar?|hållare|fodral|caixas?|doboz\w*|boríték\w*|плик|конверт\w*|"
    r"коробк\w+|упаковк\w+"
)
_POSTAGE = (
    r"shipping|postage|versand|livraison|lieferung|envíos?|spedizione|verzending|doprava|poštovné|dostawa|wysyłka|frakt|fragt|frete|"
    r"toimituskulut|kiszállítás|доставка|μεταφορικά|送料|运费|運費|配送料|배송비|דמי משלוח|الشحن"
)
_DELIVERY = (
    r"shipping|postage|post|delivery|freight|carriage|versand|liefer|porto|verzend|frakt|fragt|kargo|shipment|courier"
)
_GIFT_CARDS = (
    r"gift ?(cards?|vouchers?|certificates?)|geschenk(karten?|gutscheine?)|wertgutscheine?|gutscheine?|cartes?[- ]cadeaux?|"
    r"chèques?[- ]cadeaux?|tarjetas? (de )?regalo|buon[io] regalo|cadeau(bon|kaart)(nen|en)?|"
    r"dárkov[áéý] (kart[ay]|poukaz[y]?)|kart[ay] podarunkow[ae]|bon(y)? podarunkow[ey]|cart(ão|ões)[- ]presente|vales?[- ]presente|"
    r"presentkort|gavekort|lahjakort(ti|it)|hediye (kartı?|kartları|çeki?|çekleri)|ajándék(kártya|utalvány)|card(uri)? cadou|"
    r"δωροκάρτα|δωροεπιταγή|подарочн(ая|ые) карт[аы]|подарочный сертификат|подарочные сертификаты|שובר מתנה|כרטיס מתנה|بطاقة هدية"
)
_PAPERS = r"cart[ae] regalo"
"""Gift cards, or the paper around a gift."""
_ASIAN_GIFT_CARDS = r"ギフト(カード|券)|商品券|礼品卡|禮品卡|기프트카드|상품권"
_FREE = (
    r"gratis(proben?|artikel|beigaben?|geschenke?|zugaben?)|warenproben?|produktproben?|échantillons? (gratuits?|offerts?)|"
    r"muestras? (gratis|gratuitas?)|amostras? (grátis|gratuitas?)|campion(e|i|cin[oi]) (gratuit[oi]|omaggio)|"
    r"gratis (monsters?|proefjes?|samples?|proben?)|vzor(ek|ky) zdarma|(darmow[ae]|bezpłatn[ae]) próbk[ai]|próbk[ai] gratis|"
    r"gratisprov(er)?|gratis (vare)?prøver?|vareprøver?|ilmaisnäyte|ingyenes minta|mostră gratuită|ücretsiz (numune|örnek)|"
    r"бесплатн(ый|ые) (пробник|образец|пробники|образцы)|δωρεάν δείγμα(τα)?|דוגמית חינם|عينة مجانية"
)
_SAMPLED = r"product|fabric|tester|colou?r|material"
_ASIAN_FREE = r"無料サンプル|試供品|免费(试用装|样品|赠品)|무료 ?샘플|사은품"
_BESIDE = r"\+|&|\b(with|plus|and|incl|inkl|mit|und|samt|avec|et|con|y|com|e|met|en|z|se?|i|ve|med|och|og|és|cu|и|с)\b"
_TEST_ITEMS = (
    r"test (products?|items?|orders?|articles?|skus?)|test-?(artikel|produkte?|bestellung|product)|produit (de )?test|"
    r"article (de )?test|"
    r"(producto|artículo|pedido) de prueba|prodotto di (prova|test)|produto (de )?teste|produkt testowy|testovací (produkt|"
    r"zboží|položka)|"
    r"teszt ?termék|(test|deneme) ürünü|produs (de )?test|тестовый товар|δοκιμαστικό προϊόν|מוצר בדיקה|منتج تجريبي"
)
_PAYMENT = (
    r"payment|service|handling|transaction|processing|paypal|klarna|card|credit card|cod|cash on delivery|small order|recycling|"
    r"environmental|restocking|convenience|booking|admin(istration)?|amazon|bank"
)
_SHIPPING = rf"((free|express|standard|expedited|dotcom|international|domestic|next day|economy|priority) )*({_POSTAGE})"
_COSTS = (
    rf"(({_DELIVERY})(ung)?s?[- ]?(kosten|costs?|fees?|charges?|protection|insurance|pauschale|gebühr|ücreti|bedeli)|"
    r"frais de (port|livraison)|gastos de envío|costes? de envío|spese di spedizione|taxa de entrega|koszty? (dostawy|wysyłki)|"
    r"náklady na dopravu|szállítási (díj|költség)|taxă? de livrare|cost(uri)? (de )?livrare|стоимость доставки|"
    r"έξοδα αποστολής|رسوم الشحن)"
)
_WRAPS = (
    r"gift[- ]?wrap(ping)?|geschenkverpackung|als geschenk verpack(t|en)|(emballage|papier|paquet) cadeau|confezione regalo|"
    r"(papel|envoltorio|envoltura)( de| para)? regalo|embrulho( de| para)? presente|(cadeau|in)?inpakservice|cadeauverpakking|"
    r"pakowanie na prezent|presentinslagning|gave(ind|inn)pakning|hediye paketi|подарочная упаковка|ギフト包装|ラッピング"
)
"""Wrapping of a gift, as a whole title: a line of an order, or a box that is sold."""
_FEES = (
    rf"(({_PAYMENT}) ?(fees?|charges?|surcharges?)|adjust bad debt|surcharge|mwst\.?|sales tax|pfand|flaschenpfand|"
    r"(zahlungs|nachnahme|bearbeitungs|service)gebühr|trinkgeld|frais de (dossier|gestion|paiement)|"
    r"gastos de gestión|opłata (manipulacyjna|za płatność)|dobírka|手数料|手续费|수수료)"
)

LINE_WORDS: Mapping[NeverKind, LineWords] = {
    "shipping": LineWords(
        sure=rf"^({_SHIPPING}|{_COSTS}){_SENT}|^(free|standard|expedited|next day) (delivery|freight|carriage)$|"
        r"^express delivery$|^(package|order) (protection|insurance)$",
        doubtful=rf"^{_SHIPPING}{_GOES_ON}|^{_COSTS}(\W|$)|^(express|home) (delivery|freight|carriage)$|"
        r"^(ship|post|delivery|freight|carriage|dot|porto|kargo|cargo|transport|courier|consegna|entrega)$",
        but=rf"(^|\W)({_THINGS})s?(\W|$)",
        codes=("POST", "DOT", "C2"),
    ),
    "gift_cards": LineWords(
        sure=rf"^((the|our|an?|your|digital|virtual|electronic|online|physical|e-?) ?)*({_GIFT_CARDS}|{_ASIAN_GIFT_CARDS}|"
        rf"e-?gift){_END}|"
        rf"{_MONEY}\W*((e-?|digital|virtual|online) ?)?({_GIFT_CARDS}|{_ASIAN_GIFT_CARDS}|{_PAPERS})$|"
        rf"({_GIFT_CARDS}|{_ASIAN_GIFT_CARDS}|{_PAPERS})\W*{_MONEY}\)?\s*$|"
        rf"\b(e-?|(digital|virtual|electronic|online|virtuell\w*|digital\w*|elektronisch\w*) )({_GIFT_CARDS})$",
        doubtful=rf"(^|\W)e-?gift(\W|$)|(^|\W)({_GIFT_CARDS}|{_PAPERS})(\W|$)|{_ASIAN_GIFT_CARDS}|^gift \d+",
        but=rf"(^|\W)({_THINGS})s?(\W|$)",
    ),
    "samples": LineWords(
        sure=rf"^((free|gratis|{_SAMPLED}) )?(samples?|swatches)$|^({_SAMPLED}) swatch$|^pröbchen{_END}|"
        rf"^(free|gratis) (sample|swatch)(\W|$)|^(free|gratis) (samples|swatches)({_END}|\s*[-–—:|(])|"
        rf"^(free gift|gift with purchase|gwp)\s*($|[-–—:|(])|\(gwp\)|(^|\W)({_FREE})(\W|$)|{_ASIAN_FREE}|^サンプル$",
        doubtful=r"^(proben?|muster|swatch(es)?|échantillons?|muestras?|amostras?|próbk[ai]|vzor(ek|ky)|пробник\w*|proefjes?|numune|"
        r"campion[ei]|minta|sampel)$|"
        rf"^(({_SAMPLED}) )?(samples?|swatch(es)?){_GOES_ON}|(^|\W)pröbchen(\W|$)|^(free|gratis) (samples|swatches)(\W|$)|"
        rf"^(free gift|gwp|({_SAMPLED}) (samples?|swatch(es)?))(\W|$)|"
        r"gift with purchase|cadeaux? offerts?|"
        r"(stoff|duft|parfüm)(muster|proben?)|試用|试用装|サンプル",
        but=rf"({_BESIDE}).*(free (samples?|gifts?)|{_FREE}|{_ASIAN_FREE}|cadeaux? offerts?|gift with)|"
        r"\w[ -]free samples?|(^|\W)(sample|swatch)(es|s)? (packs?|packs|library|rate|rates?|book|box)(\W|$)",
        codes=("S", "SAMPLES"),
    ),
    "tests": LineWords(
        sure=rf"^tests?$|^({_TEST_ITEMS})({_END}|\W+(ignore|do not|don't)(\W|$))|テスト商品|测试(商品|产品)|測試商品|테스트 ?상품|"
        r"\btest\b.*\b(do not|don't) (buy|order|purchase)|^(please )?(do not|don't) (buy|order|purchase)[.! ]*$",
        doubtful=rf"^test[-_ ]?\d+$|^({_TEST_ITEMS})(\W|$)|^do not (buy|order|purchase|ship)(\W|$)",
        but=r"(^|\W)(stickers?|labels?|kits?|strips?|books?|magazine|schwangerschaft\w*|grossesse)(\W|$)",
    ),
    "fees": LineWords(
        sure=rf"^{_FEES}{_END}",
        doubtful=rf"^{_FEES}(\W|$)|^(manual|discount|rabatt|remise|descuento|sconto|cruk( commission)?|tips?|donation|spende|"
        rf"deposit|tax|vat|fee|gebühr|({_WRAPS})( (service|fee|charge))?)$",
        but=r"(^|\W)(books?|kits?|jars?|box(es|en)?|flaschen?|aufkleber|stickers?)(\W|$)",
        codes=("M", "m", "D", "B", "BANK CHARGES", "AMAZONFEE", "CRUK"),
    ),
}  # fmt: skip


def _levels(categories: pl.Series, words: LineWords) -> dict[str, bool]:
    """Categories with a level that goes by a name of a kind, and whether surely; none with a level that makes products of it."""
    rows = [(name, level) for name in categories for level in split_category(name)]
    levels = pl.DataFrame(rows, schema={"name": pl.String, "level": pl.String}, orient="row")
    is_word = pl.col("level").str.len_chars() > 2  # codes such as C2 are no category
    by_name = levels.group_by("name").agg(
        (is_word & _has(pl.col("level"), rf"(?i){words.sure}|{words.doubtful}")).any().alias("perhaps"),
        (is_word & _has(pl.col("level"), rf"(?i){words.sure}")).any().alias("sure"),
        _has(pl.col("level"), rf"(?i){words.but}").any().alias("but"),
    )
    return dict(by_name.filter(pl.col("perhaps") & ~pl.col("but")).select("name", "sure").iter_rows())


def _has(text: pl.Expr, pattern: str) -> pl.Expr:
    return text.str.contains(pattern).fill_null(False)
