"""Erasure: keyed hashes of ids with the periods that are ignored of them, so that a tombstone names nobody without the secret.

What an erased id did in such a period is ignored, in answers and in training; what it did at other times is somebody else's, or a new
history.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from recsys.ids.alike import alike_id
from recsys.secrets import check_secrets, read_secrets
from recsys.snapshot.identity_links import FOREVER, Span, joined
from recsys.types import SettingsError, StateError

FORGET_SECRETS = "RECSYS_FORGET_SECRETS"
"""Secrets of the hashes, separated by commas or spaces: the first one signs, all are checked, so that they can be rotated."""
_NAME_BYTES, _HASH_BYTES = 4, 16


class Tombstone(msgspec.Struct, frozen=True, gc=False):
    """Erasure of what the id behind the keyed hash `subject` did from `since` to `until`, both included (microseconds)."""

    subject: str
    until: int
    since: int = int(FOREVER.min)


class Erased(NamedTuple):
    """An id to erase for times since ≤ t < until (microseconds), and the subject of its tombstone."""

    subject: str
    user_id: str
    since: int = int(FOREVER.min)
    until: int = int(FOREVER.max)


class ErasureKeys:
    """Turns ids into the subjects of tombstones: `<name of the secret>:<hash of the id under it>`, 8 and 32 hex digits."""

    def __init__(self, secrets: Sequence[str], rules: Sequence[str] = ()) -> None:
        """Take one or more secrets, and the rules that make ids alike (`data.ids.user`): every spelling of an id has one subject.

        Raises:
            SettingsError: if there is none, or one is too short or not ASCII; it is never shown.
        """
        check_secrets(FORGET_SECRETS, secrets)
        self._keys = {_name(secret): blake2b(secret.encode(), person=b"recsys forgets").digest() for secret in secrets}
        self._rules = rules

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], rules: Sequence[str]) -> ErasureKeys | None:
        """Read the secrets; None where there are none.

        Raises:
            SettingsError: if one is too short.
        """
        secrets = read_secrets(environment, FORGET_SECRETS)
        return cls(secrets, rules) if secrets else None

    def sign(self, user_id: str) -> str:
        """The subject of a new tombstone for an id."""
        return self.hashes(user_id)[0]

    def spellings(self, user_id: str) -> tuple[str, ...]:
        """An id as the rules leave it, then as it is given, where that is another one."""
        return tuple(dict.fromkeys((alike_id(user_id, self._rules), user_id))) if self._rules else (user_id,)

    def spelled_among(self, user_id: str, known: Iterable[str]) -> list[str]:
        """The spellings of an id, then the ids of those known that are others of its spellings."""
        alike = alike_id(user_id, self._rules)
        others = [each for each in known if alike_id(each, self._rules) == alike] if self._rules else ()
        return list(dict.fromkeys((*self.spellings(user_id), *others)))

    def hashes(self, user_id: str) -> tuple[str, ...]:
        """The subjects that a tombstone of an id may have: one per spelling and secret, that of `sign` first; those of before there
        were rules are of the id as it was given."""
        texts = [each.encode("utf-8", "surrogatepass") for each in self.spellings(user_id)]
        keys = self._keys.items()
        return tuple(
            f"{name}:{blake2b(text, key=key, digest_size=_HASH_BYTES).hexdigest()}" for text in texts for name, key in keys
        )

    def knows(self, subject: str) -> bool:
        """Tell whether the secret of a subject is among ours."""
        return subject.partition(":")[0] in self._keys


class Tombstones:
    """The periods that are ignored of each id, asked by id."""

    def __init__(self, erasure_keys: ErasureKeys | None, rows: Iterable[Tombstone]) -> None:
        """Take the log's tombstones.

        Raises:
            SettingsError: if one was made with a secret that is not there: who it means can then not be told.
        """
        self._erasure_keys = erasure_keys
        self._spans: dict[str, list[Span]] = {}
        self.add(rows)

    def __len__(self) -> int:
        return len(self._spans)

    def add(self, rows: Iterable[Tombstone]) -> None:
        """Take more of them; raises as making them does."""
        unknown = set()
        for row in rows:
            if self._erasure_keys is None or not self._erasure_keys.knows(row.subject):
                unknown.add(row.subject.partition(":")[0])
            span, before = Span(row.since, row.until), self._spans.get(row.subject)
            self._spans[row.subject] = [span] if before is None else joined([*before, span])
        if unknown:
            raise SettingsError(
                f"{FORGET_SECRETS} lacks the secrets {', '.join(sorted(unknown))} (first 8 hex digits of their BLAKE2b), "
                f"under which some of {len(self._spans):,} ids were forgotten; restart with them beside the others, or the forgotten "
                "would return"
            )

    def copy(self) -> Tombstones:
        """The same for somebody else, who may add to them."""
        made = Tombstones(self._erasure_keys, ())
        made._spans = self._spans.copy()
        return made

    @property
    def fingerprint(self) -> str:
        """Tells one set of tombstones from another; empty without any."""
        rows = sorted((subject, *map(tuple, spans)) for subject, spans in self._spans.items())
        return blake2b(repr(rows).encode(), digest_size=_HASH_BYTES).hexdigest() if rows else ""

    def spans(self, user_id: str) -> list[Span]:
        """Return what is ignored of an id, in order, no two spans touching; mostly nothing."""
        if self._erasure_keys is None or not self._spans:
            return []
        return joined([span for each in self._erasure_keys.hashes(user_id) for span in self._spans.get(each, ())])

    def ends(self, anonymous_id: str) -> list[int]:
        """Return when an anonymous id became that of somebody who was erased since: who had it before has it no more from then on."""
        return [span.since for span in self.spans(anonymous_id) if span.since > FOREVER.min]

    def at(self, user_id: str) -> int | None:
        """The moment up to which everything of an id is ignored, in microseconds; None: there is no such moment."""
        return next((span.until for span in self.spans(user_id) if span.since == FOREVER.min), None)

    def cover(self, user_id: str | None, moment: int) -> bool:
        """Tell whether what this user did at a moment (microseconds) is ignored."""
        return user_id is not None and any(since <= moment <= until for since, until in self.spans(user_id))


def tombstones_now(erasure_keys: ErasureKeys | None, rows: Iterable[Tombstone]) -> Tombstones:
    """Take the log's tombstones as they are now.

    Raises:
        StateError: if one was made, by another process since this one began, with a secret that is not there.
    """
    try:
        return Tombstones(erasure_keys, rows)
    except SettingsError as error:
        raise StateError(str(error)) from error


def _name(secret: str) -> str:
    """Names a secret without telling it."""
    return blake2b(secret.encode()).hexdigest()[: 2 * _NAME_BYTES]
