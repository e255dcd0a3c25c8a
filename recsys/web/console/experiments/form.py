"""Form of an experiment: one arm against the placement as it is, made into what `PUT /v1/experiments/{id}` takes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from recsys.settings.campaigns import ALL
from recsys.settings.experiments import Experiment
from recsys.web.http.parameters import read_row
from recsys.web.http.problems import invalid

CONTROL = "control"
"""The arm of the form that changes nothing."""
KINDS = {
    "leads": "another recommender leads",
    "limit": "another length of the list",
    "bought": "what happens to items that are owned",
    "campaigns": "campaigns that change nothing: an id, or all",
    "nothing": "nothing is shown, to see what is bought anyway",
}
"""Changes of the form."""
METRICS = ("conversion", "orders", "revenue", "click_through")
BEGUN = {"share": "50", "traffic": "100", "smallest_effect": "3", "metric": "conversion", "kind": "leads"}
"""What the form says before anything was typed; shares are per cent."""


def experiment_of(form: Mapping[str, str]) -> Experiment:
    """Read a form.

    Raises:
        Problem: 400, naming the field, the value and what is allowed.
    """
    share = share_of(form, "share")
    arms = [
        {"name": CONTROL, "share": 1 - share},
        {"name": form.get("arm", "").strip(), "share": share, "change": _change(form)},
    ]
    body = {
        "placement": form.get("placement", ""),
        "arms": arms,
        "traffic": share_of(form, "traffic"),
        "smallest_effect": share_of(form, "smallest_effect"),
        "metric": form.get("metric", ""),
    }
    return read_row(body, Experiment)


def mark_of(experiment: Experiment) -> str:
    """The mark of an experiment, another one after each change; a form carries that of the experiment that it was filled from."""
    return blake2b(msgspec.json.encode(experiment), digest_size=12).hexdigest()


def share_of(form: Mapping[str, str], name: str) -> float:
    """Read per cent as a share of 1.

    Raises:
        Problem: 400 if it is no number from 0 to 100.
    """
    text = form.get(name, "").strip().removesuffix("%").strip()
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 <= found <= 100:
        raise invalid(name, text, "per cent, a number from 0 to 100")
    return found / 100


def _change(form: Mapping[str, str]) -> dict[str, Any]:
    kind, value = form.get("kind", ""), form.get("value", "").strip()
    if kind not in KINDS:
        raise invalid("kind", kind, ", ".join(KINDS))
    if kind == "nothing":
        return {"rules": [{"name": "nothing"}], "fallback": []}
    if kind == "limit":
        if not value.isascii() or not value.isdigit() or not 1 <= len(value) <= 3:
            raise invalid("value", value, "a whole number from 1 to 100")
        return {"limit": int(value)}
    if not value:
        raise invalid("value", value, "what the arm changes it to", "is needed")
    if kind == "campaigns":
        return {"campaigns_off": value if value == ALL else [value]}
    return {"bought": value} if kind == "bought" else {"rules": [{"name": value, "recommenders": {value: 1.0}}]}
