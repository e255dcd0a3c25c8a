"""Numbers as shops write them: decimal mark, thousands, sign, currency and unit; null where a text can be read in two ways.

A text that proves its decimal mark by itself (`1.234,56`, `12,5`, `1,29,900.00`) is read by it. One that does not (`1,299`) is read by
the mark of its column, and by none where the column proves none or both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import polars as pl

Mark = Literal[".", ",", ""]
"""Decimal mark of a column; empty: only what proves its own is read."""

_CODES = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY COP CRC "
    "CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK "
    "JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN "
    "NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC "
    "SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWL"
)
_SIGNS: Mapping[str, str | None] = {
    "€": "EUR", "£": "GBP", "₹": "INR", "RS": "INR", "RS.": "INR", "₽": "RUB", "РУБ": "RUB", "РУБ.": "RUB", "₺": "TRY", "TL": "TRY",
    "₩": "KRW", "₫": "VND", "ZŁ": "PLN", "KČ": "CZK", "FT": "HUF", "ЛВ": "BGN", "ЛВ.": "BGN", "LEI": "RON", "₪": "ILS", "฿": "THB",
    "₴": "UAH", "₸": "KZT", "₦": "NGN", "₱": "PHP", "FR.": "CHF", "SFR.": "CHF", "EURO": "EUR", "US$": "USD", "USD$": "USD",
    "CA$": "CAD", "C$": "CAD", "AU$": "AUD", "A$": "AUD", "NZ$": "NZD", "HK$": "HKD", "S$": "SGD", "R$": "BRL", "MX$": "MXN",
    "NT$": "TWD", "CN¥": "CNY", "JP¥": "JPY", "円": "JPY", "元": "CNY",
    "$": None, "¥": None, "KR": None, "KR.": None, "R": None, "FR": None, ",-": None,
}  # fmt: skip
"""Signs and their currency; None: several currencies share it, so that it says nothing."""
_UNITS = (
    "pcs pcs. pc pc. pce piece pieces unit units item items ea each x qty left available stk stk. stck stück stueck st st. szt szt. "
    "ks kom kom. db uds uds. ud ud. unid unidades un un. unité unités pièce pièces pz pz. pezzi pezzo шт шт. adet tk gab 個 个 件 点"
)
_CURRENCIES: Mapping[str, str | None] = {**{code: code for code in _CODES.split()}, **_SIGNS}

_WHOLE = r"^\d+\.?$"
_EXPONENT = r"^\d+(?:\.\d+)?[eE][+-]?\d+$"
_GROUPED = r"^\d{1,3}(?:[\s'’`]\d{3})+$"
_COMMA = (
    r"^\d{1,3}(?:\.\d{3})+,\d+$|^\d{1,3}(?:\.\d{3}){2,}$|^\d{1,3}(?:[\s'’`]\d{3})+,\d+$"
    r"|^\d+,\d{1,2}$|^\d*,\d{4,}$|^0+,\d+$|^\d{4,},\d+$|^,\d+$"
)
_POINT = (
    r"^\d{1,3}(?:,\d{2,3})*,\d{3}\.\d+$|^\d{1,3}(?:,\d{2,3})+,\d{3}$|^\d{1,3}(?:[\s'’`]\d{3})+\.\d+$"
    r"|^\d+\.\d{1,2}$|^\d*\.\d{4,}$|^0+\.\d+$|^\d{4,}\.\d+$|^\.\d+$"
)
EITHER_COMMA, EITHER_POINT = r"^[1-9]\d{0,2},\d{3}$", r"^[1-9]\d{0,2}\.\d{3}$"
_PARTS = (
    r"^(?P<sign>[-+−–(]?)\s*(?P<before>(?:[^\d\s.,+\-−–()]+\.?)?)\s*(?P<inner>[-+−–]?)\s*"
    r"(?P<digits>\.?,?\d(?:[\d.,'’`]|\s\d|[eE][+-]?\d)*?)(?:[.,][-–—])?\s*(?P<after>[^\d\s.,+\-−–()][^\d\s,+\-−–()]*)?\s*(?P<tail>[-−–)]?)$"
)


@dataclass(frozen=True, slots=True)
class Proofs:
    """Counts of values that prove a decimal mark, and of those that could be read with either, and one example of each kind."""

    comma: int = 0
    point: int = 0
    either: int = 0
    example: str = ""
    open_example: str = ""

    def mark(self) -> Mark:
        """The mark that the column proves: by more than one value if others hang on it, and by no value against it."""
        if self.comma and self.point:
            return ""
        if self.comma:
            return "," if self.comma > 1 or not self.either else ""
        return "."


def read_number(
    text: pl.Expr, mark: Mark = ".", *, strict: bool = False, units: Iterable[str] = (), money: bool = False
) -> pl.Expr:
    """Number in a text, float64; null where it is none.

    `strict`: a text that proves another mark than `mark` is unreadable. `units` may stand beside it; beside `money` currencies may.
    """
    beside = _CURRENCIES if money else {unit.upper(): None for unit in _UNITS.split()}
    beside = {**beside, **{unit.upper(): None for unit in units}}
    parts = text.str.strip_chars().str.extract_groups(_PARTS)
    field = parts.struct.field
    before, after = field("before").str.to_uppercase().fill_null(""), field("after").str.to_uppercase().fill_null("")
    known = before.is_in(["", *beside]) & after.is_in(["", *beside]) & ((before == "") | (after == ""))
    signs = pl.concat_str([field(name).fill_null("") for name in ("sign", "inner", "tail")])
    negative = signs.is_in(["-", "−", "–", "()"])
    size = _size(field("digits"), mark, strict=strict)
    signed = pl.when(negative).then(-size).when(signs.is_in(["", "+"])).then(size)
    return pl.when(known & size.is_finite()).then(signed)


def currency_beside(text: pl.Expr) -> pl.Expr:
    """Currency code that stands beside the number of a text; null where there is none, or a sign that several currencies share."""
    field = text.str.strip_chars().str.extract_groups(_PARTS).struct.field
    names = list(_CURRENCIES)
    codes = [_CURRENCIES[name] for name in names]
    either = pl.when(field("before") != "").then(field("before")).otherwise(field("after")).str.to_uppercase()
    return either.replace_strict(names, codes, default=None, return_dtype=pl.String())


def prove(text: pl.Series, counts: pl.Series) -> Proofs:
    """Look at the distinct texts of a column, each `counts` times, for what proves a decimal mark; a zero proves none."""
    digits = text.str.strip_chars().str.extract_groups(_PARTS).struct.field("digits")
    worth = digits.str.contains("[1-9]")
    kinds = {
        "comma": digits.str.contains(_COMMA) & worth,
        "point": digits.str.contains(_POINT) & worth,
        "either": digits.str.contains(f"{EITHER_COMMA}|{EITHER_POINT}"),
    }
    found = {name: int(counts.filter(mask.fill_null(False)).sum()) for name, mask in kinds.items()}
    proving = text.filter((kinds["comma"] if found["comma"] else kinds["point"]).fill_null(False)).sort()
    open_ones = text.filter(kinds["either"].fill_null(False)).sort()
    return Proofs(**found, example=_first(proving), open_example=_first(open_ones))


def _size(digits: pl.Expr, mark: Mark, *, strict: bool) -> pl.Expr:
    comma = digits.str.replace_all(r"[.\s'’`]", "").str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)
    point = digits.str.replace_all(r"[,\s'’`]", "").cast(pl.Float64, strict=False)
    comma_forms = [_COMMA] * (not strict or mark == ",") + [EITHER_COMMA, EITHER_POINT] * (mark == ",")
    point_forms = [_POINT] * (not strict or mark == ".") + [EITHER_COMMA, EITHER_POINT] * (mark == ".")
    point_forms += [_WHOLE, _EXPONENT, _GROUPED]
    size = pl.when(digits.str.contains("|".join(point_forms))).then(point)
    return size.when(digits.str.contains("|".join(comma_forms))).then(comma) if comma_forms else size


def _first(texts: pl.Series) -> str:
    return str(texts[0]) if len(texts) else ""
