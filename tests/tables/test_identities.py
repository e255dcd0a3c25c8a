"""Anonymous ids that became known: whose an event is, and which links are refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recsys.settings.load import parse_settings
from recsys.tables.shop import ShopTables, read_shop

T0 = datetime(2026, 5, 1, tzinfo=UTC)


def at(hours: float) -> datetime:
    """So many hours after the start."""
    return T0 + timedelta(hours=hours)


def link(anonymous_id: str, user_id: str, time: datetime | None) -> dict[str, Any]:
    """A row of the identities table."""
    return {"anonymous_id": anonymous_id, "user_id": user_id, "timestamp": time}


def read(
    folder: Path,
    events: list[tuple[str | None, datetime]],
    links: list[dict[str, Any]],
    users: tuple[str, ...] = (),
    before: datetime | None = None,
) -> ShopTables:
    """Read views by user and time, with links, up to a moment."""
    rows = [{"user_id": user, "item_id": "sofa", "timestamp": time, "event_type": "view"} for user, time in events]
    tables = {"events": rows, "identities": links, "users": [{"user_id": user} for user in users]}
    schemas: dict[str, Any] = {"identities": {"timestamp": pl.Datetime("us", "UTC")}}
    for name, each in tables.items():
        pl.DataFrame(each, schema_overrides=schemas.get(name)).write_parquet(folder / f"{name}.parquet")
    named = [name for name, each in tables.items() if each]
    settings = parse_settings("".join(f"data.{name}.paths = ['{name}.parquet']\n" for name in named), folder)
    return read_shop(settings, before=before)


def owners(shop: ShopTables) -> list[str]:
    """Users of the events, in order."""
    return shop.events.collect()["user_id"].to_list()


def test_an_event_belongs_to_the_latest_link_at_its_time(tmp_path: Path) -> None:
    """From a link's own moment on it holds, until the next one; events before the first belong to that first user."""
    links = [link("passer", "bea", at(4)), link("passer", "anna", at(2))]
    times = [at(0), at(2), at(3.9), at(4), at(9)]
    shop = read(tmp_path, [("passer", time) for time in times], links)
    assert owners(shop) == ["anna", "anna", "anna", "bea", "bea"]
    assert shop.events.collect()["anonymous_id"].unique().to_list() == ["passer"]
    assert shop.counts["events"].kept == 5


def test_other_events_are_not_touched(tmp_path: Path) -> None:
    """Known users and anonymous ids without a link keep their events; nothing is doubled."""
    shop = read(tmp_path, [("anna", at(0)), ("other", at(1)), ("passer", at(2))], [link("passer", "anna", at(1))])
    assert owners(shop) == ["anna", "other", "anna"]
    assert shop.events.collect()["anonymous_id"].to_list() == [None, None, "passer"]


def test_ids_that_change_hands_stand_beside_ids_that_do_not(tmp_path: Path) -> None:
    """Each event goes to its own id's user at its time, in its place; what belonged to nobody's link stays as it was."""
    links = [link("tablet", "anna", at(1)), link("tablet", "bea", at(4)), link("phone", "carl", at(3))]
    events = [("tablet", at(0)), ("phone", at(1)), ("dora", at(2)), (None, at(3)), ("tablet", at(5)), ("phone", at(6))]
    shop = read(tmp_path, events, links)
    assert owners(shop) == ["anna", "carl", "dora", None, "bea", "carl"]
    assert shop.events.collect()["anonymous_id"].to_list() == ["tablet", "phone", None, None, "tablet", "phone"]
    assert shop.rows.collect()["user_id"].to_list() == owners(shop)


def test_a_link_without_a_time_always_held(tmp_path: Path) -> None:
    """It comes before every link that has one."""
    shop = read(
        tmp_path, [("passer", at(0)), ("passer", at(5))], [link("passer", "bea", at(4)), link("passer", "anna", None)]
    )
    assert owners(shop) == ["anna", "bea"]


@pytest.mark.parametrize(
    ("links", "users", "refused"),
    [
        ([link("anna", "bea", at(0))], ("anna",), "xxxx → xxx"),
        ([link("passer", "anna", at(0)), link("anna", "bea", at(1))], (), "xxxx → xxx"),
        ([link("anna", "anna", at(0))], (), "xxxx → xxxx"),
    ],
)
def test_known_users_are_never_joined(
    tmp_path: Path, links: list[dict[str, Any]], users: tuple[str, ...], refused: str
) -> None:
    """A link from a user of the user table, from one that others are linked to, or to itself is refused and said."""
    shop = read(tmp_path, [("anna", at(2))], links, users)
    assert owners(shop) == ["anna"]
    [found] = [each for each in shop.findings if each.table == "identities"]
    assert (found.rows, found.example, found.level) == (1, refused, "left_out")


def test_a_device_of_several_users_without_times_is_nobodys(tmp_path: Path) -> None:
    """It went to the last of them in the alphabet, purchases of the others among them; a device of one user needs no time."""
    links = [link("shared", "anna", None), link("shared", "zoe", None), link("own", "bea", None), link("own", "bea", None)]
    shop = read(tmp_path, [("shared", at(0)), ("own", at(1))], links)
    assert owners(shop) == ["shared", "bea"]
    [found] = [each for each in shop.findings if each.rule == "tells when an id became whose"]
    assert (found.rows, found.share, found.level) == (2, 0.5, "left_out")


def test_as_of_a_day_a_link_without_a_time_holds_if_the_user_was_there_by_then(tmp_path: Path) -> None:
    """Whoever signs in leaves an event of their own: without one since the id was first seen, the link may have come later."""
    links = [link("early", "anna", None), link("late", "bea", None), link("new", "carl", None), link("dated", "dora", at(3))]
    events = [("bea", at(0)), ("early", at(1)), ("late", at(1)), ("new", at(1)), ("dated", at(1)), ("anna", at(2))]
    after = [("bea", at(5)), ("carl", at(5)), ("dora", at(5))]
    now, then = (read(tmp_path, [*events, *after], links, before=before) for before in (None, at(4)))
    assert owners(now)[:6] == ["bea", "anna", "bea", "carl", "dora", "anna"]
    assert owners(then) == ["bea", "anna", "late", "new", "dora", "anna"]
    [found] = [each for each in then.findings if each.table == "identities"]
    assert (found.column, found.rows, found.share, found.level) == ("timestamp", 2, 0.5, "left_out")
    assert not [each for each in now.findings if each.table == "identities"]


def test_two_links_at_one_moment_have_one_answer(tmp_path: Path) -> None:
    """The user whose id sorts last wins, whatever the order of the rows."""
    links = [link("passer", "bea", at(1)), link("passer", "anna", at(1))]
    both = [owners(read(tmp_path, [("passer", at(2))], each)) for each in (links, links[::-1])]
    assert both == [["bea"], ["bea"]]


def test_an_event_without_a_user_belongs_to_its_anonymous_id(tmp_path: Path) -> None:
    """`anonymous_id` stands in for a missing `user_id`, and is resolved like one."""
    rows = [{"user_id": None, "anonymous_id": "passer", "item_id": "sofa", "timestamp": at(1), "event_type": "view"}]
    pl.DataFrame(rows, schema_overrides={"user_id": pl.String}).write_parquet(tmp_path / "events.parquet")
    alone = read_shop(parse_settings("data.events.paths = ['events.parquet']", tmp_path))
    assert owners(alone) == ["passer"]
    assert alone.findings == ()


@pytest.mark.parametrize("alike", [False, True])
def test_many_links_are_looked_up_by_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alike: bool) -> None:
    """Each id leads to its own user, one without a link to itself, also where ids have the same hash."""
    if alike:
        monkeypatch.setattr(pl.Series, "hash", lambda ids: ids.str.len_bytes().fill_null(0).cast(pl.UInt64))
    links = [link(f"passer-{number}", f"user-{number % 40}", None) for number in range(300)]
    shop = read(tmp_path, [(f"passer-{number}", at(number)) for number in range(0, 600, 7)], links)
    assert owners(shop) == [f"user-{number % 40}" if number < 300 else f"passer-{number}" for number in range(0, 600, 7)]
