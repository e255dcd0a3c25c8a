"""Authentication: keys per scope and browser tokens, both from the environment (docs/http.md).

A key is a secret between servers and opens its scope. A browser token is a JWT (HS256) that the shop's backend mints for
one shopper with a shared secret of the key ring; it opens that shopper's slates and what is the same for everybody.
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal, TypeAlias, get_args

import jwt

from recsys.ids.event_ids import id_problem
from recsys.secrets import check_secrets, read_secrets
from recsys.settings import WebSettings
from recsys.types import SettingsError
from recsys.web.http.problems import Problem

Scope: TypeAlias = Literal["read", "events", "messages", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

KEYS_PREFIX = "RECSYS_KEYS_"
"""RECSYS_KEYS_READ and so on: the keys of a scope, separated by commas or spaces; several while they are being rotated."""
TOKEN_SECRETS = "RECSYS_TOKEN_SECRETS"
"""`kid:secret` pairs, separated by commas or spaces: the secrets that sign browser tokens."""
CLOCK_SKEW_SECONDS = 10
"""How far a token's clock may differ from ours."""

_IMPLIED: Mapping[Scope, frozenset[Scope]] = {
    **{scope: frozenset((scope,)) for scope in SCOPES},
    "admin": frozenset(("admin", "read")),
}
_KID = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class Caller:
    """Caller: the scopes of a key, or with `user_id` the one shopper of a browser token."""

    scopes: frozenset[Scope]
    user_id: str | None = None
    name: str = ""
    """Tells callers apart for rate limits: the user of a token, a hash of a key."""

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of caller that rate limits name: its scopes, or `token`."""
        return _TOKEN if self.user_id is not None else self.scopes

    def check_user(self, user_id: str | None) -> None:
        """Refuse a browser token that asks for somebody else.

        Raises:
            Problem: 403.
        """
        if self.user_id is not None and user_id != self.user_id:
            raise Problem(403, "this token was issued for another user")


_TOKEN: frozenset[str] = frozenset(("token",))
EVERYONE = Caller(frozenset())
DEVELOPER = Caller(frozenset(SCOPES))


class Authenticator:
    """Decides who may call what. Keys are compared in constant time; no secret is ever logged or shown."""

    def __init__(
        self, keys: Mapping[str, frozenset[Scope]], token_secrets: Mapping[str, str], settings: WebSettings
    ) -> None:
        self._keys = tuple((key.encode(), Caller(scopes, name=_fingerprint(key))) for key, scopes in keys.items())
        self._token_secrets = token_secrets
        self._longest_token = settings.token_minutes * 60
        self._off = settings.auth == "off"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], settings: WebSettings) -> Authenticator:
        """Read the keys and token secrets.

        Raises:
            SettingsError: if a secret is too short, there is no key at all, or `auth = "off"` is not allowed.
        """
        keys: dict[str, frozenset[Scope]] = {}
        for scope in SCOPES:
            name = KEYS_PREFIX + scope.upper()
            found = read_secrets(environment, name)
            if found:
                check_secrets(name, found)
            for key in found:
                keys[key] = keys.get(key, frozenset()) | _IMPLIED[scope]
        _check_off(settings)
        if not keys and settings.auth == "keys":
            names = ", ".join(KEYS_PREFIX + scope.upper() for scope in SCOPES)
            raise SettingsError(
                f"no key is set: put at least one of {names} into the environment; "
                "`make demo` makes keys of its own for trying things out"
            )
        return cls(keys, _read_token_secrets(read_secrets(environment, TOKEN_SECRETS)), settings)

    def admit(self, environ: Mapping[str, Any], scope: Scope, browser: bool) -> Caller:
        """Find out who calls and whether the scope is theirs; `browser`: a browser token will do.

        Raises:
            Problem: 401 without a valid key or token, 403 if it does not open this call.
        """
        if self._off:
            return _developer(environ)
        credential = _credential(environ.get("HTTP_AUTHORIZATION", ""))
        if not credential:
            raise _unauthorized("a key or token is needed: Authorization: Bearer …", "")
        caller = self._by_key(credential)
        if caller is None:
            return self._by_token(credential, browser)
        if scope not in caller.scopes:
            raise Problem(403, f"this key does not open the scope {scope!r}")
        return caller

    def _by_key(self, credential: str) -> Caller | None:
        given = credential.encode("latin-1", "replace")
        found = None
        for key, caller in self._keys:
            if hmac.compare_digest(given, key):
                found = caller
        return found

    def _by_token(self, credential: str, browser: bool) -> Caller:
        user_id = self._read_token(credential)
        if not browser:
            raise Problem(403, "a browser token does not open this call")
        return Caller(frozenset(), user_id, user_id)

    def _read_token(self, token: str) -> str:
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            secret = self._token_secrets.get(kid or "")
            if secret is None:
                raise jwt.InvalidTokenError("its kid is unknown")
            claims = jwt.decode(
                token,
                secret,
                algorithms=["HS256"],
                leeway=CLOCK_SKEW_SECONDS,
                options={"require": ["sub", "exp", "iat"], "verify_aud": False},
            )
            return self._check_claims(claims)
        except (jwt.InvalidTokenError, RecursionError) as error:
            raise _unauthorized(f"the key or token is not valid: {_reason(error)}", ', error="invalid_token"') from None

    def _check_claims(self, claims: Mapping[str, Any]) -> str:
        if int(claims["exp"]) - int(claims["iat"]) > self._longest_token:
            raise jwt.InvalidTokenError(f"its life is longer than {self._longest_token / 60:g} minutes")
        user_id = str(claims["sub"])
        if wrong := id_problem(user_id):
            raise jwt.InvalidTokenError(f"its sub {wrong}")
        return user_id


def _credential(header: str) -> str:
    """The key or token of an Authorization header; tools that know only Basic send a key as the user name."""
    kind, _, value = header.partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    if kind.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value.strip(), validate=True).decode("latin-1").partition(":")[0]
    except ValueError:
        return ""


def check_served(settings: WebSettings) -> None:
    """Refuse to serve without authentication: no sign tells a caller of this machine from one behind a proxy on it.

    Raises:
        SettingsError: with the keys to set.
    """
    if settings.auth == "off":
        names = ", ".join(KEYS_PREFIX + scope.upper() for scope in SCOPES)
        raise SettingsError(
            f'web.auth = "off" is for test clients within one process, never for a server: remove it, and put at least one of {names} '
            "into the environment"
        )


def _check_off(settings: WebSettings) -> None:
    if settings.auth == "off" and not settings.development:
        raise SettingsError('web.auth = "off" needs web.development = true')


def _developer(environ: Mapping[str, Any]) -> Caller:
    address = environ.get("REMOTE_ADDR", "unknown")
    forwarded = "HTTP_X_FORWARDED_FOR" in environ or "HTTP_FORWARDED" in environ
    if forwarded or not (address == "" or _is_loopback(address)):
        raise Problem(403, "without authentication the service answers callers on this machine only")
    return DEVELOPER


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _read_token_secrets(pairs: Iterable[str]) -> dict[str, str]:
    ring: dict[str, str] = {}
    for pair in pairs:
        kid, colon, secret = pair.partition(":")
        if not colon or not _KID.fullmatch(kid):
            raise SettingsError(f"{TOKEN_SECRETS}: expected kid:secret pairs, kid of letters, digits, '.', '_' and '-'")
        check_secrets(f"{TOKEN_SECRETS} ({kid})", [secret])
        ring[kid] = secret
    return ring


def _fingerprint(key: str) -> str:
    return blake2b(key.encode(), digest_size=8).hexdigest()


def _unauthorized(detail: str, extra: str) -> Problem:
    return Problem(401, detail, {"WWW-Authenticate": f'Bearer realm="recsys"{extra}'})


def _reason(error: Exception) -> str:
    readable = isinstance(error, jwt.InvalidTokenError) and not isinstance(error, jwt.DecodeError)
    return str(error) if readable else "it cannot be read"
