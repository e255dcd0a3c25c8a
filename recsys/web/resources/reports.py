"""The reports that `make report` wrote: a list, and each as the file that it is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from jinja2 import Environment

from recsys.snapshot.store import report_files
from recsys.web.http.parameters import NoParameters
from recsys.web.http.problems import Problem
from recsys.web.http.responses import NO_STORE, Response
from recsys.web.operations import Call, Operation
from recsys.web.serving.service import Service

HTML = "text/html; charset=utf-8"
AWAY = "Not all reports could be fetched from the object store: those that another machine wrote may be missing."
_HEADERS = {
    "Cache-Control": NO_STORE,
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data: https: http:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_LIST = Environment(autoescape=True).from_string("""\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Reports</title><link rel="icon" href="data:,">
<style>:root { color-scheme: light dark; } body { font: 1rem/1.6 system-ui, sans-serif; margin: 2rem; }</style></head>
<body><main><h1>Reports</h1>
{% if notice %}<p>{{ notice }}</p>
{% endif %}{% if versions %}<p>One for each snapshot that was reported, the newest first.</p>
<ul>{% for version in versions %}<li><a href="{{ version | urlencode }}">{{ version }}</a></li>{% endfor %}</ul>
{% else %}<p>There is none yet; make report writes one.</p>
{% endif %}</main></body>
</html>
""")


def reports(call: Call[NoParameters]) -> Response:
    """List the reports as a page of links, the newest first."""
    return _page(_LIST.render(versions=[*reports_here(call.service)], notice=reports_notice(call.service)).encode())


def report(call: Call[NoParameters]) -> Response:
    """Answer one report."""
    version = call.path["version"]
    body = report_body(call.service, version)
    if body is None:
        raise Problem(404, f"there is no report {version!r}; /reports/ lists them", parameter="version", value=version)
    return _page(body)


def report_body(service: Service, version: str) -> bytes | None:
    """Read a report; None: there is none, or it was dropped meanwhile."""
    file = reports_here(service).get(version)
    with suppress(FileNotFoundError):
        return None if file is None else file.read_bytes()
    return None


def reports_here(service: Service) -> dict[str, Path]:
    """The reports there are, the newest first: a version is looked up among them, never made into a path."""
    return {file.stem: file for file in report_files(service.settings.artifacts)}


def reports_notice(service: Service) -> str:
    """Return what may be missing among the reports; nothing: all that the store has are here, or will be within a minute."""
    fetcher = service.live.fetcher
    return AWAY if fetcher and fetcher.reports_may_lack else ""


def _page(body: bytes) -> Response:
    return Response(body, headers=_HEADERS, content_type=HTML)


def _for_admins(
    path: str, summary: str, view: Callable[[Call[NoParameters]], Response], *problems: int
) -> Operation[NoParameters]:
    return Operation(
        method="get",
        path=path,
        summary=summary,
        scope="admin",
        parameters=NoParameters,
        view=view,
        answers=(str,),
        media="text/html",
        problems=problems,
    )


OPERATIONS: tuple[Operation[Any], ...] = (
    _for_admins("/reports/", "List the reports of the snapshots.", reports),
    _for_admins("/reports/{version}", "Give one report, a page for people.", report, 404),
)
