"""Orders that shops tell badly, from the table to the profile, and the same rows sent live."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from flask.testing import FlaskClient

from recsys.settings.load import load_settings, parse_settings
from recsys.web.app import create_app
from tests.conftest import NOW
from tests.support.training import train

SETTINGS = '[data.events]\npaths = ["events.csv"]\n[web]\nclock = "events"\nauth = "off"\ndevelopment = true\n'
HEAD = "user_id,timestamp,event_type,item_id,order_id,quantity,price"
Figures = tuple[int, float | None, int]
"""Orders, revenue and distinct items of a profile."""


class Case(NamedTuple):
    """Rows as a shop exports them, in loads of its pages, and what each customer then is."""

    loads: tuple[str, ...]
    customers: Mapping[str, Figures]


RELOADED = Case(
    (
        "ada,2026-03-01T10:00:00Z,purchase,tin,R-1,1,30\nada,2026-03-01T10:00:00Z,purchase,box,R-1,2,7",
        "ada,2026-03-01T10:06:00Z,purchase,tin,R-1,1,30\nada,2026-03-01T10:06:00Z,purchase,box,R-1,2,7",
        "ada,2026-03-02T08:00:00Z,purchase,tin,R-1,1,30",
    ),
    {"ada": (1, 44.0, 2)},
)
GIVEN_BACK = Case(
    (
        "ada,2026-03-01T10:00:00Z,purchase,tin,V-1,1,30\nada,2026-03-01T10:00:00Z,purchase,box,V-1,1,14",
        "ben,2026-03-01T10:00:00Z,purchase,tin,V-2,2,12\nben,2026-03-01T10:00:00Z,purchase,tin,V-2,2,12",
        "ada,2026-03-03T10:00:00Z,refund,,V-1,,",
        "ben,2026-03-03T10:00:00Z,refund,tin,V-2,3,",
    ),
    {"ada": (0, None, 0), "ben": (1, 12.0, 1)},
)
EQUAL_LINES = Case(
    (
        "ada,2026-03-01T00:00:00Z,purchase,tin,L-1,,10\nada,2026-03-01T00:00:00Z,purchase,tin,L-1,,10",
        "ben,2026-03-02T00:00:00Z,purchase,tin,L-2,2,10\nben,2026-03-02T00:00:00Z,purchase,tin,L-2,1,10",
    ),
    {"ada": (1, 20.0, 1), "ben": (1, 30.0, 1)},
)
OWN = {"reloaded": RELOADED, "given back": GIVEN_BACK, "equal lines": EQUAL_LINES}
OPEN: Mapping[str, Mapping[str, Figures]] = {
    "orders-01-thank-you-page-reloaded": {"g-1": (1, 44.0, 2)},
    "orders-02-whole-order-given-back": {"f-1": (0, None, 0), "f-2": (1, 12.0, 1)},
    "orders-03-equal-lines": {"b-1": (1, 20.0, 1), "b-2": (1, 30.0, 1)},
}
"""What the open cases expect, where RECSYS_CASES names their folder."""


def serve(folder: Path, now: datetime = NOW) -> FlaskClient:
    """Train on the tables of a folder, and serve."""
    settings = parse_settings(SETTINGS, folder)
    train(settings, now=now, force="a handful of rows")
    return create_app(settings).test_client()


def figures(client: FlaskClient, users: Mapping[str, Figures]) -> dict[str, Figures]:
    """What the service says of customers."""
    profiles = {user: client.get(f"/v1/users/{user}/profile").get_json() for user in users}
    return {user: (each["orders"], each["revenue"], each["items_bought"]) for user, each in profiles.items()}


def body(load: str) -> dict[str, Any]:
    """A load's rows as they are posted."""
    rows = [dict(zip(HEAD.split(","), line.split(","), strict=True)) for line in load.splitlines()]
    numbers = ("quantity", "price")
    return {"events": [row | {name: float(row[name]) if row[name] else None for name in numbers} for row in rows]}


@pytest.mark.parametrize("name", OWN)
def test_orders_in_a_table(tmp_path: Path, name: str) -> None:
    """Reloads count once, refunds spill over or take the whole order, equal lines are as many as they are."""
    case = OWN[name]
    (tmp_path / "events.csv").write_text("\n".join((HEAD, *case.loads)))
    assert figures(serve(tmp_path), case.customers) == case.customers


@pytest.mark.long
@pytest.mark.parametrize("name", OWN)
def test_the_same_orders_sent_live(tmp_path: Path, name: str) -> None:
    """Every load accepted, sent twice, the same customers: at once, and once they are trained on."""
    case = OWN[name]
    views = [f"somebody,2026-02-01T00:00:00Z,view,{item},,,30" for item in ("tin", "box")]
    (tmp_path / "events.csv").write_text("\n".join((HEAD, *views)))
    client = serve(tmp_path)
    for load in case.loads:
        answers = [client.post("/v1/events", json=body(load)).get_json() for _ in range(2)]
        rows = len(load.splitlines())
        assert [(each["accepted"], each["duplicates"]) for each in answers] == [(rows, 0), (0, rows)]
    assert figures(client, case.customers) == case.customers
    assert figures(serve(tmp_path), case.customers) == case.customers


@pytest.mark.skipif("RECSYS_CASES" not in os.environ, reason="RECSYS_CASES names no folder of open cases")
@pytest.mark.parametrize("name", OPEN)
def test_open_cases(tmp_path: Path, name: str) -> None:
    """What each open case expects, in the table; where it has requests to send, nothing is left of what they refund."""
    folder = tmp_path / name
    shutil.copytree(Path(os.environ["RECSYS_CASES"]) / name, folder)
    settings = load_settings(folder / "settings.toml")
    train(settings, now=datetime.fromisoformat("2026-06-30T00:00:00Z"), force="a handful of rows")
    client = create_app(settings).test_client()
    assert figures(client, OPEN[name]) == OPEN[name]
    if (folder / "send.json").exists():
        for method, path, request in json.loads((folder / "send.json").read_text()):
            assert client.open(path, method=method, json=request).get_json()["accepted"] == 1
        assert set(figures(client, OPEN[name]).values()) == {(0, None, 0)}
