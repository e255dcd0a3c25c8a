"""Slots: addresses in a message, each for one place of a pinned slate, whose image and link are decided when it is opened.

Such an address names send and user by a token that only this service can make and read: encrypted and authenticated (AES-SIV,
RFC 5297), and the same every time, so that a message, its preview and its second fetch hold one address.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from recsys.secrets import check_secrets, read_secrets
from recsys.settings.messages import MessagesSettings
from recsys.types import SettingsError

SLOT_SECRETS = "RECSYS_SLOT_SECRETS"
"""Secrets of the tokens, separated by commas or spaces: the first one encrypts, all decrypt, so that they can be rotated."""
LONGEST_TOKEN = 719
"""Characters of a token for two ids of 256 bytes, the longest that there are."""
PLACEHOLDERS = ("send_id", "item_id", "channel", "placement")
"""What may stand in braces in the parameters that a link is given."""
_NAME_BYTES = 4
_SEALED = b"recsys slot item"
_PLACEHOLDER = re.compile(r"{(\w+)}")
_HOST = re.compile(r"[\w.:-]+", re.ASCII)
_KEPT = "%!$&'()*+,/:;=?@"
"""What stays as it is behind the host, besides letters, digits and `_.-~`: it has its meaning there, or is encoded already."""


class Slot(NamedTuple):
    """One place, from 0, of what a send shows a user."""

    send_id: str
    user_id: str
    place: int


class SlotKeys:
    """Makes and opens tokens: the key's name (4 bytes), then send and user encrypted, as base64url without padding."""

    def __init__(self, secrets: Sequence[str]) -> None:
        """Take one or more secrets.

        Raises:
            SettingsError: if there is none, or one is too short or not ASCII; it is never shown.
        """
        check_secrets(SLOT_SECRETS, secrets)
        self._keys = {_name(secret): AESSIV(_key(secret)) for secret in secrets}
        self._first = _name(secrets[0])

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> SlotKeys | None:
        """Read the secrets; None where there are none.

        Raises:
            SettingsError: if one is too short or not ASCII.
        """
        secrets = read_secrets(environment, SLOT_SECRETS)
        return cls(secrets) if secrets else None

    def token(self, send_id: str, user_id: str) -> str:
        """The token of a send and a user, the same every time; at most `LONGEST_TOKEN` characters."""
        named = msgspec.msgpack.encode((send_id, user_id))
        return _text(self._first + self._keys[self._first].encrypt(named, None))

    def open(self, token: str) -> tuple[str, str] | None:
        """Send and user of a token; None for whatever no key of ours has made, to the last bit."""
        named = self._opened(token, LONGEST_TOKEN, None)
        return None if named is None else msgspec.msgpack.decode(named, type=tuple[str, str])

    def sealed(self, send_id: str, user_id: str, item_id: str) -> str:
        """The token of an item beside send and user, which opens nothing but `unsealed`."""
        named = msgspec.msgpack.encode((send_id, user_id, item_id))
        return _text(self._first + self._keys[self._first].encrypt(named, [_SEALED]))

    def unsealed(self, token: str) -> tuple[str, str, str] | None:
        """Send, user and item of a sealed token; None for whatever no key of ours has made."""
        named = self._opened(token, 2 * LONGEST_TOKEN, [_SEALED])
        return None if named is None else msgspec.msgpack.decode(named, type=tuple[str, str, str])

    def _opened(self, token: str, longest: int, purpose: list[bytes] | None) -> bytes | None:
        if len(token) > longest:
            return None
        try:
            made = urlsafe_b64decode(token + "=" * (-len(token) % 4))
            named = self._keys[made[:_NAME_BYTES]].decrypt(made[_NAME_BYTES:], purpose)
        except (ValueError, KeyError, InvalidTag):
            return None
        # Decoding passes over what is no base64 and over bits that are left: of all those spellings one is ours.
        return named if _text(made) == token else None


def slot_addresses(public_url: str, token: str, places: Iterable[int]) -> list[dict[str, str]]:
    """The addresses of slots at these places (from 0, in addresses from 1): each an `image`, a `link`, and a `dislike`."""
    begin = f"{public_url.rstrip('/')}/v1/slots/{token}"
    return [{part: f"{begin}/{place + 1}/{part}" for part in ("image", "link", "dislike")} for place in places]


def check_messages(settings: MessagesSettings) -> None:
    """Check what the settings say of addresses, beyond their types.

    Raises:
        SettingsError: for an address that is none, or a parameter with an unknown word in braces.
    """
    for name in ("home_url", "public_url", "placeholder_url"):
        address = getattr(settings, name)
        if address and (web_address(address) is None or (name == "public_url" and set(address) & set("?#"))):
            more = ", without ? and #" if name == "public_url" else ""
            raise SettingsError(f"messages.{name}: {address!r} is not allowed; allowed: an address with http or https{more}")
    for name, text in settings.utm.items():
        if {"{", "}"} & set(_PLACEHOLDER.sub(lambda found: "" if found[1] in PLACEHOLDERS else found[0], text)):
            allowed = ", ".join(f"{{{each}}}" for each in PLACEHOLDERS)
            raise SettingsError(f"messages.utm.{name}: {text!r} is not allowed; in braces allowed: {allowed}")


def filled(parameters: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """Put values in the place of `PLACEHOLDERS`; what comes out empty is left out."""
    texts = {name: _PLACEHOLDER.sub(lambda found: values[found[1]], text) for name, text in parameters.items()}
    return {name: text for name, text in texts.items() if text}


def web_address(text: str | None, added: Mapping[str, str] = {}) -> str | None:
    """An http or https address as a header may carry it, with parameters added that it does not have; None: it is no such address.

    Its own parameters keep their order and spelling, its fragment stays behind them. A sign that no address may hold is
    percent-encoded, but for tabs and line ends, which are dropped as browsers drop them.
    """
    try:
        parts = urlsplit((text or "").strip())
        host, port = (parts.hostname or "").encode("idna").decode("ascii"), parts.port
        path, query, fragment = (quote(part, safe=_KEPT) for part in parts[2:])
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or "@" in parts.netloc or not _HOST.fullmatch(host):
        return None
    own = {name for name, _ in parse_qsl(query, keep_blank_values=True)}
    more = urlencode({name: value for name, value in added.items() if name not in own}, quote_via=quote)
    place = (f"[{host}]" if ":" in host else host) + ("" if port is None else f":{port}")
    return urlunsplit((parts.scheme, place, path, "&".join(filter(None, (query, more))), fragment))


def _name(secret: str) -> bytes:
    """Names a secret without telling it."""
    return blake2b(secret.encode(), digest_size=_NAME_BYTES, person=b"recsys slot name").digest()


def _key(secret: str) -> bytes:
    return blake2b(secret.encode(), digest_size=64, person=b"recsys slots").digest()


def _text(made: bytes) -> str:
    return urlsafe_b64encode(made).rstrip(b"=").decode("ascii")
