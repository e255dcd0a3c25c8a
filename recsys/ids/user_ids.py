"""Ids that name nobody: what shops write in place of a user where they do not know who it was."""

from __future__ import annotations

import re
from collections.abc import Iterable

from recsys.ids.nothing import NOTHING

TILLS = (
    *("till", "pos", "register", "cash register", "cash desk", "point of sale", "kasse", "ladenkasse", "barkasse", "caisse"),
    *("caja", "cassa", "caixa", "kassa", "kassan", "kasa", "pokladna", "pokladňa", "pénztár", "касса", "ταμείο", "レジ"),
)
"""Words for a till, which may have a number of two digits: `Kasse 1`, `POS-02`."""
NULL_USERS = (
    *TILLS,
    *("guest", "anonymous", "undefined", "null", "none", "nan", "0", "-1", "unknown", "(not set)"),
    *(
        "(none)",
        "(null)",
        "nil",
        "n/a",
        "#n/a",
        "-",
        "--",
        "\\n",
        "[object object]",
        "00000000-0000-0000-0000-000000000000",
        "0.0",
    ),
    *(
        "no user",
        "no_user",
        "not logged in",
        "guest user",
        "guest customer",
        "anonymous user",
        "anonymous customer",
        "visitor",
    ),
    *("walk-in", "walkin", "walk in", "walk-in customer", "walk in customer", "cash customer", "default customer"),
    *("gast", "gastkunde", "gastbestellung", "unbekannt", "anonym", "laufkunde", "laufkundschaft", "barverkauf"),
    *(
        "invité",
        "anonyme",
        "inconnu",
        "client de passage",
        "client comptoir",
        "invitado",
        "anónimo",
        "anonimo",
        "desconocido",
    ),
    *(
        "público en general",
        "publico en general",
        "consumidor final",
        "convidado",
        "visitante",
        "desconhecido",
        "não identificado",
    ),
    *(
        "ospite",
        "sconosciuto",
        "cliente occasionale",
        "onbekend",
        "gość",
        "gosc",
        "nieznany",
        "neznámý",
        "vendég",
        "oaspete",
    ),
    *(
        "gæst",
        "gäst",
        "gjest",
        "vieras",
        "misafir",
        "гость",
        "гост",
        "аноним",
        "неизвестно",
        "επισκέπτης",
        "ゲスト",
        "游客",
        "访客",
        "게스트",
    ),
    *("guest checkout", "guest order", "匿名", "匿名用户", "匿名使用者", "散客", "非会員", "익명", "비로그인"),
    *("비회원", "ضيف", "אורח", "tamu", "khách"),
)
"""Words that mean "nobody" unless the shop names its own. Those of programs and spreadsheets that no name could be always do."""


UNSEEN = "[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
"""Signs that nobody sees: no width, and directions of writing, as copied texts carry them."""
TILL_NUMBER = r"[\s#_.-]+(?:n[ro]\.?\s*)?[0-9]{1,2}$"
"""What may stand behind the word for a till. Written as one word it may be somebody's own name: `till87`."""


class NullUsers:
    """The words that name nobody, whatever their case and the blanks around them; an empty id names nobody, nor does `#REF!`.

    A word for a till may have a number behind it, unless `numbered_tills` says that those are customers.
    """

    def __init__(self, words: Iterable[str], *, numbered_tills: bool = True) -> None:
        self.words = frozenset({"", *_NO_NAMES, *map(plain, words)})
        self.tills = self.words & {*TILLS} if numbered_tills else frozenset[str]()
        self._begin = tuple(self.tills)

    def __contains__(self, user_id: str) -> bool:
        text = plain(user_id)
        return text in self.words or (text.startswith(self._begin) and re.sub(TILL_NUMBER, "", text) in self.tills)

    def first_named(self, *user_ids: str | None) -> str:
        """The first id that names somebody, else the first that is there at all, else an empty one."""
        given = [each for each in user_ids if each]
        return next((each for each in given if each not in self), given[0] if given else "")


def plain(text: str) -> str:
    """An id without the blanks around it and signs that nobody sees, in lower case."""
    return (text if text.isascii() else re.sub(UNSEEN, "", text)).strip().lower()


_NO_NAMES = frozenset(plain(word) for word in NOTHING if not word.isalnum())
