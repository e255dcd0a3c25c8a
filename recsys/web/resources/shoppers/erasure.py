"""Forgetting a shopper: gone from answers at once, with a receipt that names what is left to do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from recsys.engine.serving_state import ServingState
from recsys.live.erasure import Erased, ErasureKeys
from recsys.snapshot.identity_links import Period, Span
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
        asked = keys.spelled_among(user_id, [*serving.linked, *serving.accounts.ids()])
        owners = list(dict.fromkeys(serving.accounts.owner(each) for each in asked))
        theirs = [period for each in owners for period in serving.periods_of(each)]
        moment = live.moment_of_erasure(serving)
        others = sorted({each.anonymous_id for each in theirs} - {*owners})
        accounts = [*owners, *(each for each in others if each in serving.accounts)]
        anonymous_ids = [each for each in others if each not in serving.accounts]
        shared_ids = [each for each in anonymous_ids if len(serving.users_of(each)) > 1]
        erased = [one for each in theirs for one in _erased(each, keys)]
        ids, beside = [one for each in owners for one in serving.ids_of(each)], _beside(serving, owners, moment)
        received, gone = (
            live.received(),
            live.slates.log.forget((), beside) if beside else 0,
        )  # while links tell whose they are
        deleted = live.state.ignore(erased, moment)
    spelled, forgotten = _spelled(ids, keys), live.serving().forgotten
    before = {each: forgotten.spans(each) for each in {*spelled} - {each.user_id for each in erased}}
    removed = live.state.delete_rest(erased, max(moment, received), deleted, before)
    removed["slates"] = gone + live.slates.log.forget(spelled, beside)
    settings = service.settings
    return ReceiptAnswer(
        user_id=user_id,
        forgotten_at=iso(moment),
        anonymous_ids=len(anonymous_ids),
        removed=removed,
        snapshots=tuple(holding(settings.artifacts, owners[0], [*owners[1:], *_spelled(others, keys)])),
        remaining=_TABLES,
        shared_ids=len(shared_ids),
        accounts=tuple(accounts),
    )


def _erased(period: Period, keys: ErasureKeys) -> list[Erased]:
    """A period of an id under each of its spellings, which have one tombstone."""
    subject = keys.sign(period.anonymous_id)
    return [Erased(subject, each, period.since, period.until) for each in keys.spellings(period.anonymous_id)]


def _beside(serving: ServingState, owners: Iterable[str], moment: int) -> dict[str, list[Span]]:
    """Find when erased ids were others' anonymous ids, by whose: what they did then is in the histories of these."""
    found = dict[str, list[Span]]()
    for owner in owners:
        for user in serving.users_of(owner) - {owner}:
            theirs = [each for each in serving.periods_of(user) if each.anonymous_id == owner]
            found.setdefault(user, []).extend(Span(each.since, min(each.until - 1, moment)) for each in theirs)
    return found


def _spelled(ids: Iterable[str], keys: ErasureKeys) -> list[str]:
    """Ids in each of their spellings, once."""
    return list(dict.fromkeys(spelling for each in ids for spelling in keys.spellings(each)))


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
