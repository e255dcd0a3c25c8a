"""Forms of a campaign: the fields of the common actions made into the body that `PUT /v1/campaigns/{id}` takes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from recsys.settings.campaigns import Campaign
from recsys.web.console.times import in_utc, picked
from recsys.web.http.parameters import read_row
from recsys.web.http.problems import invalid
from recsys.web.resources.merchant.campaigns import CampaignBody

PLACEMENT = "placement."
"""Before a placement's name in the name of its tick."""
KINDS = {
    "": "nothing more",
    "pin": "pin an item to a place",
    "boost": "boost a brand or category",
    "bury": "bury a brand or category",
    "exclude": "exclude a brand or category",
    "limit": "limit how many of one brand or category",
}
"""Actions of the form."""
KIND_OF = ("brand", "category")
_WHOLE, _DECIMAL = re.compile(r"-?[0-9]{1,9}"), re.compile(r"-?[0-9]{1,9}\.[0-9]{1,9}")


def body_of(form: Mapping[str, str], placements: Sequence[str], before: Campaign | None) -> CampaignBody:
    """Read a form, whose action comes after those that the campaign has; the same action is not added twice.

    Raises:
        Problem: 400, naming the field, the value and what is allowed.
    """
    kept: dict[str, Any] = {} if before is None else msgspec.to_builtins(before)
    body = {name: value for name, value in kept.items() if name == "when"}
    body["placements"] = [name for name in placements if form.get(PLACEMENT + name)]
    spans = {"from": before and before.begins, "until": before and before.until}
    for name, moment in spans.items():
        if text := form.get(name, "").strip():  # a field knows milliseconds: one that was left as it was moves nothing
            body[name] = moment.isoformat() if moment and picked(moment) == text else in_utc(text)
    actions = list(kept.get("actions", ()))
    added = _action(form)
    body["actions"] = actions if added is None else [*actions, added]
    read = read_row(body, CampaignBody)
    *others, last = read.actions
    twice = added is not None and last in others
    return msgspec.structs.replace(read, actions=tuple(others)) if twice else read


def _action(form: Mapping[str, str]) -> dict[str, Any] | None:
    kind = form.get("kind", "")
    if kind not in KINDS:
        raise invalid("kind", kind, ", ".join(filter(None, KINDS)))
    if not kind:
        return None
    if kind == "pin":
        return {kind: {"item_id": form.get("item_id", "").strip(), "place": _number(form, "place")}}
    of = form.get("of", "")
    if of not in KIND_OF:
        raise invalid("of", of, " or ".join(KIND_OF))
    if kind == "limit":
        within = {"within": _number(form, "within")} if form.get("within", "").strip() else {}
        return {kind: {"by": of, "max": _number(form, "max"), **within}}
    value = form.get("value", "").strip()
    if not value:
        raise invalid("value", value, f"the name of a {of}", "is needed")
    chosen: dict[str, Any] = {"filter": {of: {"any": [value]}}}
    return {kind: chosen if kind == "exclude" else {"factor": _number(form, "factor"), **chosen}}


def _number(form: Mapping[str, str], name: str) -> int | float | str:
    """The number of a field; a text that is none stays, so that it is refused by name."""
    text = form.get(name, "").strip()
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text
