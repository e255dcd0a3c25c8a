"""Answers of the console: pages, downloads and redirects, with the headers that keep them to themselves."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from flask import Response

from recsys.web.console.page import Cell, Link, Table

HTML = "text/html; charset=utf-8"
PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data: https: http:; frame-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""Pages run no script at all; pictures are the shop's own, wherever it keeps them."""
CARD_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data: https: http:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox"
)
"""A message as its reader would see it, in a frame of our own pages: it runs nothing and has no origin."""
REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data: https: http:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox allow-same-origin"
)
_HEADERS = MappingProxyType(
    {
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
        "X-Robots-Tag": "noindex",
    }
)
_FORMULA = re.compile("(^|[;\t\r\n])([\t\r\n]*[=+@＝＋－＠-])")
"""How a cell begins that a spreadsheet would run, also where it takes other signs for the end of the one before."""


def page_response(body: str | bytes, status: int = 200, policy: str = PAGE_POLICY, **headers: str) -> Response:
    """Answer with a page that no cache keeps and no other page can frame, unless its policy lets our own do so."""
    framed = "SAMEORIGIN" if "frame-ancestors 'self'" in policy else "DENY"
    own = {**_HEADERS, "Content-Security-Policy": policy, "X-Frame-Options": framed}
    return Response(body, status, {**own, **headers}, content_type=HTML)


def redirect_response(address: str) -> Response:
    """Lead to another page by GET; the address is a path of ours."""
    return page_response(b"", 303, Location=address)


def csv_response(table: Table) -> Response:
    """Answer with all rows of a table as CSV (RFC 4180, UTF-8 with its mark, which spreadsheets look for)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([_plain(each) for each in table.columns])
    writer.writerows([_plain(each) for each in row] for row in table.rows)
    headers: Mapping[str, str] = {
        **_HEADERS,
        "Content-Disposition": f'attachment; filename="{table.name}.csv"',
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
        "X-Frame-Options": "DENY",
    }
    return Response("\ufeff" + text.getvalue(), 200, headers, content_type="text/csv; charset=utf-8")


def _plain(cell: Cell) -> Cell:
    """A cell without its link; what a spreadsheet would take for a formula begins with an apostrophe."""
    text = cell.text if isinstance(cell, Link) else cell
    return _FORMULA.sub(r"\1'\2", text) if isinstance(text, str) else text


def rows_of_page(rows: Sequence[Sequence[Cell]], page: int, size: int) -> tuple[Sequence[Sequence[Cell]], int]:
    """The rows of one page (from 1) of a table, and how many pages there are; a page beyond the end is the last one."""
    pages = max(1, -(-len(rows) // size))
    start = (min(page, pages) - 1) * size
    return rows[start : start + size], pages
