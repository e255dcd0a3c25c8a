"""The user table as a whole: time zones, birthdays that are nobody's, ids that no event has."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.support.shops.shop_tables import an_event, read_rows, the_finding

FIRST = date(1960, 1, 1)


def a_user(number: int, **values: Any) -> dict[str, Any]:
    """A user with a birthday of their own, but for what is named."""
    return {"user_id": f"u{number}", "birthday": FIRST + timedelta(days=37 * number), **values}


def views(*users: str) -> list[dict[str, Any]]:
    """An event of each."""
    return [an_event(user_id=user) for user in users]


def test_zones_are_read_whatever_their_writing(tmp_path: Path) -> None:
    """Names in any case and with blanks, and those of Windows."""
    zones = ("Europe/Berlin", " america/new york", "W. Europe Standard Time", "utc", None)
    users = [a_user(at, timezone=zone) for at, zone in enumerate(zones)]
    shop = read_rows(tmp_path, views("u0"), users=users)
    assert shop.users["timezone"].to_list() == ["Europe/Berlin", "America/New_York", "Europe/Berlin", "UTC", None]
    assert not shop.findings


@pytest.mark.parametrize("zone", ["(GMT+01:00) Berlin", "+01:00", "Mars/Olympus", "localtime", "../etc/passwd"])
def test_a_zone_that_is_none_is_told_and_leaves_the_shops(tmp_path: Path, zone: str) -> None:
    """It was taken for UTC without a word: birthdays began hours off."""
    shop = read_rows(tmp_path, views("u0"), users=[a_user(0, timezone=zone), a_user(1, timezone="Asia/Tokyo")])
    assert shop.users["timezone"].to_list() == [None, "Asia/Tokyo"]
    found = the_finding(shop, "is the name of a time zone")
    assert (found.rows, found.level) == (1, "emptied")
    assert "messages.timezone" in found.advice


def test_a_birthday_that_a_form_puts_there_is_nobodys(tmp_path: Path) -> None:
    """1970-01-01 of a fifth of all people is no birthday: nobody is congratulated then, and it is said."""
    placeholder = date(1970, 1, 1)
    users = [a_user(at, **({} if at % 5 else {"birthday": placeholder})) for at in range(120)]
    shop = read_rows(tmp_path, views("u0"), users=users)
    assert placeholder not in shop.users["birthday"].to_list()
    assert shop.users["birthday"].null_count() == 24
    found = the_finding(shop, "stands for none")
    assert (found.rows, found.share, found.level) == (24, 0.2, "emptied")
    assert found.example == "1970-01-01: 24 of 120 birthdays"


def test_people_may_share_a_birthday(tmp_path: Path) -> None:
    """A few of a small shop, and a fiftieth of a large one: nothing is dropped."""
    few = [a_user(at, birthday=FIRST) for at in range(19)]
    assert read_rows(tmp_path, views("u0"), users=few).users["birthday"].null_count() == 0
    rare = pl.Series([FIRST] * 20 + [FIRST + timedelta(days=37 * at) for at in range(1, 981)])
    users = [a_user(at, birthday=day) for at, day in enumerate(rare)]
    assert read_rows(tmp_path, views("u0"), users=users).users["birthday"].null_count() == 0


def test_a_user_table_that_no_event_knows_is_told(tmp_path: Path) -> None:
    """Consents and birthdays of other ids than the events': nothing is wrong with either table, but they are nobody's."""
    users = [{"user_id": f"anna{at}@shop.example"} for at in range(12)]
    events = views(*(f"c{at}" for at in range(12)))
    found = the_finding(read_rows(tmp_path, events, users=users), "is a user of the events")
    assert (found.rows, found.level, found.example) == (12, "note", "none of 12 ids")
    assert "`data.users.columns.user_id`" in found.advice


def test_a_user_table_in_another_spelling_is_told_how_to_meet(tmp_path: Path) -> None:
    """The advice is the rule of `data.ids` that makes both alike."""
    users = [{"user_id": f"ANNA-{at}X"} for at in range(12)]
    events = views(*(f"anna-{at}x" for at in range(12)))
    found = the_finding(read_rows(tmp_path, events, users=users), "is a user of the events")
    assert 'set `data.ids.user = ["lower"]`' in found.advice


@pytest.mark.parametrize(("people", "known"), [(12, 1), (9, 0)])
def test_one_who_is_known_is_enough_and_a_trial_may_not_meet(tmp_path: Path, people: int, known: int) -> None:
    """Most visitors are in no user table."""
    users = [{"user_id": f"customer-{at}"} for at in range(people)]
    events = views(*(f"visitor_{at}" for at in range(people)), *(f"customer-{at}" for at in range(known)))
    assert not [each for each in read_rows(tmp_path, events, users=users).findings if each.table == "users"]
