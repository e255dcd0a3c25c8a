"""Slots: what a mail client asks for when a message is opened, and where a click on it leads; never an error to either.

Whatever is wrong with an address, or with us, the answer is a picture or a page that may stand in any message.
"""

from __future__ import annotations

import hashlib
import html
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from werkzeug.urls import iri_to_uri

from recsys.clock import MINUTE
from recsys.ids.event_ids import EVENT_ID_LENGTH, ID_FIELD_SEPARATOR
from recsys.live.driver import until_written
from recsys.messages.sends import Target
from recsys.messages.slots import Slot, filled, web_address
from recsys.types import CHANNELS, Event, StateError
from recsys.web.http.metrics import ROUTE
from recsys.web.http.parameters import NoParameters
from recsys.web.http.responses import NO_STORE, Response
from recsys.web.operations import Call, Operation

MAIL = "email"
"""The channel of a slot whose address names none: pictures that a reader's program fetches are how e-mail shows them."""
FRESH_SECONDS = 300
"""How long a mail proxy may show an image without asking again. The address is one reader's, so that shared caches may keep it."""
_HEADERS = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex", "X-Content-Type-Options": "nosniff"}
_NUMBER = re.compile(r"[1-9][0-9]?|100")
_HTML = "text/html; charset=utf-8"
_GREY = bytes.fromhex("47494638396101000100800000eeeeee0000002c00000000010001000002024401003b")
"""A GIF of one light grey pixel."""
_PAGE = '<!doctype html><html><head><meta charset="utf-8"><title>{0}</title></head><body><p>{0}</p></body></html>'

_log = logging.getLogger(__name__)


def slot_image(call: Call[NoParameters]) -> Response:
    """Lead to the image of the item that stands in a slot now; else to a placeholder."""
    address = _led(call, "image", _image_address)
    if address:
        return _redirect(address, f"public, max-age={FRESH_SECONDS}")
    placeholder = web_address(call.service.settings.messages.placeholder_url)
    if placeholder:
        return _redirect(placeholder, NO_STORE)
    return Response(_GREY, 200, {**_HEADERS, "Cache-Control": NO_STORE}, content_type="image/gif")


def slot_link(call: Call[NoParameters]) -> Response:
    """Lead to the item whose image a slot showed last, and note the click; else to the shop's front page."""
    address = _led(call, "link", _link_address)
    return _redirect(address, NO_STORE) if address else to_the_shop(call)


def to_the_shop(call: Call[NoParameters]) -> Response:
    """Lead to the shop's front page; where none is known, show a page with the shop's name."""
    messages = call.service.settings.messages
    if address := web_address(messages.home_url):
        return _redirect(address, NO_STORE)
    page = _PAGE.format(html.escape(messages.shop)).encode()
    return Response(page, 200, {**_HEADERS, "Cache-Control": NO_STORE}, content_type=_HTML)


def _led(call: Call[NoParameters], part: str, find: Callable[[Call[NoParameters], Slot], str | None]) -> str | None:
    """Find where a slot leads, and count how that ended; None: nowhere, for whatever reason."""
    service, address, outcome = call.service, None, "failed"
    try:
        slot = named_slot(call)
        if slot is None:
            outcome = "unknown"
        elif service.live.loaded is None:
            outcome = "unready"
        else:
            address = find(call, slot)
            outcome = "item" if address else "empty"
    except Exception:
        _failed(call)
    service.metrics.slot(part, outcome)
    return address


def named_slot(call: Call[NoParameters]) -> Slot | None:
    """The slot that an address names; None: it names none of ours."""
    keys, number = call.service.slot_keys, call.path["n"]
    named = keys.open(call.path["token"]) if keys else None
    return Slot(*named, int(number) - 1) if named and _NUMBER.fullmatch(number) else None


def _image_address(call: Call[NoParameters], slot: Slot) -> str | None:
    service = call.service
    serving = service.live.serving()
    goes_out = call.environ["REQUEST_METHOD"] == "GET"

    def shown() -> int:
        sends = service.sends(serving)  # which knows who was forgotten, before it is asked whether anything may be pinned
        may_pin = serving.forgotten.at(slot.user_id) is None
        return sends.serve_image(slot, service.live.now(serving), may_pin=may_pin, goes_out=goes_out)

    row = until_written(shown, serving.catch_up)
    return None if row < 0 else web_address(serving.engine.catalog.item(row)["image_url"])


def _link_address(call: Call[NoParameters], slot: Slot) -> str | None:
    service = call.service
    serving = service.live.serving()
    now = service.live.now(serving)

    def found() -> Target | None:
        sends = service.sends(serving)
        return sends.target(slot, now, may_pin=serving.forgotten.at(slot.user_id) is None)

    target = until_written(found, serving.catch_up)
    if target is None:
        return None
    item = serving.engine.catalog.item(target.row)
    channel = _channel(call.environ)
    if _is_click(call.environ):
        clicked_at = min(now, service.live.clock.now())
        _note(call, _click(slot, item["item_id"], target.recommendation_id, clicked_at, channel))
    values = {"send_id": slot.send_id, "item_id": item["item_id"], "channel": channel, "placement": target.placement}
    return web_address(item["url"], filled(service.settings.messages.utm, values))


def _is_click(environ: Mapping[str, Any]) -> bool:
    """Tell whether somebody goes there: neither a look at the headers nor a browser that loads what might be clicked."""
    purposes = [environ.get(name, "").lower() for name in ("HTTP_PURPOSE", "HTTP_SEC_PURPOSE")]
    return environ["REQUEST_METHOD"] == "GET" and not any("prefetch" in purpose for purpose in purposes)


def _channel(environ: Mapping[str, Any]) -> str:
    asked = parse_qsl(environ.get("QUERY_STRING", ""))
    named = next((value for name, value in asked if name == "channel"), "")
    return named if named in CHANNELS else MAIL


def _click(slot: Slot, item_id: str, recommendation_id: str, now: int, channel: str) -> Event:
    """A click; of one item in a slate, which stands there once, there is one a minute, however often it is sent."""
    fields = ("slot", slot.send_id, slot.user_id, item_id, str(now // MINUTE))
    event_id = hashlib.sha256(ID_FIELD_SEPARATOR.join(fields).encode()).hexdigest()[:EVENT_ID_LENGTH]
    return Event(
        event_id=event_id,
        user_id=slot.user_id,
        event_type="click",
        timestamp=now,
        item_id=item_id,
        channel=channel,
        recommendation_id=recommendation_id,
        send_id=slot.send_id,
    )


def _note(call: Call[NoParameters], click: Event) -> None:
    """Write a click down; where that fails, the reader is led on all the same."""
    try:
        fresh = sum(call.service.live.accept([click]))
    except StateError:
        _failed(call)
    else:
        call.service.metrics.events(fresh, 1 - fresh, 0)


def _failed(call: Call[NoParameters]) -> None:
    """Log and count what went wrong, by the route: the address opens a shopper's slate."""
    route = call.environ[ROUTE]
    _log.exception("unexpected error in %s %s", call.environ["REQUEST_METHOD"], route)
    call.service.metrics.error(route)


def _redirect(address: str, caching: str) -> Response:
    return Response(b"", 302, {**_HEADERS, "Location": iri_to_uri(address), "Cache-Control": caching}, content_type=_HTML)


def _open_to_all(part: str, summary: str, view: Callable[[Call[NoParameters]], Response], media: str) -> Operation[Any]:
    return Operation(
        method="get",
        path=f"/v1/slots/{{token}}/{{n}}/{part}",
        summary=summary,
        scope=None,
        lenient=True,
        parameters=NoParameters,
        view=view,
        answers=(str,),
        status=302,
        also=(200,),
        media=media,
    )


OPERATIONS: tuple[Operation[Any], ...] = (
    _open_to_all(
        "image", "Lead to the image that stands in a slot of a message, or to a placeholder.", slot_image, "image/gif"
    ),
    _open_to_all(
        "link", "Lead to the item that a slot of a message showed last, and note the click.", slot_link, "text/html"
    ),
)
