"""The storefront kit's files, at addresses that stay: the script that shops put into their pages, and its types."""

from __future__ import annotations

import gzip
import re
from functools import cache
from pathlib import Path
from typing import Any

from werkzeug.http import parse_accept_header

from recsys.web.http.etags import kept_response
from recsys.web.http.parameters import NoParameters
from recsys.web.http.responses import Response
from recsys.web.operations import Call, Operation

STATIC = Path(__file__).parents[1] / "static"
MAX_AGE_SECONDS = 86_400
_OLD_ONES_DO = ", stale-while-revalidate=604800"
"""For a week a browser may use the one that it has while it asks for the new one."""
_COMMENT_LINES = re.compile(rb"^[ ]*/\*\*(?:[^*]|\*(?!/))*\*/\n", re.MULTILINE)
"""Comments that stand on lines of their own, most of them types: who reads the script needs them, a page does not."""
_SCRIPT, _TYPES = "text/javascript; charset=utf-8", "text/plain; charset=utf-8"


def kit_script(call: Call[NoParameters]) -> Response:
    """Answer the script."""
    return _file(call, "recsys.js", _SCRIPT)


def kit_declarations(call: Call[NoParameters]) -> Response:
    """Answer its TypeScript declarations."""
    return _file(call, "recsys.d.ts", _TYPES)


def kit_types(call: Call[NoParameters]) -> Response:
    """Answer the types that they name."""
    return _file(call, "types.d.ts", _TYPES)


def _file(call: Call[NoParameters], name: str, media: str) -> Response:
    zipped = parse_accept_header(call.environ.get("HTTP_ACCEPT_ENCODING"))["gzip"] > 0
    response = kept_response(call.environ, _bytes(name, zipped), MAX_AGE_SECONDS, media, more=_OLD_ONES_DO)
    response.headers["Vary"] += ", Accept-Encoding"
    if zipped and response.body:
        response.headers["Content-Encoding"] = "gzip"
    return response


@cache
def _bytes(name: str, zipped: bool) -> bytes:
    body = (STATIC / name).read_bytes()
    body = body if name.endswith(".d.ts") else _COMMENT_LINES.sub(b"", body)
    return gzip.compress(body, mtime=0) if zipped else body


def _open_to_all(name: str, summary: str, view: Any, media: str) -> Operation[Any]:
    return Operation(
        method="get",
        path=f"/static/{name}",
        summary=summary,
        scope=None,
        lenient=True,
        parameters=NoParameters,
        view=view,
        answers=(str,),
        media=media.partition(";")[0],
    )


OPERATIONS: tuple[Operation[Any], ...] = (
    _open_to_all("recsys.js", "Give the storefront kit, a script for the pages of a shop.", kit_script, _SCRIPT),
    _open_to_all("recsys.d.ts", "Give the TypeScript declarations of the storefront kit.", kit_declarations, _TYPES),
    _open_to_all("types.d.ts", "Give the types of lists and events that those name.", kit_types, _TYPES),
)
