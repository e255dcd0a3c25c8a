"""A console over the busy shop, with a key of each role, and a shop whose every text tries to run something."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from recsys.clock import DAY
from recsys.item_filters import Condition
from recsys.live.experiments import Exposure
from recsys.settings import ConsoleSettings, StateSettings
from recsys.settings.campaigns import Action, Boost, Campaign, Pin
from recsys.settings.experiments import Experiment
from recsys.types import Send
from recsys.web.app import Application, create_app
from recsys.web.console.sessions import ROLES
from recsys.web.console.site import COOKIE
from tests.conftest import NOW, Shop, ago, event, micros
from tests.support.read_outs import read_out, write_read_out
from tests.support.servers.serving import ENVIRONMENT, serving_settings

KEYS: dict[str, str] = {role: f"console-{role}-key-of-at-least-32-characters" for role in ROLES}
SECRETS = {
    **ENVIRONMENT,
    **{f"RECSYS_KEYS_CONSOLE_{role.upper()}": key for role, key in KEYS.items()},
    "RECSYS_FORGET_SECRETS": "forget-secret-of-at-least-32-characters",
}
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
"""A text that runs something wherever it is not escaped."""


def console_app(artifacts: Path, state: Path | None = None, **web: Any) -> Application:
    """The service with an open console, over a log of its own if a folder is given."""
    settings = serving_settings(artifacts, clock="events", **web)
    if state is not None:
        settings = msgspec.structs.replace(settings, state=StateSettings(folder=str(state)))
    return create_app(settings, SECRETS)


def declare(app: Application, send_id: str) -> None:
    """Declare a send with a template."""
    send = Send(send_id=send_id, placement="email_weekly", limit=3, template="weekly", expires_at=micros(NOW) + 365 * DAY)
    app.service.live.state.pins.declare(send, micros(NOW))


def declare_campaign(app: Application, campaign_id: str, item_id: str, brand: str) -> None:
    """Put a campaign that has yet to begin, so that no list of the present is under it."""
    some = {"brand": Condition(any=(brand,))}
    actions = (Action(pin=Pin(item_id=item_id, place=2)), Action(boost=Boost(factor=1.5, filter=some)))
    begins = NOW.replace(year=NOW.year + 1)
    app.service.live.state.campaigns.put(
        campaign_id, Campaign(placements=("home",), begins=begins, actions=actions), micros(NOW)
    )


def own_artifacts(artifacts: Path, folder: Path) -> Path:
    """A folder with the snapshots of another one, for tests that write beside them."""
    own = folder / "artifacts"
    own.mkdir()
    for entry in artifacts.iterdir():
        (own / entry.name).symlink_to(entry)
    return own


def declare_experiment(app: Application, name: str) -> None:
    """Declare an experiment of two arms, stopped so that no list of the others is under it, with exposures and a read-out."""
    experiments = app.service.live.state.experiments
    experiments.declare(name, trial(stopped=True), micros(NOW))
    arms = ("control", "changed")
    experiments.expose([Exposure(name, f"user-{n}", arms[n % 2], micros(NOW)) for n in range(20)], micros(NOW))
    write_read_out(app.service.settings, read_out(name))
    app.service.live.take_experiments()


def trial(**more: Any) -> Experiment:
    """Two arms on home, half each, the second with another length."""
    arms = [{"name": "control", "share": 0.5}, {"name": "changed", "share": 0.5, "change": {"limit": 3}}]
    return msgspec.convert({"placement": "home", "arms": arms, **more}, Experiment)


def form_token(answer: TestResponse) -> str:
    """The token of the forms of a page."""
    found = re.search(r'name="form_token" value="([0-9a-f]{64})"', answer.text)
    assert found, answer.text
    return found[1]


def log_in(client: FlaskClient, key: str, prefix: str = "", query: str = "", **headers: str) -> TestResponse:
    """Open the form and send a key with it."""
    token = form_token(client.get(f"{prefix}/console/login{query}"))
    return client.post(f"{prefix}/console/login{query}", data={"form_token": token, "key": key}, headers=headers)


def logged_in(app: Application, role: str) -> FlaskClient:
    """A browser in which somebody of this role is logged in."""
    client = app.test_client()
    assert log_in(client, KEYS[role]).status_code == 303
    return client


def cookie(client: FlaskClient, path: str = "/console") -> str | None:
    """The session that a browser keeps."""
    found = client.get_cookie(COOKIE, path=path)
    return None if found is None else found.value


@pytest.fixture(scope="module")
def app(artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Application:
    """The service over the busy shop, in which a send with the id of a shopper is declared."""
    folder = tmp_path_factory.mktemp("state")
    made = console_app(own_artifacts(artifacts, folder), folder, console=ConsoleSettings(logins="10000/minute"))
    declare(made, "user-0")
    declare_campaign(made, "user-0", "sofa-1", "Oakly")
    declare_experiment(made, "trial")
    return made


@pytest.fixture(scope="module")
def viewer(app: Application) -> FlaskClient:
    """Somebody who may look."""
    return logged_in(app, "viewer")


@pytest.fixture(scope="module")
def operator(app: Application) -> FlaskClient:
    """Somebody who may do everything."""
    return logged_in(app, "operator")


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """A viewer of a shop whose ids, titles, brands and categories all try to run something."""
    shop = Shop(tmp_path_factory.mktemp("evil"))
    shop.items = [
        {
            "item_id": f"{number}{EVIL}",
            "title": f"{number} {EVIL}",
            "category": f"{EVIL} > {EVIL}",
            "brand": EVIL,
            "price": 1.0,
        }
        for number in range(3)
    ]
    for number in range(3):
        shop.add(event(f"u{EVIL}", f"{number}{EVIL}", "view", ago(days=2, minutes=number)))
        shop.add(event(f"u{EVIL}", f"{number}{EVIL}", "purchase", ago(days=1), order_id=f"{EVIL}{number}"))
    shop.publish()
    made = console_app(shop.folder / "artifacts")
    declare(made, f"u{EVIL}")
    declare_campaign(made, f"u{EVIL}", f"1{EVIL}", EVIL)
    declare_experiment(made, "trial")
    words = {"changed": EVIL}
    write_read_out(made.service.settings, read_out("trial", verdicts=words, placement=EVIL, metric=EVIL, since=EVIL))
    return logged_in(made, "operator")
