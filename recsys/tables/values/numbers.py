"""Numbers as shops write them: decimal mark, thousands, sign, currency and unit; null where a text can be read in two ways.

A text that proves its decimal mark by itself (`1.234,56`, `12,5`, `1,29,900.00`) is read by it. One that does not (`1,299`) is read by
the mark of its column, and by none where the column proves none or both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import polars as pl

from recsys.tables.values.digits import with_plain_digits

Mark = Literal[".", ",", ""]
"""Decimal mark of a column; empty: only what proves its own is read."""

_CODES = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY COP CRC "
    "CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK "
    "JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN "
    "NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC "
    "SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWL"
)
_DOLLARS = (
    "USD AUD CAD NZD HKD SGD TWD MXN ARS CLP COP UYU BRL JMD TTD BBD BSD BZD FJD GYD KYD LRD NAD SBD SRD XCD BMD BND CUP DOP TOP "
    "NIO"
)
SHARED_SIGNS: Mapping[str, frozenset[str]] = {
    "$": frozenset(_DOLLARS.split()), "DOLLAR": frozenset(_DOLLARS.split()), "¥": frozenset({"JPY", "CNY"}),
    "￥": frozenset({"JPY", "CNY"}), **dict.fromkeys(("KR", "KR."), frozenset({"SEK", "NOK", "DKK", "ISK"})),
    "R": frozenset({"ZAR", "BRL"}), "FR": frozenset({"CHF", "XOF", "XAF", "XPF"}),
    "RS": frozenset({"INR", "PKR", "LKR", "NPR", "MUR"}), "RS.": frozenset({"INR", "PKR", "LKR", "NPR", "MUR"}),
    "₨": frozenset({"INR", "PKR", "LKR", "NPR", "MUR"}), "BS": frozenset({"BOB", "VES"}), "BS.": frozenset({"BOB", "VES"}),
    "₡": frozenset({"CRC"}), "DIN": frozenset({"RSD"}),
}  # fmt: skip
"""Signs that several currencies share, so that they name none, and these currencies."""
_SIGNS: Mapping[str, str] = {
    "€": "EUR", "EURO": "EUR", "EUROS": "EUR", "£": "GBP", "₹": "INR", "₽": "RUB", "РУБ": "RUB", "РУБ.": "RUB", "Р.": "RUB",
    "Р": "RUB", "₺": "TRY", "TL": "TRY", "₩": "KRW", "￦": "KRW", "원": "KRW", "₫": "VND", "Đ": "VND", "VNĐ": "VND", "ZŁ": "PLN",
    "ZŁ.": "PLN", "ZL": "PLN", "KČ": "CZK", "KČ.": "CZK", "FT": "HUF", "FT.": "HUF", "ЛВ": "BGN", "ЛВ.": "BGN", "LEI": "RON",
    "₪": "ILS", "฿": "THB", "บาท": "THB", "₴": "UAH", "ГРН": "UAH", "ГРН.": "UAH", "₸": "KZT", "ТГ": "KZT", "ТГ.": "KZT",
    "₦": "NGN", "₱": "PHP", "FR.": "CHF", "SFR.": "CHF", "RP": "IDR", "RP.": "IDR", "RM": "MYR", "S/": "PEN", "S/.": "PEN",
    "₲": "PYG", "GS.": "PYG", "B/.": "PAB", "৳": "BDT", "TK.": "BDT", "KSH": "KES", "KSH.": "KES", "TSH": "TZS", "USH": "UGX",
    "GH₵": "GHS", "₵": "GHS", "E£": "EGP", "LE": "EGP", "DH": "MAD", "DHS": "AED", "DHS.": "AED", "د.إ": "AED", "ر.س": "SAR",
    "SR": "SAR", "SAR.": "SAR", "BD": "BHD", "KD": "KWD", "د.ك": "KWD", "₭": "LAK", "៛": "KHR", "₮": "MNT", "₾": "GEL", "₼": "AZN",
    "֏": "AMD", "ДЕН": "MKD", "ДЕН.": "MKD", "ДИН": "RSD", "ДИН.": "RSD", "KN": "HRK", "СОМ": "KGS", "СУМ": "UZS", "円": "JPY",
    "元": "CNY", "US$": "USD", "USD$": "USD", "CA$": "CAD", "C$": "CAD", "AU$": "AUD", "A$": "AUD", "NZ$": "NZD", "HK$": "HKD",
    "S$": "SGD", "R$": "BRL", "MX$": "MXN", "NT$": "TWD", "CN¥": "CNY", "RMB": "CNY", "JP¥": "JPY", "AR$": "ARS", "COL$": "COP",
    "RD$": "DOP", "J$": "JMD", "$U": "UYU", "TT$": "TTD", **{f"{code}$": code for code in _DOLLARS.split()},
}  # fmt: skip
"""Signs and the one currency that each names."""
_NO_CENTS = frozenset(
    [
        "IDR",
        "VND",
        "CLP",
        "COP",
        "PYG",
        "KRW",
        "JPY",
        "ISK",
        "HUF",
        "LAK",
        "UZS",
        "IRR",
        "UGX",
        "TZS",
        "RWF",
        "XOF",
        "XAF",
        "CRC",
    ]
)
"""Currencies that no shop writes with three digits behind a decimal mark: in 12.500 the point stands between thousands."""
_THOUSANDTHS = frozenset(["KWD", "BHD", "OMR", "JOD", "TND", "LYD"])
"""Currencies that are written with three digits behind a decimal mark."""
_UNITS = (
    "pcs pcs. pc pc. pce piece pieces unit units item items ea each x qty left available stk stk. stck stück stueck st st. szt szt. "
    "ks kom kom. db uds uds. ud ud. unid unidades un un. unité unités pièce pièces pz pz. pezzi pezzo шт шт. adet tk gab 個 个 件 点"
)
UNITS = tuple(_UNITS.split())
"""Words that may stand beside a number of units."""
_CURRENCIES: Mapping[str, str | None] = {**{code: code for code in _CODES.split()}, **_SIGNS, **dict.fromkeys(SHARED_SIGNS)}
_AGREEING = tuple(f"{sign} {code}" for sign, codes in SHARED_SIGNS.items() for code in sorted(codes))
"""A sign and a code that may stand on both sides of a number, as in $12.00 USD."""

_WHOLE = r"^\d+\.?$"
_EXPONENT = r"^\d+(?:\.\d+)?[eE][+-]?\d+$"
_GROUPED = r"^\d{1,3}(?:[\s'’`]\d{3})+$"
_COMMA = (
    r"^\d{1,3}(?:\.\d{3})+,\d+$|^\d{1,3}(?:\.\d{3}){2,}$|^\d{1,3}(?:[\s'’`]\d{3})+,\d+$"
    r"|^\d+,\d{1,2}$|^\d*,\d{4,}$|^0+,\d+$|^\d{4,},\d+$|^,\d+$"
)
_POINT = (
    r"^\d{1,3}(?:,\d{2,3})*,\d{3}\.\d+$|^\d{1,3}(?:,\d{2,3})+,\d{3}$|^\d{1,3}(?:[\s'’`]\d{3})+\.\d+$"
    r"|^\d+\.\d{1,2}$|^\d*\.\d{4,}$|^0+\.\d+$|^\d{4,}\.\d+$|^\.\d+$|^\d*(?:[\s'’`]\d{3})*٫\d+$"
)
EITHER_COMMA, EITHER_POINT = r"^[1-9]\d{0,2},\d{3}$", r"^[1-9]\d{0,2}\.\d{3}$"
_BESIDE = r"[^\d\s.,+\-−–()]+(?:\.[^\d\s.,+\-−–()/:]+)?"
_PARTS = (
    rf"^(?P<sign>[-+−–(]?)\s*(?P<before>(?:{_BESIDE}\.?(?:\s[$¥€£])?)?)\s*(?P<inner>[-+−–]?)\s*"
    r"(?P<digits>\.?,?\d(?:[\d.,٫'’`]|\s\d|[eE][+-]?\d)*?)(?P<dash>[.,][-–—]{1,2}|\s?:-|\s?/[-=])?\s*"
    rf"(?P<after>{_BESIDE}\.?)?\s*(?P<tail>[-−–)]?)$"
)
_UNSEEN = r"[\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]"
"""Marks of the direction of writing, which spreadsheets and browsers leave beside a currency."""


@dataclass(frozen=True, slots=True)
class Proofs:
    """Counts of values that prove a decimal mark, and of those that could be read with either, and one example of each kind."""

    comma: int = 0
    point: int = 0
    either: int = 0
    pointed: int = 0
    """Of those that could be read with either, the ones with a point: 12.500."""
    example: str = ""
    open_example: str = ""

    def mark(self, *, money: bool = False) -> Mark:
        """The mark that the column proves: by more than one value if others hang on it, and by no value against it.

        Where nothing proves one it is the point; but of money such as 12.500 is nothing then, for few currencies have thousandths.
        """
        if self.comma and self.point:
            return ""
        if self.comma:
            return "," if self.comma > 1 or not self.either else ""
        return "" if money and self.pointed and not self.point else "."


def read_number(
    text: pl.Expr, mark: Mark = ".", *, strict: bool = False, units: Iterable[str] = (), money: bool = False
) -> pl.Expr:
    """Number in a text, float64; null where it is none.

    `strict`: a text that proves another mark than `mark` is unreadable. `units` may stand beside it; beside `money` currencies may.
    """
    beside = _CURRENCIES if money else {unit.upper(): None for unit in UNITS}
    beside = {**beside, **{unit.upper(): None for unit in units}}
    field = _parts(text).struct.field
    before, after = (_word(field(name)).fill_null("") for name in ("before", "after"))
    known = before.is_in(["", *beside]) & after.is_in(["", *beside])
    known &= (before == "") | (after == "") | _agree(before, after) if money else (before == "") | (after == "")
    signs = pl.concat_str([field(name).fill_null("") for name in ("sign", "inner", "tail")])
    negative = signs.is_in(["-", "−", "–", "()"])
    size = _size(field("digits"), mark, strict=strict)
    if not strict:
        size = pl.when(field("dash").str.starts_with(",")).then(_size(field("digits"), ",", strict=False)).otherwise(size)
    signed = pl.when(negative).then(-size).when(signs.is_in(["", "+"])).then(size)
    return pl.when(known & size.is_finite()).then(signed)


def currency_beside(text: pl.Expr) -> pl.Expr:
    """Currency code that stands beside the number of a text; null where there is none, or a sign that several currencies share."""
    field = _parts(text).struct.field
    return pl.coalesce(_code(_word(field(name))) for name in ("before", "after"))


def shared_sign_beside(text: pl.Expr) -> pl.Expr:
    """Sign of several currencies that stands beside the number of a text, such as $; null where there is none."""
    field = _parts(text).struct.field
    return pl.coalesce(
        pl.when(_word(field(name)).is_in([*SHARED_SIGNS])).then(_word(field(name))) for name in ("before", "after")
    )


def contradicts(sign: pl.Expr, currency: pl.Expr) -> pl.Expr:
    """Tell whether a sign of several currencies is none of a currency; false where either is null."""
    none_of = [(sign == shared) & ~currency.is_in(sorted(codes)) for shared, codes in SHARED_SIGNS.items()]
    return pl.any_horizontal(none_of).fill_null(False)


def prove(text: pl.Series, counts: pl.Series) -> Proofs:
    """Look at the distinct texts of a column, each `counts` times, for what proves a decimal mark; a zero proves none."""
    shapes = text.to_frame("t").select(
        _parts(pl.col("t")).struct.field("digits").alias("digits"),
        _parts(pl.col("t")).struct.field("dash").str.head(1).fill_null("").alias("dash"),
        currency_beside(pl.col("t")).alias("code"),
    )
    digits, dash, code = shapes["digits"], shapes["dash"], shapes["code"].fill_null("")
    worth = digits.str.contains("[1-9]")
    thousands, thousandths = (code.is_in(list(codes)) for codes in (_NO_CENTS, _THOUSANDTHS))
    pointed, cut = digits.str.contains(EITHER_POINT), digits.str.contains(EITHER_COMMA)
    open_still = ~thousands & ~thousandths & (dash != ",")
    kinds = {
        "comma": (digits.str.contains(_COMMA) & worth) | (pointed & (thousands | (dash == ","))) | (cut & thousandths),
        "point": (digits.str.contains(_POINT) & worth) | (cut & thousands) | (pointed & thousandths),
        "either": (pointed | cut) & open_still,
        "pointed": pointed & open_still,
    }
    found = {name: int(counts.filter(mask.fill_null(False)).sum()) for name, mask in kinds.items()}
    proving = text.filter((kinds["comma"] if found["comma"] else kinds["point"]).fill_null(False)).sort()
    open_ones = text.filter(kinds["either"].fill_null(False)).sort()
    return Proofs(**found, example=_first(proving), open_example=_first(open_ones))


def _parts(text: pl.Expr) -> pl.Expr:
    plain = text.map_batches(partial(with_plain_digits, decimal="٫"), return_dtype=pl.String(), is_elementwise=True)
    return plain.str.replace_all(_UNSEEN, "").str.strip_chars().str.extract_groups(_PARTS)


def _word(beside: pl.Expr) -> pl.Expr:
    """A word beside a number, in capitals and without blanks."""
    return beside.str.to_uppercase().str.replace_all(r"\s", "")


def _code(word: pl.Expr) -> pl.Expr:
    codes = {name: code for name, code in _CURRENCIES.items() if code}
    return word.replace_strict(list(codes), list(codes.values()), default=None, return_dtype=pl.String())


def _agree(before: pl.Expr, after: pl.Expr) -> pl.Expr:
    """Tell whether the words on both sides mean one currency."""
    pairs = [
        pl.concat_str([one, other], separator=" ").is_in(_AGREEING) for one, other in ((before, after), (after, before))
    ]
    return pl.any_horizontal(_code(before) == _code(after), *pairs).fill_null(False)


def _size(digits: pl.Expr, mark: Mark, *, strict: bool) -> pl.Expr:
    comma = digits.str.replace_all(r"[.\s'’`]", "").str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)
    point = digits.str.replace_all(r"[,\s'’`]", "").str.replace("٫", ".", literal=True).cast(pl.Float64, strict=False)
    comma_forms = [_COMMA] * (not strict or mark == ",") + [EITHER_COMMA, EITHER_POINT] * (mark == ",")
    point_forms = [_POINT] * (not strict or mark == ".") + [EITHER_COMMA, EITHER_POINT] * (mark == ".")
    point_forms += [_WHOLE, _EXPONENT, _GROUPED]
    size = pl.when(digits.str.contains("|".join(point_forms))).then(point)
    return size.when(digits.str.contains("|".join(comma_forms))).then(comma) if comma_forms else size


def _first(texts: pl.Series) -> str:
    return str(texts[0]) if len(texts) else ""
