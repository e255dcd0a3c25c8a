"""The reference page of settings: no group of them is forgotten."""

from __future__ import annotations

from collections.abc import Iterator

from recsys.settings import Settings
from recsys.settings.types import Group
from training.cli.reference import settings_page


def groups(of: type[Group]) -> Iterator[type[Group]]:
    """All groups of settings."""
    for each in of.__subclasses__():
        yield each
        yield from groups(each)


def test_every_group_stands_in_the_reference() -> None:
    """A group that a setting holds has a table of its own, under what it is for."""
    page = " ".join(settings_page().split())
    for group in groups(Group):
        if group is not Settings and group.__module__.startswith("recsys.settings"):
            about = " ".join((group.__doc__ or "").split("\n\n")[0].split())
            assert about in page, group
