"""Ids made alike, one at a time, by the rules of the settings: what `tables.values.ids` does to whole columns."""

from __future__ import annotations

import re
from collections.abc import Sequence

from recsys.ids.user_ids import UNSEEN

JOINERS = "[\u200c\u200d]"
"""Signs without a width that are letters' own in Persian and in emoji, and in no mail address."""
_ADDRESS = r"[^\s@<>]+@[^\s@<>?]+"
MAIL = rf"^(?:[^@]*<)?\s*(?i:mailto:)?\s*({_ADDRESS}?)(?:\?[^@\s]*)?\s*(?:>[^@]*)?$"
"""A mail address with what stands around it in a link or a message's head: `mailto:`, a name before `<…>`, a subject."""
SHORTER = {
    "whole": (r"^(\d+)\.0*$", r"^(\d+\.\d*[1-9])0+$"),
    "unpad": (r"^0+(\d+(?:\.\d+)?)$",),
}
"""Rule of numbers = patterns, one after the other, whose group is what is left."""


def alike_id(text: str, rules: Sequence[str]) -> str:
    """An id after the rules; one of which nothing would be left stays."""
    found = _bare(text) if "trim" in rules else text
    found = found.lower() if "lower" in rules else found
    found = found.upper() if "upper" in rules else found
    for rule, patterns in SHORTER.items():
        for pattern in patterns if rule in rules else ():
            found = match[1] if (match := re.fullmatch(pattern, found)) else found
    return found or text


def _bare(text: str) -> str:
    text = re.sub(UNSEEN, "", text).strip()
    mail = re.fullmatch(MAIL, re.sub(JOINERS, "", text)) if "@" in text else None
    return mail[1] if mail else text
