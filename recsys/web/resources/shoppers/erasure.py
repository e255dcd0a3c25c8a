"""Forgetting a shopper: gone from answers at once, with a receipt that names what is left to do."""

from __future__ import annotations

from typing import Any

import msgspec

from recsys.live.erasure import Erased, ErasureKeys
from recsys.snapshot.identity_links import Period
from recsys.snapshot.retention import holding
from recsys.web.http.answers import ReceiptAnswer
from recsys.web.http.parameters import NoParameters
from recsys.web.http.problems import Problem
from recsys.web.http.responses import Response, json_response
from recsys.web.http.times import iso
from recsys.web.operations import Call, Operation
from recsys.web.serving.service import Service

_TABLES = (
    "The shop's own tables are the shop's to change; training leaves out what they say of this user up to forgotten_at. "
    "`make purge` deletes the snapshots named here, once none of them serves, and what compacted files and rejects still hold. "
    "Backups, and files that `make export` and `make moments` wrote before, are left to the shop."
)


def forget(call: Call[NoParameters]) -> Response:
    """Forget everything of a user up to now, and of anonymous ids what was done under them while they were this user's."""
    return json_response(msgspec.json.encode(forget_user(call.service, call.path["user_id"])))


def forget_user(service: Service, user_id: str) -> ReceiptAnswer:
    """Forget a user under all accounts that were joined, and say what is left to do.

    Raises:
        Problem: 503 without a secret to forget by, or without a snapshot.
        StateError: if the log cannot be read or written, or the clock is wrong.
    """
    live, keys = service.live, service.live.erasure_keys
    if keys is None:
        raise Problem(
            503, "nobody can be forgotten yet: put a secret into RECSYS_FORGET_SECRETS, for the service and for training"
        )
    with live.state.linking():
        serving = live.serving()
        ids, theirs = serving.ids_of(user_id), serving.periods_of(user_id)
        moment = live.moment_of_erasure(serving)
        owner, others = ids[0], sorted({each.anonymous_id for each in theirs} - {ids[0]})
        accounts = [each for each in (owner, *others) if each == owner or each in serving.accounts]
        anonymous_ids = [each for each in others if each not in serving.accounts]
        shared_ids = [each for each in anonymous_ids if len(serving.users_of(each)) > 1]
        removed = live.state.forget([_erased(each, keys) for each in theirs], moment)
    removed["slates"] = live.slates.log.forget(ids)
    settings = service.settings
    return ReceiptAnswer(
        user_id=user_id,
        forgotten_at=iso(moment),
        anonymous_ids=len(anonymous_ids),
        removed=removed,
        snapshots=tuple(holding(settings.artifacts, owner, others)),
        remaining=_TABLES,
        shared_ids=len(shared_ids),
        accounts=tuple(accounts),
    )


def _erased(period: Period, keys: ErasureKeys) -> Erased:
    return Erased(keys.sign(period.anonymous_id), period.anonymous_id, period.since, period.until)


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
