"""Customer value, as a snapshot keeps it and the service tells it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys.snapshot.customer_value import CustomerValue, CustomerValues
from recsys.types import Arrays
from recsys.web.app import create_app
from tests.conftest import Shop, busy_events
from tests.support.servers.intake import EVENTS_KEY
from tests.support.servers.serving import ADMIN, ENVIRONMENT

NAN = float("nan")


def arrays(**more: list[float]) -> Arrays:
    """Values of a lead, of a customer of whom all is known, and of one of whom little is."""
    columns = {
        "orders": [0, 3, 1],
        "revenue": [NAN, 120.5, NAN],
        "p_alive": [NAN, 0.75, NAN],
        "expected_orders": [NAN, 1.25, NAN],
        "expected_value": [NAN, 50.2, NAN],
    } | more
    return {**{name: np.array(column, np.float32) for name, column in columns.items()}, "fit": np.array([90.0, 2.0])}


def test_unknown_is_null() -> None:
    """A lead has no value; what is not known of a customer is null."""
    values = CustomerValues(arrays())
    assert values.at(0) is None
    assert values.at(1) == CustomerValue(3, 120.5, 0.75, 1.25, 50.2, 90.0)
    assert values.at(2) == CustomerValue(1, None, None, None, None, 90.0)
    assert values.at(-1) is None
    assert CustomerValues({}).at(1) is None


def test_the_profile_tells_it(tmp_path: Path) -> None:
    """A customer's orders and revenue are those of the snapshot; a stranger and a forgotten customer have none."""
    shop = Shop(tmp_path, busy_events())
    shop.publish()
    secrets = ENVIRONMENT | {
        "RECSYS_KEYS_EVENTS": EVENTS_KEY,
        "RECSYS_FORGET_SECRETS": "forget-secret-of-at-least-32-characters",
    }
    web = create_app(shop.settings, secrets).test_client()

    def profile(user: str) -> dict[str, Any]:
        return dict(web.get(f"/v1/users/{user}/profile", headers=ADMIN).get_json())

    known = profile("user-0")
    value = known["value"]
    assert value["orders"] == known["orders"] > 0
    assert value["revenue"] == pytest.approx(known["revenue"])
    assert profile("nobody")["value"] is None
    assert web.delete("/v1/users/user-0", headers=ADMIN).status_code == 200
    assert profile("user-0")["value"] is None
