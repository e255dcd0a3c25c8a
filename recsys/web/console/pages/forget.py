"""Erasure of a shopper: asked for, confirmed with the id, and answered with a receipt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recsys.web.console.page import Page, View, Visit, given_id
from recsys.web.http.problems import Problem
from recsys.web.resources.shoppers.erasure import forget_user


class ForgetParameters(View, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Query string of the page: who is to be forgotten."""

    user_id: str = ""


def confirm(visit: Visit[ForgetParameters]) -> Mapping[str, Any]:
    """Ask whether it is meant."""
    user_id = _user(visit)
    other_ids = [each for each in visit.serving().ids_of(user_id) if each != user_id]
    return {"user_id": user_id, "other_ids": other_ids, "wrong": "", "receipt": None}


def forget(visit: Visit[ForgetParameters]) -> Mapping[str, Any]:
    """Forget, if the id was typed again."""
    user_id = _user(visit)
    if visit.form.get("confirmed", "").strip() != user_id:
        return {**confirm(visit), "wrong": "This is not the shopper's id; nobody was forgotten.", "status": 400}
    return {"user_id": user_id, "other_ids": (), "wrong": "", "receipt": forget_user(visit.service, user_id)}


def _user(visit: Visit[ForgetParameters]) -> str:
    user_id = given_id("user_id", visit.parameters.user_id)
    if not user_id:
        raise Problem(400, "user_id: is needed; open this page from that of a shopper", parameter="user_id")
    return user_id


PAGE = Page(
    path="/forget",
    title="Forget a shopper",
    template="forget.html",
    parameters=ForgetParameters,
    view=confirm,
    act=forget,
    role="operator",
)
