"""Bodies that carry their own token: what a page sends while it is left, which can have no header.

Browsers send `text/plain` across origins without asking first, also after the page is gone. Such a body is the JSON of the call with
one more member, `token`.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from recsys.web.http.browsers.halves import decode_whole
from recsys.web.http.problems import Problem

PLAIN = "text/plain"
BEACON_BYTES = 1 << 16
"""Most bytes that browsers take for what they send after a page is gone."""


class Beacon(NamedTuple):
    """A browser token, and the JSON of the call without it."""

    token: str
    body: bytes


_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def read_beacon(body: bytes) -> Beacon:
    """Take a body's token out of it.

    Raises:
        Problem: 413 if it is too large; 400 if it is no JSON object; 401 if no token stands in it.
    """
    if len(body) > BEACON_BYTES:
        raise Problem(413, f"a {PLAIN} body has more than {BEACON_BYTES} bytes; send fewer rows at once")
    try:
        members = decode_whole(body, _decode)
        token = msgspec.json.decode(members.pop("token", b'""'), type=str)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, f"a {PLAIN} body must be a JSON object with a token: {error}") from None
    if not token:
        raise Problem(
            401, f'a {PLAIN} body needs a browser token: {{"token": "…", …}}', {"WWW-Authenticate": 'Bearer realm="recsys"'}
        )
    return Beacon(token, msgspec.json.encode(members))
