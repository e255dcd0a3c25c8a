"""Cards: the message of a send for one user, or of a moment, rendered on the channel that asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from recsys.messages.cards.cards import Card, CardError, Cards, UnknownTemplateError
from recsys.messages.cards.channels import PARTS
from recsys.messages.cards.data import compose, event_of
from recsys.messages.sends import SentSlate
from recsys.moments.card import MomentCard, subject
from recsys.types import Send
from recsys.web.http.answers import CardAnswer, MomentCardAnswer
from recsys.web.http.parameters import UserParameters
from recsys.web.http.problems import Problem, invalid
from recsys.web.http.queries import personal_query
from recsys.web.http.responses import Response, json_response
from recsys.web.operations import Call, Operation
from recsys.web.resources.messages.sends import moment_of, pin_moment, recommend_sent

_CHANNELS = "push, email, sms or whatsapp"
_PART = "a part of the channel, such as html; absent: all of them, as JSON"
PAYLOAD = "payload"
"""The part of a push that is JSON."""


class CardParameters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Query string of a card."""

    channel: Annotated[
        Literal["push", "email", "sms", "whatsapp"], Meta(description=f"Where it will be read. Allowed: {_CHANNELS}.")
    ] = "email"
    part: Annotated[str, Meta(description=f"Only this part, as it is. Allowed: {_PART}.")] | UnsetType = UNSET
    ALLOWED: ClassVar[Mapping[str, str]] = {"channel": _CHANNELS, "part": _PART}


def card(call: Call[CardParameters]) -> Response:
    """Render the template of a send for a user; its items are those that are pinned."""
    service, send_id, user_id = call.service, call.path["send_id"], call.path["user_id"]
    serving = service.live.serving()
    send, now = _send(call, send_id), service.live.now(serving)
    sent = recommend_sent(call, serving, personal_query(UserParameters(), serving, now, None), send_id, (user_id,))[0]
    history = serving.history(user_id)
    event = event_of(send.template, serving.engine, history, now, serving.disliked_at(user_id, now))
    slots = service.slots(send_id, user_id, sent)
    person = serving.person(user_id)
    known = service.cards.reads_profile(send.template or "", call.parameters.channel, person.locale)
    context = compose(serving.engine, sent.slate, send_id, person, history, now, event, slots, reads_profile=known)
    made = _render(service.cards, send, call.parameters.channel, context)
    if call.parameters.part is not UNSET:
        return _part(made, call.parameters.part)
    about = None if event is None else event["item_id"]
    answer = CardAnswer(send_id=send_id, user_id=user_id, pinned=sent.pinned, about=about, **_said(made, sent))
    return json_response(msgspec.json.encode(answer))


def card_of_moment(call: Call[CardParameters]) -> Response:
    """Render the message of a moment; its items are those that were found, as far as they can be bought."""
    service, serving = call.service, call.service.live.serving()
    known = serving.read_to  # before the moment is read
    now, found = service.live.now(serving), _moment(call)
    user_id = found.moment.user_id
    sent = pin_moment(call, serving, known, found, now)
    slots = service.slots(found.send.send_id, user_id, sent)
    links = [slot["link"] for slot in slots] or [""] * len(sent.slate.items)
    person = serving.person(user_id)
    about = subject(found, dict(zip(sent.slate.items, links, strict=True)), serving, now)
    context = compose(
        serving.engine,
        sent.slate,
        found.send.send_id,
        person,
        serving.history(user_id),
        now,
        about.event,
        slots,
        about.passed_over,
        service.cards.reads_profile(found.send.template or "", call.parameters.channel, person.locale),
    )
    made = _render(service.cards, found.send, call.parameters.channel, context)
    if call.parameters.part is not UNSET:
        return _part(made, call.parameters.part)
    answer = MomentCardAnswer(
        moment_id=found.moment.moment_id,
        user_id=user_id,
        kind=found.line.kind,
        about=serving.engine.catalog.item_id(about.row) if about.row >= 0 else None,
        **_said(made, sent),
    )
    return json_response(msgspec.json.encode(answer))


def _said(made: Card, sent: SentSlate) -> dict[str, Any]:
    """Return what both kinds of cards are answered with."""
    return {
        "template": made.template,
        "channel": made.channel,
        "locale": made.locale,
        "recommendation_id": sent.slate.recommendation_id,
        "items": made.items,
        "parts": dict(made.parts),
        "broken": tuple(f"{each.part}: {each.limit}: {each.found} of {each.allowed}" for each in made.broken),
    }


def _send(call: Call[CardParameters], send_id: str) -> Send:
    send = call.service.live.state.pins.send(send_id)
    if send is None:
        raise Problem(404, f"there is no send {send_id!r}", parameter="send_id", value=send_id)
    if send.template is None:
        raise Problem(404, f"send {send_id!r} was declared without a template", parameter="send_id", value=send_id)
    return send


def _moment(call: Call[CardParameters]) -> MomentCard:
    moment_id, settings = call.path["moment_id"], call.service.settings
    found = moment_of(call.service, moment_id)
    if found is None:
        raise Problem(
            404,
            f"there is no moment {moment_id!r}: it was never found, its user was forgotten, or it is older than "
            f"state.keep_days ({settings.state.keep_days:g})",
            parameter="moment_id",
            value=moment_id,
        )
    return found


def _render(cards: Cards, send: Send, channel: str, context: dict[str, Any]) -> Card:
    try:
        return cards.render(send.template or "", channel, context)
    except UnknownTemplateError as error:
        raise Problem(404, f"send {send.send_id!r}: {error}", parameter="template", value=send.template) from error
    except CardError as error:
        raise Problem(500, f"send {send.send_id!r}: {error}") from error


def _part(made: Card, name: str) -> Response:
    if name not in made.parts:
        raise invalid("part", name, "one of " + ", ".join(made.parts))
    media = "application/json" if name == PAYLOAD else PARTS[made.channel][name].media_type
    return json_response(made.parts[name].encode(), media=f"{media}; charset=utf-8" if media.startswith("text/") else media)


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="get",
        path="/v1/sends/{send_id}/users/{user_id}/card",
        summary="Render the message of a send for a user.",
        scope="messages",
        parameters=CardParameters,
        view=card,
        lane="card",
        answers=(CardAnswer,),
        problems=(404, 500, 503),
    ),
    Operation(
        method="get",
        path="/v1/moments/{moment_id}/card",
        summary="Render the message of a moment that was found.",
        scope="messages",
        parameters=CardParameters,
        view=card_of_moment,
        lane="card",
        answers=(MomentCardAnswer,),
        problems=(404, 500, 503),
    ),
)
