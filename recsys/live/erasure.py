"""Erasure: a keyed hash of an id and a moment, so that a tombstone names nobody without the secret.

Everything of a forgotten id up to its moment is ignored, in answers and in training; what comes later is a new history.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

from recsys.live.log import Tombstone
from recsys.secrets import check_secrets, read_secrets
from recsys.types import SettingsError

FORGET_SECRETS = "RECSYS_FORGET_SECRETS"
"""Secrets of the hashes, separated by commas or spaces: the first one signs, all are checked, so that they can be rotated."""
_NAME_BYTES, _HASH_BYTES = 4, 16


class ErasureKeys:
    """Turns ids into the subjects of tombstones: `<name of the secret>:<hash of the id under it>`, 8 and 32 hex digits."""

    def __init__(self, secrets: Sequence[str]) -> None:
        """Take one or more secrets.

        Raises:
            SettingsError: if there is none, or one is too short or not ASCII; it is never shown.
        """
        check_secrets(FORGET_SECRETS, secrets)
        self._keys = {_name(secret): blake2b(secret.encode(), person=b"recsys forgets").digest() for secret in secrets}

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> ErasureKeys | None:
        """Read the secrets; None where there are none.

        Raises:
            SettingsError: if one is too short.
        """
        secrets = read_secrets(environment, FORGET_SECRETS)
        return cls(secrets) if secrets else None

    def sign(self, user_id: str) -> str:
        """The subject of a new tombstone for an id."""
        return self.hashes(user_id)[0]

    def hashes(self, user_id: str) -> tuple[str, ...]:
        """The subjects that a tombstone of an id may have: one per secret, that of `sign` first."""
        text = user_id.encode("utf-8", "surrogatepass")
        return tuple(
            f"{name}:{blake2b(text, key=key, digest_size=_HASH_BYTES).hexdigest()}" for name, key in self._keys.items()
        )

    def knows(self, subject: str) -> bool:
        """Whether the secret of a subject is among ours."""
        return subject.partition(":")[0] in self._keys


class Tombstones:
    """Up to when each id is forgotten, asked by id."""

    def __init__(self, erasure_keys: ErasureKeys | None, rows: Iterable[Tombstone]) -> None:
        """Take the log's tombstones; of several with one subject the latest counts.

        Raises:
            SettingsError: if one was made with a secret that is not there: who it means can then not be told.
        """
        self._erasure_keys = erasure_keys
        self._at: dict[str, int] = {}
        self.add(rows)

    def __len__(self) -> int:
        return len(self._at)

    def add(self, rows: Iterable[Tombstone]) -> None:
        """Take more of them; raises as making them does."""
        unknown = set()
        for row in rows:
            if self._erasure_keys is None or not self._erasure_keys.knows(row.subject):
                unknown.add(row.subject.partition(":")[0])
            self._at[row.subject] = max(row.timestamp, self._at.get(row.subject, row.timestamp))
        if unknown:
            raise SettingsError(
                f"{FORGET_SECRETS} lacks the secrets {', '.join(sorted(unknown))} (first 8 hex digits of their BLAKE2b), "
                f"under which some of {len(self._at):,} ids were forgotten; put them back, or the forgotten would return"
            )

    @property
    def fingerprint(self) -> str:
        """Tells one set of tombstones from another; empty without any."""
        rows = sorted(self._at.items())
        return blake2b(repr(rows).encode(), digest_size=_HASH_BYTES).hexdigest() if rows else ""

    def at(self, user_id: str) -> int | None:
        """The moment up to which an id is forgotten, in microseconds; None: it is not."""
        if self._erasure_keys is None or not self._at:
            return None
        return max((self._at[each] for each in self._erasure_keys.hashes(user_id) if each in self._at), default=None)

    def cover(self, user_id: str | None, moment: int) -> bool:
        """Whether what this user did at a moment (microseconds) is forgotten."""
        at = None if user_id is None else self.at(user_id)
        return at is not None and moment <= at


def _name(secret: str) -> str:
    """Names a secret without telling it."""
    return blake2b(secret.encode()).hexdigest()[: 2 * _NAME_BYTES]
