"""Forgetting a shopper: gone from answers at once, with a receipt that names what is left to do."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Response

from recsys.snapshot.retention import holding
from recsys.web.http.answers import ReceiptAnswer
from recsys.web.http.parameters import NoParameters
from recsys.web.http.problems import Problem
from recsys.web.http.responses import json_response
from recsys.web.http.times import iso
from recsys.web.operations import Call, Operation

_TABLES = (
    "The shop's own tables are the shop's to change; training leaves out what they say of this user up to forgotten_at. "
    "`make purge` deletes the snapshots named here, once none of them serves, and what compacted files and rejects still hold."
)


def forget(call: Call[NoParameters]) -> Response:
    """Forget everything of a user, and of the anonymous ids that were ever linked to it, up to now."""
    live, user_id = call.service.live, call.path["user_id"]
    serving = live.serving()
    if live.erasure_keys is None:
        raise Problem(
            503, "nobody can be forgotten yet: put a secret into RECSYS_FORGET_SECRETS, for the service and for training"
        )
    ids, moment = serving.ids_of(user_id), live.now(serving)
    removed = live.state.forget([live.erasure_keys.sign(each) for each in ids], ids, moment)
    removed["slates"] = live.slates.forget(ids)
    settings = call.service.settings
    receipt = ReceiptAnswer(
        user_id=user_id,
        forgotten_at=iso(moment),
        anonymous_ids=len(ids) - 1,
        removed=removed,
        snapshots=tuple(holding(settings.path(settings.snapshot.artifacts), ids)),
        remaining=_TABLES,
    )
    return json_response(msgspec.json.encode(receipt))


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="delete",
        path="/v1/users/{user_id}",
        summary="Forget a shopper.",
        scope="admin",
        parameters=NoParameters,
        view=forget,
        answers=(ReceiptAnswer,),
        problems=(503,),
    ),
)
