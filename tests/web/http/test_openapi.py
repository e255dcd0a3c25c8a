"""The description of the API: generated, complete, and readable without the network."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import msgspec
import pytest
from flask.testing import FlaskClient

from recsys.settings.placements import PLACEMENTS, Placement
from recsys.web.app import RESOURCES, create_app
from recsys.web.http.auth import KEYS_PREFIX, SCOPES, TOKEN_SECRETS
from recsys.web.http.parameters import ALLOWED
from tests.support.servers.serving import ENVIRONMENT, client, serve, serving_settings

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "goldens" / "openapi.json"
DOCUMENTED_ELSEWHERE = {"/openapi.json", "/docs/", "/docs/<path:path>"}


@pytest.fixture(scope="module")
def web(artifacts: Path) -> FlaskClient:
    """The service with keys."""
    return client(artifacts)


@pytest.fixture(scope="module")
def document(web: FlaskClient) -> dict[str, Any]:
    """The description as it is served."""
    found: dict[str, Any] = web.get("/openapi.json").get_json()
    return found


def names_of(parameters: type[msgspec.Struct]) -> set[str]:
    """Parameters as they are written."""
    return {field.encode_name for field in msgspec.structs.fields(parameters)}


def references(node: Any) -> Iterator[str]:
    """Every $ref below a node."""
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_every_route_is_described(artifacts: Path, document: dict[str, Any]) -> None:
    """A call that is routed is described, and the other way round; the console's pages are for people, not for programs."""
    routed = {rule.rule for rule in serve(artifacts).url_map.iter_rules()} - DOCUMENTED_ELSEWHERE
    rules = {rule for rule in routed if not re.match(r"/console(/|$)", rule)}
    assert {re.sub(r"<id:(\w+)>", r"{\1}", rule) for rule in rules} == set(document["paths"])


def test_every_parameter_is_described(document: dict[str, Any]) -> None:
    """What the parser takes is what the description lists, each with its meaning and what is allowed."""
    for resource in RESOURCES.values():
        for operation in resource.OPERATIONS:
            described = document["paths"][operation.path][operation.method]
            if operation.has_body:
                schema = document["components"]["schemas"][operation.parameters.__name__]
                assert set(schema["properties"]) == names_of(operation.parameters)
                continue
            listed = {one["name"]: one for one in described.get("parameters", ()) if one["in"] == "query"}
            assert set(listed) == names_of(operation.parameters)
            for name, one in listed.items():
                allowed = ALLOWED | getattr(operation.parameters, "ALLOWED", {})
                assert allowed[name] in one["description"]


def test_placements_are_listed_where_they_are_asked_for(artifacts: Path, document: dict[str, Any]) -> None:
    """In the query, in the objects of a page and as plain names, the shop's own among them; the manual names those built in."""
    names = sorted(PLACEMENTS)
    query = document["paths"]["/v1/users/{user_id}/recommendations"]["get"]["parameters"]
    assert [one["schema"]["enum"] for one in query if one["name"] == "placement"] == [names]
    schemas = document["components"]["schemas"]
    assert schemas["PageSlate"]["properties"]["placement"]["enum"] == names
    assert schemas["PageBody"]["properties"]["placements"]["items"]["anyOf"][0]["enum"] == names
    assert schemas["SendBody"]["properties"]["placement"]["enum"] == names
    assert "enum" not in schemas["SlateAnswer"]["properties"]["placement"]
    settings = msgspec.structs.replace(serving_settings(artifacts), placements={"lookbook": Placement()})
    own = create_app(settings, ENVIRONMENT).test_client().get("/openapi.json").get_json()
    assert "lookbook" in own["components"]["schemas"]["PageSlate"]["properties"]["placement"]["enum"]
    manual = (ROOT / "docs" / "http.md").read_text()
    assert [name for name in names if f"`{name}`" not in manual] == []


def test_calls_are_sorted_by_tags_and_have_an_address(document: dict[str, Any]) -> None:
    """Each call has one tag that is declared; the server is the one that describes itself."""
    tags = [tag["name"] for tag in document["tags"]]
    used = [call["tags"] for calls in document["paths"].values() for call in calls.values()]
    assert {tag for [tag] in used} == set(tags) == set(RESOURCES)
    assert document["servers"] == [{"url": "/"}]


def test_what_pages_send_is_described(document: dict[str, Any]) -> None:
    """Text that carries a token, where a browser may send it."""
    takes = {path for path, calls in document["paths"].items() for call in calls.values() if "text/plain" in str(call)}
    assert takes >= {"/v1/events", "/v1/slates"}
    assert "text/plain" not in str(document["paths"]["/v1/identities"])


def test_headers_and_further_answers_are_described(document: dict[str, Any]) -> None:
    """`If-Match` where 412 is answered, and what a reader's page says where a dislike could not be kept."""
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            headers = [one["name"] for one in call.get("parameters", ()) if one["in"] == "header"]
            assert headers == (["If-Match"] if "412" in call["responses"] else []), (path, method)
    said = document["paths"]["/v1/slots/{token}/{n}/dislike"]["post"]["responses"]
    assert {status: [*each["content"]] for status, each in said.items()} == {
        status: ["text/html"] for status in ("200", "302", "429", "503")
    }


def test_references_lead_somewhere(document: dict[str, Any]) -> None:
    """Every schema that is referred to is there, and every schema that is there is referred to."""
    used = {reference.removeprefix("#/components/schemas/") for reference in references(document)}
    assert used == set(document["components"]["schemas"])


def test_protected_calls_say_their_scope(document: dict[str, Any]) -> None:
    """Open calls have no security; the others name the scope."""
    open_calls = {path for path, calls in document["paths"].items() for call in calls.values() if "security" not in call}
    slots, kit = (
        {f"/v1/slots/{{token}}/{{n}}/{part}" for part in ("image", "link", "dislike")},
        {f"/static/{name}" for name in ("recsys.js", "recsys.d.ts", "types.d.ts")},
    )
    assert open_calls == {"/healthz", "/readyz", *slots, *kit}
    assert document["paths"]["/metrics"]["get"]["security"] == [{"bearer": ["admin"]}]


def test_the_description_changes_knowingly(document: dict[str, Any]) -> None:
    """v1 only ever gains fields: a difference to the kept copy must be looked at (then write the new copy)."""
    assert document == json.loads(GOLDEN.read_text())


@pytest.mark.parametrize("prefix", ["", "/recs"])
def test_the_page_loads_nothing_from_elsewhere(artifacts: Path, prefix: str) -> None:
    """Swagger UI and all its files come from this service, under its path where it has one, and its online validator is off."""
    web, at = create_app(serving_settings(artifacts, prefix=prefix), ENVIRONMENT).test_client(), f"{prefix}/docs/"
    with web.get(at) as page:
        assert page.status_code == 200
        assert "default-src 'self'" in page.headers["Content-Security-Policy"]
        text = page.get_data(as_text=True)
    assert '"validatorUrl": null' in text
    [description] = re.findall(r'"url": "([^"]+)"', text)
    files = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert len(files) >= 4
    for file in (description, *files):
        assert urljoin(at, file).startswith(prefix + "/")
        with web.get(urljoin(at, file)) as answer:
            assert answer.status_code == 200


def test_the_manual_names_every_call_parameter_metric_and_variable() -> None:
    """docs/http.md lacks nothing that a caller or an operator can use."""
    manual = (ROOT / "docs" / "http.md").read_text()
    operations = [operation for resource in RESOURCES.values() for operation in resource.OPERATIONS]
    calls = {f"`{operation.method.upper()} {operation.path}`" for operation in operations}
    parameters = {f"`{name}`" for operation in operations for name in names_of(operation.parameters)}
    metrics = set(re.findall(r'"(recsys_\w+)"', (ROOT / "recsys" / "web" / "http" / "metrics.py").read_text()))
    variables = set(re.findall(r"environ\.get\(['\"](\w+)", (ROOT / "recsys" / "web" / "gunicorn_conf.py").read_text()))
    keys = {f"`{KEYS_PREFIX}{scope.upper()}`" for scope in SCOPES} | {f"`{TOKEN_SECRETS}`"}
    assert len(metrics) >= 9
    assert {"HOST", "PORT"} <= variables
    missing = [word for word in calls | parameters | metrics | variables | keys if word not in manual]
    assert missing == []
