"""The manual's examples of writing calls, run as they stand there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from recsys.web.app import Application
from tests.support.servers.intake import EVENTS, intake

MANUAL = (Path(__file__).parents[3] / "docs" / "http.md").read_text()
EXAMPLE = re.compile(
    r"```\ncurl -s (?:-X (\w+) )?http://127\.0\.0\.1:8000(/\S+) [^\n]* -d '(.*?)'\n```\n```json\n(.*?)\n```", re.DOTALL
)
EXAMPLES = EXAMPLE.findall(MANUAL)


@pytest.fixture(scope="module")
def app(artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Application:
    """The service, its log as the examples before left it."""
    return intake(artifacts, tmp_path_factory.mktemp("examples"))


def test_every_example_is_run() -> None:
    """None escapes for its form, and each of the writing calls has one."""
    assert len(EXAMPLES) == MANUAL.count("```\ncurl ")
    assert {path for _, path, _, _ in EXAMPLES} == {"/v1/events", "/v1/identities", "/v1/items"}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example[1])
def test_an_example_answers_what_the_manual_says(app: Application, example: tuple[str, str, str, str]) -> None:
    """The manual shows the answer, to the word."""
    method, path, body, answer = example
    found = app.test_client().open(path, method=method or "POST", json=json.loads(body), headers=EVENTS)
    assert found.text == answer
