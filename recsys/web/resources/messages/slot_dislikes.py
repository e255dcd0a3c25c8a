"""The link in a mail that says no: a page that asks whether an item shall not be shown again, and its button.

Mail scanners and browsers that load ahead follow links: opening the page changes nothing, only its button does. It needs no
JavaScript. The token of the slot is the right to ask; the button carries the item that the page spoke of, sealed, so that it hides
that one and no other.
"""

from __future__ import annotations

import html
import logging
from collections.abc import Callable
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qsl

from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from recsys.clock import DAY
from recsys.live.dislikes import Dislike
from recsys.messages.slots import web_address
from recsys.reasons import reason_locale
from recsys.types import StateError
from recsys.web.http.metrics import ROUTE
from recsys.web.http.parameters import NoParameters
from recsys.web.http.problems import Problem
from recsys.web.http.responses import NO_STORE, Response
from recsys.web.operations import Call, Operation
from recsys.web.resources.messages.slot_dislike_texts import TEXTS, DislikeTexts
from recsys.web.resources.messages.slots import named_slot, to_the_shop

ITEM, UNDO = "item", "undo"
"""Parameters of the button's address: the sealed item, and whether it is to be shown again."""
_HEADERS = {
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": NO_STORE,
    "Vary": "Accept-Language",
}
_STYLE = (
    "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1rem;color-scheme:light dark}"
    "button{font:inherit;padding:.6rem 1.2rem}"
)

_log = logging.getLogger(__name__)


class _Page(NamedTuple):
    """Text of a page, and its button: the text on it and the parameters of its address."""

    said: str
    button: str
    item: str
    undo: bool = False
    status: int = 200


def ask_dislike(call: Call[NoParameters]) -> Response:
    """Ask whether the item that a slot showed last shall not be shown again; changes nothing, and pins nothing."""
    found = _found(call)
    if found is None:
        return to_the_shop(call)
    title, sealed = found
    texts = _texts(call)
    return _answer(call, _Page(texts.ask.format(title=title), texts.hide, sealed))


def say_dislike(call: Call[NoParameters]) -> Response:
    """Hide the item from the shopper for a set time, or show it again."""
    service = call.service
    given = dict(parse_qsl(call.environ.get("QUERY_STRING", "")))
    slot, sealed, texts = named_slot(call), given.get(ITEM, ""), _texts(call)
    said = service.slot_keys.unsealed(sealed) if service.slot_keys else None
    if slot is None or said is None or said[:2] != slot[:2]:
        service.metrics.slot("dislike", "unknown")
        return to_the_shop(call)
    undo = UNDO in given
    try:
        service.dislike_limit.check(slot.user_id)
        serving = service.live.serving()
        at = min(service.live.now(serving), service.live.received())
        days = 0 if undo else service.live.dislike_days
        service.live.dislike([Dislike(slot.user_id, "item", said[2], at, at + round(days * DAY))])
    except Problem as problem:
        refused = _answer(call, _Page(texts.failed, texts.again, sealed, undo, problem.status))
        refused.headers |= problem.headers or {}
        return refused
    except StateError:
        _log.exception("unexpected error in %s %s", call.environ["REQUEST_METHOD"], call.environ[ROUTE])
        service.metrics.error(call.environ[ROUTE])
        return _answer(call, _Page(texts.failed, texts.again, sealed, undo, 503))
    service.metrics.slot("dislike", "undone" if undo else "item")
    page = _Page(texts.shown, texts.hide, sealed) if undo else _Page(texts.hidden, texts.undo, sealed, True)
    return _answer(call, page)


def _found(call: Call[NoParameters]) -> tuple[str, str] | None:
    """The title of the item that a slot showed last, and it sealed; None: there is none, for whatever reason."""
    service = call.service
    slot = named_slot(call)
    if slot is None or service.slot_keys is None or service.live.loaded is None:
        return None
    try:
        serving = service.live.serving()
        target = service.sends(serving).target(slot, service.live.now(serving), may_pin=False)
    except (Problem, StateError):
        _log.exception("unexpected error in %s %s", call.environ["REQUEST_METHOD"], call.environ[ROUTE])
        service.metrics.error(call.environ[ROUTE])
        return None
    if target is None:
        return None
    item_id = serving.engine.catalog.item_id(target.row)
    return serving.engine.catalog.title(target.row), service.slot_keys.sealed(slot.send_id, slot.user_id, item_id)


def _texts(call: Call[NoParameters]) -> DislikeTexts:
    """The texts in the language that the reader's browser asks for, else that of messages."""
    accepted = parse_accept_header(call.environ.get("HTTP_ACCEPT_LANGUAGE", "")[:200], LanguageAccept)
    return TEXTS[reason_locale(*accepted.values(), call.service.settings.messages.locale)]


def _answer(call: Call[NoParameters], page: _Page) -> Response:
    texts, messages = _texts(call), call.service.settings.messages
    address = f"dislike?{ITEM}={page.item}" + (f"&amp;{UNDO}=1" if page.undo else "")
    home = web_address(messages.home_url)
    back = f'<p><a href="{html.escape(home)}">{html.escape(messages.shop)}</a></p>' if home else ""
    text = (
        f'<!doctype html><html lang="{texts.language}" dir="{texts.direction}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{html.escape(messages.shop)}</title><style>{_STYLE}</style>'
        f'</head><body><main><p role="status">{html.escape(page.said)}</p><form method="post" action="{address}">'
        f'<button type="submit">{html.escape(page.button)}</button></form>{back}</main></body></html>'
    )
    return Response(text.encode(), page.status, _HEADERS, content_type="text/html; charset=utf-8")


def _page(
    method: Literal["get", "post"], summary: str, view: Callable[[Call[NoParameters]], Response], *also: int
) -> Operation[Any]:
    return Operation(
        method=method,
        path="/v1/slots/{token}/{n}/dislike",
        summary=summary,
        scope=None,
        lenient=True,
        parameters=NoParameters,
        view=view,
        answers=(str,),
        also=(302, *also),
        media="text/html",
    )


OPERATIONS: tuple[Operation[Any], ...] = (
    _page("get", "Ask a reader whether the item of a slot shall not be shown again; changes nothing.", ask_dislike),
    _page("post", "Hide the item that the page spoke of from the reader, or show it again.", say_dislike, 429, 503),
)
