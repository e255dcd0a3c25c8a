"""Sends: declared once by the shop's message tool, and the slates that are asked for in their name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from recsys.engine.serving_state import ServingState
from recsys.engine.slate_json import sent_json
from recsys.messages.sends import SentSlate
from recsys.moments.card import MomentCard, moment_card
from recsys.types import Query, Send, SettingsError
from recsys.web.http.answers import SendAnswer
from recsys.web.http.bodies import SendBody, read_time
from recsys.web.http.parameters import NoParameters, SlateParameters
from recsys.web.http.problems import Problem, invalid
from recsys.web.http.queries import item_filter, personal_query
from recsys.web.http.responses import Response, json_response
from recsys.web.http.times import iso
from recsys.web.operations import Call, Operation
from recsys.web.serving.service import Service

CREATED, OK = 201, 200
_ADDRESS = "/v1/sends/{send_id}"
_MOMENT_ID = re.compile("[0-9a-f]{24}")


def put_send(call: Call[SendBody]) -> Response:
    """Declare a send; the first declaration stands, and another one is refused."""
    standing, is_new = declare_send(call.service, call.path["send_id"], call.parameters)
    return _answer(standing, CREATED if is_new else OK)


def declare_send(service: Service, send_id: str, body: SendBody) -> tuple[Send, bool]:
    """Declare a send; returns the one that stands, and whether it is new.

    Raises:
        Problem: 400 if it names what there is not, or has expired; 409 if another one stands.
    """
    live, asked = service.live, _declared(service, send_id, body)
    standing = live.state.pins.send(asked.send_id)
    if standing is not None:
        _check_same(standing, asked)
        return standing, False
    if asked.expires_at <= live.now(live.serving() if live.loaded else None):
        raise invalid("expires_at", body.expires_at, "a moment that has not passed yet", "has passed")
    standing = live.state.pins.declare(asked, live.received())
    _check_same(standing, asked)
    return standing, True


def get_send(call: Call[NoParameters]) -> Response:
    """Answer what a send was declared as."""
    send_id = call.path["send_id"]
    send = call.service.live.state.pins.send(send_id)
    if send is None:
        raise Problem(404, f"there is no send {send_id!r}", parameter="send_id", value=send_id)
    return _answer(send, OK)


def send_slates(call: Call[Any], serving: ServingState, now: int, send_id: str, user_ids: Sequence[str]) -> list[bytes]:
    """Encode the slates of a send for these users; the parameters say what is asked where it is not declared.

    Raises:
        Problem: 400 if the placement is unknown, 403 for a browser token, 404 for a moment of somebody else.
    """
    parameters: SlateParameters = call.parameters
    if call.caller.user_id is not None:
        raise Problem(403, "a browser token does not open the slates of sends; leave send_id out", parameter="send_id")
    known = serving.read_to  # before the moment is read
    if (moment := moment_of(call.service, send_id)) is not None:
        found = [_moment_slate(call, serving, known, moment, user_id, now) for user_id in user_ids]
    else:
        found = recommend_sent(call, serving, personal_query(parameters, serving, now, None), send_id, user_ids)
    slots = [call.service.slots(send_id, *pair) for pair in zip(user_ids, found, strict=True)]
    return [
        sent_json(serving.engine.catalog, sent.slate, send_id, sent.pinned, addresses)
        for sent, addresses in zip(found, slots, strict=True)
    ]


def recommend_sent(
    call: Call[Any], serving: ServingState, query: Query, send_id: str, user_ids: Sequence[str]
) -> list[SentSlate]:
    """Answer the slates of a send, `query` where it is not declared.

    Raises:
        Problem: 400 if its placement is gone from the settings.
    """
    try:
        return call.service.recommend_sent(serving, query, send_id, user_ids)
    except SettingsError as error:
        raise Problem(400, f"send_id: what {send_id!r} was declared with is gone: {error}", parameter="send_id") from error


def moment_of(service: Service, moment_id: str) -> MomentCard | None:
    """Look a moment up, which is a send of its own; None: there is none of this id."""
    found = service.live.state.moments.of(moment_id) if _MOMENT_ID.fullmatch(moment_id) else None
    return None if found is None else moment_card(found, service.settings)


def pin_moment(call: Call[Any], serving: ServingState, known: int, card: MomentCard, now: int) -> SentSlate:
    """Serve the slate of a moment, read when who was forgotten was `known` up to a number of the log.

    Raises:
        Problem: 400 if its placement is gone from the settings.
    """
    try:
        return call.service.pin_given(serving, known, card.send, card.slate, card.query(now))
    except SettingsError as error:
        raise Problem(
            400, f"moment_id: the placement of {card.line.kind!r} is gone: {error}", parameter="moment_id"
        ) from error


def _moment_slate(call: Call[Any], serving: ServingState, known: int, card: MomentCard, user_id: str, now: int) -> SentSlate:
    if user_id != card.moment.user_id:
        raise Problem(404, f"send {card.send.send_id!r} is a moment of another user", parameter="send_id")
    return pin_moment(call, serving, known, card, now)


def _declared(service: Service, send_id: str, body: SendBody) -> Send:
    settings = service.settings
    placement, expires_at = settings.placement(body.placement), read_time(body.expires_at)
    if placement is None:
        raise invalid("placement", body.placement, "one of " + ", ".join(settings.placement_names()))
    if expires_at is None:
        raise invalid("expires_at", body.expires_at, SendBody.ALLOWED["expires_at"])
    return Send(
        send_id=send_id,
        placement=body.placement,
        limit=placement.limit if body.limit is None else body.limit,
        expires_at=expires_at,
        template=body.template,
        filter=item_filter(service.live.serving().engine.catalog, body.attributes) if body.attributes else (),
    )


def _check_same(standing: Send, asked: Send) -> None:
    """Refuse to change a send: what is pinned, and sent, would not be what it says.

    Raises:
        Problem: 409, naming what differs.
    """
    pairs = [(name, getattr(_read(standing), name), getattr(_read(asked), name)) for name in SendAnswer.__struct_fields__]
    differing = [(name, stands, given) for name, stands, given in pairs if stands != given]
    if differing:
        said = "; ".join(f"{name}: {stands!r} stands, not {given!r}" for name, stands, given in differing)
        name, stands, given = differing[0]
        raise Problem(
            409,
            f"send {asked.send_id!r} is declared already: {said}. Declare a new send_id instead",
            parameter=name,
            value=given,
            allowed=msgspec.json.encode(stands).decode(),
        )


def _read(send: Send) -> SendAnswer:
    attributes = dict(send.filter) if send.filter else UNSET
    return SendAnswer(send.send_id, send.placement, send.limit, send.template, iso(send.expires_at), attributes)


def _answer(send: Send, status: int) -> Response:
    return json_response(msgspec.json.encode(_read(send)), status)


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="put",
        path=_ADDRESS,
        summary="Declare a send: its slates are pinned from then on, to it and the user.",
        scope="messages",
        parameters=SendBody,
        view=put_send,
        answers=(SendAnswer,),
        also=(CREATED,),
        problems=(409, 413, 415, 503),
    ),
    Operation(
        method="get",
        path=_ADDRESS,
        summary="Tell what a send was declared as.",
        scope="messages",
        parameters=NoParameters,
        view=get_send,
        answers=(SendAnswer,),
        problems=(404, 503),
    ),
)
