"""Experiments as the console shows them: the shopper's own arm, without exposing anybody."""

from __future__ import annotations

from pathlib import Path

import msgspec

from recsys.settings import StateSettings
from recsys.web.app import create_app
from tests.console.conftest import SECRETS, logged_in
from tests.support.servers.serving import serving_settings
from tests.web.resources.merchant.test_experiments import SHOPPERS, experiment


def test_a_shopper_is_shown_the_lists_of_their_arm(artifacts: Path, tmp_path: Path) -> None:
    """The list names the arm, the explanation is that of the arm's rules, and looking makes no exposure."""
    settings = msgspec.structs.replace(
        serving_settings(artifacts, clock="events"),
        state=StateSettings(folder=str(tmp_path)),
        experiments={"trial": experiment()},
    )
    app = create_app(settings, SECRETS)
    web = logged_in(app, "viewer")
    arms = set()
    for user in SHOPPERS:
        page = web.get(f"/console/shopper?user_id={user}").text
        changed = "arm changed of trial" in page
        assert changed or "arm control of trial" in page
        explained = web.get(f"/console/explain?item=sofa-1&user_id={user}&placement=home").text
        assert ("<strong>item item</strong>" in explained) == changed
        arms.add(changed)
    assert arms == {True, False}
    assert list(app.service.live.state.experiments.exposures("trial")) == []
