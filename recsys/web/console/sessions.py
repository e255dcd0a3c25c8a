"""Sessions of the console: keys of three roles, a signed cookie, and the tokens of its forms.

A session is a JWT (HS256) signed with a secret that comes from the key which began it: every worker can read it, and a key that is
taken out of the environment ends the sessions that it began. Before login there is a session too, of nobody, so that the form of the
login has a token like every other; logging in always begins a new one.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b, sha256
from typing import Literal, TypeAlias, get_args

import jwt

from recsys.secrets import check_secrets, read_secrets

Role: TypeAlias = Literal["viewer", "editor", "operator"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each may do what those before it may."""
KEYS_PREFIX = "RECSYS_KEYS_CONSOLE_"
"""RECSYS_KEYS_CONSOLE_VIEWER and so on: the keys of a role, separated by commas or spaces; several while they are being rotated."""
LOGIN_SECONDS = 3600
"""Life of the session of nobody: how long the form of the login may stand open."""
_AUDIENCE, _NOBODY = "recsys console", "nobody"


@dataclass(frozen=True, slots=True)
class Session:
    """Session of the console: the role of a key, or None before login; `key` names the key without giving it away."""

    session_id: str
    role: Role | None
    key: str

    def may(self, role: Role) -> bool:
        """Tell whether this role, or one above it, is theirs."""
        return self.role is not None and ROLES.index(self.role) >= ROLES.index(role)


class Sessions:
    """Begins and reads sessions. Keys are compared in constant time; none is ever logged or shown."""

    def __init__(self, keys: Mapping[str, Role], hours: float) -> None:
        """`hours`: life of a session."""
        self._keys = tuple((key.encode(), _fingerprint(key), role) for key, role in keys.items())
        self._seconds = round(hours * 3600)
        self._roles = {name: role for _, name, role in self._keys}
        self._secrets = {name: _secret(key) for key, name, _ in self._keys}
        self._secrets[_NOBODY] = _secret(b"".join(sorted(key for key, _, _ in self._keys)))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], hours: float) -> Sessions:
        """Read the keys; of one that stands under several roles the highest counts.

        Raises:
            SettingsError: if a key is too short.
        """
        keys: dict[str, Role] = {}
        for role in ROLES:
            name = KEYS_PREFIX + role.upper()
            if found := read_secrets(environment, name):
                check_secrets(name, found)
                keys |= dict.fromkeys(found, role)
        return cls(keys, hours)

    @property
    def is_open(self) -> bool:
        """Tell whether there is any key, so that anybody could log in."""
        return bool(self._keys)

    def log_in(self, given: str) -> Session | None:
        """Begin a session with a key; None: it is none."""
        found = None
        for key, name, role in self._keys:
            if hmac.compare_digest(given.encode("utf-8", "replace"), key):
                found = Session(_draw(), role, name)
        return found

    def nobody(self) -> Session:
        """Begin the session that there is before login."""
        return Session(_draw(), None, _NOBODY)

    def seconds(self, session: Session) -> int:
        """Return how long a session lasts."""
        return LOGIN_SECONDS if session.role is None else self._seconds

    def cookie(self, session: Session) -> str:
        """A session as the signed text that a browser keeps."""
        now = int(time.time())
        claims = {"aud": _AUDIENCE, "jti": session.session_id, "iat": now, "exp": now + self.seconds(session)}
        return jwt.encode(claims, self._secrets[session.key], algorithm="HS256", headers={"kid": session.key})

    def read(self, cookie: str) -> Session | None:
        """Read such a text; None: it is forged, too old, or its key is gone."""
        try:
            key = str(jwt.get_unverified_header(cookie).get("kid"))
            secret = self._secrets.get(key)
            if secret is None:
                return None
            claims = jwt.decode(
                cookie, secret, algorithms=["HS256"], audience=_AUDIENCE, options={"require": ["exp", "iat", "jti"]}
            )
        except (jwt.InvalidTokenError, RecursionError, ValueError):
            return None
        return Session(str(claims["jti"]), self._roles.get(key), key)

    def form_token(self, session: Session) -> str:
        """The token that the forms of this session carry, and those of no other."""
        return hmac.new(self._secrets[session.key], b"form " + session.session_id.encode(), sha256).hexdigest()

    def is_form_token(self, session: Session, given: str) -> bool:
        """Tell whether a form carries the session's token."""
        return hmac.compare_digest(given.encode("utf-8", "replace"), self.form_token(session).encode())


def _secret(key: bytes) -> bytes:
    return hmac.new(key, b"recsys console session", sha256).digest()


def _fingerprint(key: str) -> str:
    return blake2b(key.encode(), digest_size=8, person=b"recsys console").hexdigest()


def _draw() -> str:
    return secrets.token_urlsafe(24)
