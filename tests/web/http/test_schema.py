"""The service held against its own OpenAPI document: no made-up call breaks it, and its answers are as described."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance
from werkzeug.wsgi import ClosingIterator

from recsys.settings import StateSettings, WebSettings
from recsys.web.app import create_app
from tests.conftest import Shop, busy_events
from tests.support.servers.serving import ENVIRONMENT, bearer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

DOCUMENT = json.loads((Path(__file__).parents[2] / "goldens" / "openapi.json").read_text())
CALLS = [(path, method) for path, calls in DOCUMENT["paths"].items() for method in calls]
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 15
KEY = "key-of-everything-of-at-least-32-characters"
EVERYTHING = {f"RECSYS_KEYS_{scope}": KEY for scope in ("READ", "EVENTS", "MESSAGES", "ADMIN")}
SECRETS = {"RECSYS_SLOT_SECRETS": "k1:" + "s" * 40, "RECSYS_FORGET_SECRETS": "k1:" + "e" * 40}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The document of a service that serves a small shop."""
    folder: Path = tmp_path_factory.mktemp("schema")
    shop = Shop(folder, busy_events())
    shop.publish()
    served = msgspec.structs.replace(
        shop.settings, state=StateSettings(folder=str(folder / "state")), web=WebSettings(clock="events")
    )
    return schemathesis.openapi.from_wsgi("/openapi.json", _closing(create_app(served, ENVIRONMENT | EVERYTHING | SECRETS)))


def _closing(app: WSGIApplication) -> WSGIApplication:
    """End each answer, as a server does."""

    def answer(environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
        with closing(ClosingIterator(app(environ, start_response))) as parts:
            return list(parts)

    return answer


@pytest.mark.long
@pytest.mark.parametrize(("path", "method"), CALLS)
def test_any_call_is_answered_as_described(api: Any, path: str, method: str) -> None:
    """Whatever is asked, no answer is a failure of the service, and each has a status, a type and a shape that the document names."""

    @given(case=api[path][method].as_strategy())
    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    def call(case: Any) -> None:
        case.call_and_validate(headers=bearer(KEY), checks=CHECKS)

    call()
