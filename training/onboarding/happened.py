"""Kinds of events, told by the words of a column, and returns by negative quantities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from recsys.types import EVENT_TYPES
from training.onboarding.files import Seen
from training.onboarding.names import event_words, says_state
from training.onboarding.values import texts

if TYPE_CHECKING:
    from training.onboarding.proposals import Proposal

_ALMOST_ALL = 0.9
"""Share of the rows that must hold words of events before a column is taken for them whatever it is called."""


def kinds_by_words(seen: Seen, columns: Mapping[str, str]) -> str:
    """The column whose words say what happened, whatever it is called: nine in ten rows hold words of two kinds of events at least."""
    taken = {own for name, own in columns.items() if name != "title"}
    for own in [name for name in seen.usable["events.event_type"] if name not in taken and not says_state(name)]:
        text = texts(seen.rows, own)
        known = event_words(text.unique())
        if len({*known.values()}) > 1 and int(text.is_in([*known]).sum()) >= _ALMOST_ALL * seen.rows.height:
            return own
    return ""


def tell_words(found: Proposal, own: str) -> None:
    """Say what the words of a column mean, and ask for those that nobody knows."""
    counted = texts(found.rows, own).value_counts(sort=True)
    words = dict(counted.iter_rows())
    known = event_words(words)
    unlike = {word: kind for word, kind in known.items() if word != kind}
    if unlike:
        found.settings["event_types"] = unlike
        found.evidence += [f"“{word}” is {kind}: {words[word]:,} of the rows looked at" for word, kind in unlike.items()]
    for word in [word for word in words if word not in known and word not in EVENT_TYPES]:
        found.unsure.append(
            f'the word “{word}” of {own} ({words[word]:,} rows) is no event: map it under `event_types`, or to "" to leave it out'
        )


def tell_returns(found: Proposal) -> None:
    """Take rows of negative quantities for refunds."""
    own = found.settings["columns"].get("quantity")
    negative = int(texts(found.rows, own).str.starts_with("-").sum()) if own else 0
    if negative > 1:
        found.settings["type_rules"] = [{"column": own, "pattern": "^\\s*-", "event_type": "refund"}]
        found.evidence.append(f"rows whose {own} is below 0 are refunds: {negative:,} of the rows looked at")
