"""Two accounts of one person: joined by somebody who answers for it, and parted again."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from recsys.engine.serving_state import ServingState
from recsys.live.joins import MAX_JOINS, Join
from recsys.web.http.bodies import AccountBody
from recsys.web.http.parameters import NoParameters
from recsys.web.http.problems import Problem
from recsys.web.http.responses import Response, json_response
from recsys.web.http.times import iso
from recsys.web.operations import Call, Operation

CREATED, OK = 201, 200
MAX_ACCOUNTS = 20
"""Most accounts that are joined into one."""
_ADDRESS = "/v1/users/{user_id}/accounts"
_JOINED = "The join stands until it is undone (DELETE), or one of them is forgotten; the shop's own tables stay as they are."
_PARTED = (
    "They are apart again. A snapshot that was trained while they were joined counts what was done under the account until then as "
    "the person's, up to the next training."
)


class JoinAnswer(Struct, frozen=True):
    """Receipt of a join, or of its undo."""

    user_id: Annotated[str, Meta(description="The account that the person's history belongs to.")]
    account_id: Annotated[str, Meta(description="The other account.")]
    joined: Annotated[bool, Meta(description="Whether the two are joined now.")]
    joined_at: Annotated[str, Meta(description="When they were joined, ISO 8601 UTC.")]
    anonymous_ids: Annotated[int, Meta(description="Anonymous ids of the account, which follow it.")]
    remaining: str


class AccountsAnswer(Struct, frozen=True):
    """Accounts of one person."""

    user_id: Annotated[str, Meta(description="The account that the person's history belongs to.")]
    accounts: Annotated[tuple[str, ...], Meta(description="Those that were joined into it.")]


def post_account(call: Call[AccountBody]) -> Response:
    """Join an account into another one of the same person; saying it again changes nothing."""
    live, user_id, account_id = call.service.live, call.path["user_id"], call.parameters.account_id
    with live.state.linking():
        serving = live.serving()
        old = serving.accounts.join(account_id)
        if old is not None and old.user_id == user_id:
            return _response(serving, old, True, OK)
        _check(serving, user_id, account_id, old)
        join = Join(account_id, user_id, live.now(serving))
        if not live.state.joins.add(join, live.received()):
            raise Problem(409, f"there are {MAX_JOINS:,} joins already, and no more are kept")
        return _response(serving, join, True, CREATED)


def delete_account(call: Call[NoParameters]) -> Response:
    """Undo a join."""
    live, user_id, account_id = call.service.live, call.path["user_id"], call.path["account_id"]
    with live.state.linking():
        serving = live.serving()
        old = serving.accounts.join(account_id)
        if old is None or old.user_id != user_id or not live.state.joins.undo(account_id, live.received()):
            raise Problem(404, f"{account_id!r} is not joined into {user_id!r}", parameter="account_id", value=account_id)
        return _response(serving, old, False, OK)


def get_accounts(call: Call[NoParameters]) -> Response:
    """Answer the accounts of a person, under any of them."""
    serving = call.service.live.serving()
    owner = serving.accounts.owner(call.path["user_id"])
    return json_response(msgspec.json.encode(AccountsAnswer(owner, tuple(serving.accounts.joined(owner)))))


def _check(serving: ServingState, user_id: str, account_id: str, old: Join | None) -> None:
    """Check that two accounts can be joined.

    Raises:
        Problem: 400 where one is no account of a person, 409 where another join stands in the way.
    """
    for name, text in (("user_id", user_id), ("account_id", account_id)):
        if text in serving.null_users:
            raise Problem(400, f"{name}: {text!r} names nobody (`data.null_users`)", parameter=name, value=text)
        if serving.is_anonymous(text):
            said = f"{name}: {text!r} is a visitor's id that was linked; visitors are linked by POST /v1/identities"
            raise Problem(400, said, parameter=name, value=text)
    if user_id == account_id:
        raise Problem(400, f"account_id: {account_id!r} is the same as user_id", parameter="account_id", value=account_id)
    if old is not None:
        raise Problem(409, f"{account_id!r} is joined into {old.user_id!r} already; undo that first")
    if (owner := serving.accounts.owner(user_id)) != user_id:
        raise Problem(409, f"{user_id!r} is joined into {owner!r} itself; join {account_id!r} into that one")
    if len(serving.accounts.joined(user_id)) + len(serving.accounts.joined(account_id)) >= MAX_ACCOUNTS:
        raise Problem(409, f"a person has at most {MAX_ACCOUNTS} joined accounts")


def _response(serving: ServingState, join: Join, joined: bool, status: int) -> Response:
    follow = [each for each in serving.anonymous_ids(join.account_id) if each != join.account_id]
    said = _JOINED if joined else _PARTED
    answer = JoinAnswer(join.user_id, join.account_id, joined, iso(join.timestamp), len(follow), said)
    return json_response(msgspec.json.encode(answer), status)


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="post",
        path=_ADDRESS,
        summary="Join an account into another one of the same person.",
        scope="admin",
        parameters=AccountBody,
        view=post_account,
        answers=(JoinAnswer,),
        also=(CREATED,),
        problems=(409, 413, 415, 503),
    ),
    Operation(
        method="delete",
        path=_ADDRESS + "/{account_id}",
        summary="Undo the join of two accounts.",
        scope="admin",
        parameters=NoParameters,
        view=delete_account,
        answers=(JoinAnswer,),
        problems=(404, 503),
    ),
    Operation(
        method="get",
        path=_ADDRESS,
        summary="List the accounts of one person.",
        scope="admin",
        parameters=NoParameters,
        view=get_accounts,
        answers=(AccountsAnswer,),
        problems=(503,),
    ),
)
