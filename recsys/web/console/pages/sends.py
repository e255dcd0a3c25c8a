"""Sends: declared ones, a dry run over many shoppers, and the cards of one shopper on every channel in any language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from recsys.engine.serving_state import ServingState
from recsys.messages.cards.cards import Card
from recsys.messages.dry_run import DryRun, cards_of, draw_users, dry_run, preview
from recsys.types import Send
from recsys.web.console.answers import CARD_POLICY, page_response, redirect_response
from recsys.web.console.lists import shown
from recsys.web.console.page import Cell, Link, Page, Shown, Table, View, Visit, given_id
from recsys.web.console.render import time_text
from recsys.web.console.times import in_utc
from recsys.web.http.bodies import SendBody
from recsys.web.http.parameters import read_row
from recsys.web.http.problems import Problem
from recsys.web.resources.messages.sends import declare_send
from recsys.web.serving.service import Service

NEWEST = 100
ASKED = 300
"""Shoppers that a dry run asks: some seconds' work, in steps that give way."""
_HTML_CHANNEL = "email"


class SendsParameters(View, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Query string of the page: one send, whose card, in which locale, and whether to run it dry (`run=1`)."""

    send_id: str = ""
    user_id: str = ""
    locale: str = ""
    run: str = ""


def sends(visit: Visit[SendsParameters]) -> Mapping[str, Any]:
    """List the sends, or show what one of them would show."""
    serving, asked = visit.serving(), visit.parameters
    send_id, user_id = given_id("send_id", asked.send_id), given_id("user_id", asked.user_id)
    service = visit.service
    base: dict[str, Any] = {
        "send": None,
        "names": service.settings.placement_names(),
        "templates": list(service.cards.kinds()),
        "locales": sorted({locale for _, _, locale in service.cards.names()}),
    }
    if not send_id:
        return {**base, "tables": {"sends": _newest(visit)}}
    send = _send(service, send_id)
    now = visit.now(serving)
    users = [user_id] if user_id else draw_users(serving, 1)
    return {
        **base,
        "title": f"Send {send_id}",
        "send": send,
        "expired": send.expires_at <= now,
        "user_id": users[0] if users else "",
        "preview": _preview(visit, serving, send, users[0], now) if users else None,
        "tables": _dry_tables(_run(visit, serving, send, now)) if asked.run else {},
    }


def declare(visit: Visit[SendsParameters]) -> Shown:
    """Declare a send with what a form says, and show it."""
    form = visit.form
    fields = {name: form[name] for name in ("placement", "template") if form.get(name)}
    if expires_at := in_utc(form.get("expires_at", "")):
        fields["expires_at"] = expires_at
    limit = form.get("limit", "")
    if limit:
        fields["limit"] = int(limit) if limit.isdecimal() and len(limit) < 4 else limit  # type: ignore[assignment]
    send_id = given_id("send_id", form.get("send_id", ""))
    if not send_id:
        raise Problem(400, "send_id: is needed", parameter="send_id")
    send, _ = declare_send(visit.service, send_id, read_row(fields, SendBody))
    return redirect_response(visit.href("sends", send_id=send.send_id))


def _send(service: Service, send_id: str) -> Send:
    send = service.live.state.pins.send(send_id)
    if send is None:
        raise Problem(404, f"there is no send {send_id!r}: declare it first", parameter="send_id", value=send_id)
    return send


def _newest(visit: Visit[SendsParameters]) -> Table:
    return Table(
        name="sends",
        title="Declared last",
        columns=("send", "placement", "items", "template", "expires (UTC)"),
        rows=[
            (
                Link(each.send_id, visit.href("sends", send_id=each.send_id)),
                each.placement.replace("_", " "),
                each.limit,
                each.template,
                time_text(each.expires_at),
            )
            for each in visit.service.live.state.pins.newest_sends(NEWEST)
        ],
        paged=True,
        empty="No send was declared yet.",
    )


def _preview(visit: Visit[SendsParameters], serving: ServingState, send: Send, user_id: str, now: int) -> Mapping[str, Any]:
    """Return what one shopper would get: the items, and the card of each channel."""
    slate = preview(serving, visit.service.live.state.pins, send, user_id, now)
    cards: Mapping[str, Card] = {}
    errors: Mapping[str, str] = {}
    if send.template is not None:
        cards, errors = cards_of(visit.service.cards, serving, send, slate, now, visit.parameters.locale or None)
    frame = visit.href("card", send_id=send.send_id, user_id=user_id, locale=visit.parameters.locale)
    return {"list": shown(serving, slate), "cards": cards, "errors": errors, "frame": frame, "html": _HTML_CHANNEL}


def _run(visit: Visit[SendsParameters], serving: ServingState, send: Send, now: int) -> DryRun:
    service = visit.service
    without_cards = msgspec.structs.replace(send, template=None)
    return dry_run(
        serving,
        service.live.state.pins,
        service.cards,
        without_cards,
        draw_users(serving, ASKED),
        now,
        lambda _done, _all: service.lanes.give_way(),
    )


def _dry_tables(run: DryRun) -> dict[str, Table]:
    of = f"share of {run.users:,} shoppers"
    missing = [("short of items", run.short), ("without any item", run.empty)]
    places = [(f"without {name.replace('_', ' ')}", share) for name, share in run.without.items()]
    return {
        "leads": _shares("leads", "Which rule led", ("rule", of), list(run.strategy.items())),
        "fills": _shares("fills", "Who had to fill places", ("recommender", of), list(run.fallback.items())),
        "missing": _shares("missing", "What is missing", ("list", of), missing),
        "places": _shares("places", "Items that lack something", ("item", "share of places"), places),
        "top": _shares(
            "top",
            f"Shown most: they fill {run.top_share:.0%} of all places, {run.items:,} items are shown",
            ("item", of),
            run.top,
        ),
    }


def _shares(name: str, title: str, columns: tuple[str, str], pairs: Sequence[tuple[str, float]]) -> Table:
    rows: list[Sequence[Cell]] = [(text.replace("_", " "), float(share)) for text, share in pairs]
    return Table(name=name, title=title, columns=columns, rows=rows, shares=frozenset((1,)))


def card(visit: Visit[SendsParameters]) -> Shown:
    """The mail of one shopper as it is, for the frame that shows it."""
    serving, asked = visit.serving(), visit.parameters
    send, user_id = _send(visit.service, given_id("send_id", asked.send_id)), given_id("user_id", asked.user_id)
    slate = preview(serving, visit.service.live.state.pins, send, user_id, visit.now(serving))
    cards, errors = cards_of(visit.service.cards, serving, send, slate, visit.now(serving), asked.locale or None)
    if _HTML_CHANNEL not in cards:
        raise Problem(404, errors.get(_HTML_CHANNEL, "the template has no mail"))
    return page_response(cards[_HTML_CHANNEL].parts["html"], policy=CARD_POLICY)


PAGES: tuple[Page[Any], ...] = (
    Page(
        path="/sends",
        title="Messages",
        nav="Messages",
        template="sends.html",
        parameters=SendsParameters,
        view=sends,
        act=declare,
        act_role="editor",
    ),
    Page(path="/card", title="Card", template="message.html", parameters=SendsParameters, view=card, lane="card"),
)
