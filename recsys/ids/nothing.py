"""Words that databases, programs and spreadsheets write where there is no value."""

from __future__ import annotations

_PROGRAMS = r"NULL null Null (null) [null] <null> \N nan NaN <NA> NaT None undefined Undefined N/A n/a n.a. #N/A #N/A! #NA"
_ERRORS = """
    #REF! #REF #NAME? #VALUE! #DIV/0! #NUM! #NULL! #ERROR! #CALC! #SPILL! #NV #BEZUG! #WERT! #ZAHL! #ÜBERLAUF! #N/D #N/D! #N/B
    #NOM? #VALEUR! #NOMBRE! #¿NOMBRE? #¡REF! #¡VALOR! #¡NUM! #¡DIV/0! #VALOR! #NOME? #RIF! #VALORE! #VERW! #NAAM? #WAARDE! #ADR!
    #NAZWA? #ARG! #LICZBA! #SAKNAS! #REFERENS! #NAMN? #VÄRDEFEL! #Н/Д #ССЫЛКА! #ИМЯ? #ЗНАЧ! #YOK #BAŞV! #AD? #DEĞER! #ODKAZ!
    #NÁZEV? #HODNOTA!
"""
NOTHING = (
    *_PROGRAMS.split(),
    *_ERRORS.split(),
    *("#N/A N/A", "[object Object]", "[object Undefined]", "(not set)", "########"),
)
"""Letter by letter. Errors are those of Excel, LibreOffice and Google Sheets in the languages that they translate them into; the last
is a column that is too narrow."""
NO_MOMENT = (*dict.fromkeys(word.lower() for word in NOTHING), "-", "never")
"""Words, without capitals, that stand where a moment would, if it never came."""
