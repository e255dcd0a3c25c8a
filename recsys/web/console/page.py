"""One page of the console declared once: its address, who may see it, what it takes, what it shows, and what can be done there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Generic, NamedTuple, TypeAlias, TypeVar

from flask import Response
from msgspec import Meta, Struct

from recsys.engine.serving_state import ServingState
from recsys.web.console.addresses import Addresses
from recsys.web.console.sessions import Role, Session, Sessions
from recsys.web.console.times import in_utc
from recsys.web.http.parameters import check_ids, parse_moment
from recsys.web.http.problems import Problem
from recsys.web.serving.lanes import LaneName
from recsys.web.serving.service import Service

MAX_PAGES = 10_000
PAGE_ROWS = 50
"""Rows of a long table that stand on one page."""


class View(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters that every page takes: `csv` names the table to download, `page` is the part of the long table to show, from 1."""

    csv: str = ""
    page: Annotated[int, Meta(ge=1, le=MAX_PAGES)] = 1
    ALLOWED: ClassVar[Mapping[str, str]] = {"page": f"a whole number from 1 to {MAX_PAGES}", "csv": "the name of a table"}


Taken = TypeVar("Taken", bound=View)


class Link(NamedTuple):
    """A cell that leads to another page of the console."""

    text: str
    address: str


Cell: TypeAlias = str | int | float | Link | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows for people, which can be downloaded: `name` stands in the address of the download, `paged` tables show a part at a time.

    `shares` are the columns (from 0) whose numbers are shares of 1.
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    paged: bool = False
    shares: frozenset[int] = frozenset()
    empty: str = "There is nothing yet."


@dataclass(frozen=True, slots=True)
class Visit(Generic[Taken]):
    """One request for a page, admitted and parsed."""

    service: Service
    addresses: Addresses
    sessions: Sessions
    session: Session
    parameters: Taken
    form: Mapping[str, str]
    """What was sent; empty where the page is only looked at."""

    def serving(self) -> ServingState:
        """Return what answers now.

        Raises:
            Problem: 503 while no snapshot is loaded.
        """
        return self.service.live.serving()

    def now(self, serving: ServingState, given: str = "") -> int:
        """The moment to show, in microseconds: the one given (in UTC where no zone is), else the service's own.

        Raises:
            Problem: 400 if it is not a moment.
        """
        return parse_moment(in_utc(given)) if given.strip() else self.service.live.now(serving)

    def href(self, path: str, **parameters: Any) -> str:
        """The address of a page of the console."""
        return self.addresses.page(path, **parameters)


Shown: TypeAlias = Mapping[str, Any] | Response
"""The values of a template, its `tables` among them, or a whole answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Taken]):
    """A page: `role` None is open to everybody, `nav` is its door in the menu, if it has one.

    `act` is what a form of the page does, for `act_role` and those above it · `lane`: the heavy calls that it takes turns with.
    """

    path: str
    title: str
    template: str
    parameters: type[Taken]
    view: Callable[[Visit[Taken]], Shown]
    nav: str = ""
    role: Role | None = "viewer"
    act: Callable[[Visit[Taken]], Shown] | None = None
    act_role: Role | None = "operator"
    lane: LaneName | None = "console"


def given_id(parameter: str, text: str) -> str:
    """An id of the address, without the blanks that come along when one is pasted.

    Raises:
        Problem: 400 if it cannot be one.
    """
    text = text.strip()
    if text:
        check_ids(parameter, (text,))
    return text


def item_row(serving: ServingState, item_id: str) -> int:
    """The row of an item.

    Raises:
        Problem: 404 if the catalogue does not have it.
    """
    row = serving.engine.catalog.row(item_id)
    if row < 0:
        raise Problem(404, f"there is no item {item_id!r} in the catalogue", parameter="item", value=item_id)
    return row
