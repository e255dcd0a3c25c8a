"""Templates of the console: every value is escaped, a name that is missing is an error, and pages hold no script and no style."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from recsys.engine.inspection.profile_report import moment
from recsys.messages.slots import web_address
from recsys.web.console.addresses import Addresses
from recsys.web.console.answers import rows_of_page
from recsys.web.console.page import PAGE_ROWS, Link, Page, Table, Visit
from recsys.web.console.sessions import Session
from recsys.web.console.times import picked

_HERE = Path(__file__).parent
_HAS = ("focus", "brand", "context")
"""Conditions that are read as having something; the others as being it."""
SECONDS_OF = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


class Style(NamedTuple):
    """The style sheet, under an address that changes with it."""

    path: str
    body: bytes


def _style() -> Style:
    body = (_HERE / "static" / "console.css").read_bytes()
    return Style(f"/console-{blake2b(body, digest_size=6).hexdigest()}.css", body)


CSS = _style()


class Templates:
    """Makes the pages of one console."""

    def __init__(self, addresses: Addresses, pages: Sequence[Page[Any]]) -> None:
        self._pages = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._pages.filters |= {
            "number": number,
            "share": share,
            "time": time_text,
            "picked": picked,
            "duration": duration,
            "plain": plain,
            "conditions": conditions,
            "cell": cell,
            "web": web_address,
        }
        self._pages.globals |= {
            "href": addresses.page,
            "style": addresses.page(CSS.path),
            "doors": [(page.path, page.nav) for page in pages if page.nav],
            "part_of": _part_of,
            "is_link": lambda value: isinstance(value, Link),
        }

    def page(self, page: Page[Any], visit: Visit[Any], form_token: str, shown: Mapping[str, Any]) -> str:
        """A page, filled."""
        return self._pages.get_template(page.template).render(
            {"title": page.title, **shown},
            here=page.path,
            session=visit.session if visit.session.role else None,
            form_token=form_token,
            may=visit.session.may,
            asked=visit.parameters,
            again=lambda **more: visit.href(page.path, **{**_given(visit.parameters), **more}),
        )

    def message(self, status: int, text: str, session: Session | None, form_token: str) -> str:
        """A page that only says something."""
        return self._pages.get_template("message.html").render(
            title="Not here" if status == 404 else "That did not work",
            text=text,
            here="",
            session=session,
            form_token=form_token,
        )


def _given(parameters: Any) -> dict[str, Any]:
    """The parameters of a page that are not its defaults, for links that change one of them."""
    return {
        name: value for name in parameters.__struct_fields__ if (value := getattr(parameters, name)) not in ("", 1, None)
    }


def _part_of(table: Table, page: int) -> Mapping[str, Any]:
    """Return what of a table stands on a page."""
    rows, pages = rows_of_page(table.rows, page, PAGE_ROWS) if table.paged else (table.rows, 1)
    numeric = {at for row in rows for at, value in enumerate(row) if isinstance(value, int | float)}
    return {"rows": rows, "pages": pages, "page": min(page, pages), "numeric": numeric}


def number(value: float | None, digits: int = 0) -> str:
    """A number with its thousands apart; a dash where there is none."""
    return "–" if value is None or value != value else f"{value:,.{digits}f}"


def share(value: float | None) -> str:
    """A share of 1 as per cent."""
    return "–" if value is None or value != value else f"{value:.1%}"


def time_text(value: int | datetime | None) -> str:
    """A moment (microseconds or a datetime) in UTC, to the minute."""
    if value is None:
        return "–"
    if isinstance(value, int):
        value = moment(value)
    with suppress(OverflowError):  # the last hours of the calendar in another zone stay as they are
        value = value.astimezone(UTC)
    return f"{value:%Y-%m-%d %H:%M}"


def duration(seconds: float | None) -> str:
    """A time span in its largest whole unit."""
    if seconds is None:
        return "–"
    for name, length in SECONDS_OF:
        if seconds >= 2 * length or name == "second":
            count = int(seconds // length)
            return f"{count:,} {name}" + ("" if count == 1 else "s")
    return ""


def plain(name: str) -> str:
    """A name of the code as words."""
    return name.replace("_", " ")


def conditions(when: Mapping[str, Any]) -> str:
    """The conditions of a rule as words; those without a value are none."""
    parts = []
    for name, value in when.items():
        if value is True or value is False:
            verb, no = ("has", "has no") if name in _HAS else ("is", "is not")
            parts.append(f"{verb if value else no} {name}")
        elif value:
            parts.append(f"{name} is {value if isinstance(value, str) else ' or '.join(value)}")
    return plain(" and ".join(parts)) or "always"


def cell(value: Any, is_share: bool) -> str:
    """A cell of a table as text."""
    if isinstance(value, Link):
        return value.text
    if isinstance(value, float):
        return share(value) if is_share else _decimal(value)
    if isinstance(value, int):
        return f"{value:,}"
    return "–" if value is None else str(value)


def _decimal(value: float) -> str:
    """A number with two decimals, or three digits where these would tell nothing; a dash where there is none."""
    if value != value:
        return "–"
    return f"{value:.3g}" if 0 < abs(value) < 0.1 else f"{value:,.2f}".rstrip("0").rstrip(".")
