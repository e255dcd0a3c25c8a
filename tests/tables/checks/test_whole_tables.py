"""The user table as a whole: time zones, birthdays that are nobody's, ids that no event has."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

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
    zones = ("Europe/Berlin", " america/new york", "W. Europe Standard Time", "utc", "  ", None)
    users = [a_user(at, timezone=zone) for at, zone in enumerate(zones)]
    shop = read_rows(tmp_path, views("u0"), users=users)
    assert shop.users["timezone"].to_list() == ["Europe/Berlin", "America/New_York", "Europe/Berlin", "UTC", None, None]
    assert not shop.findings


def test_a_zone_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    """Of several columns the first that names one counts."""
    users = [{"user_id": "u0", "shown_zone": "(GMT+01:00) Berlin", "iana_zone": "Europe/Berlin"}]
    more = "[data.users]\npaths = ['users.parquet']\ncolumns = { timezone = ['shown_zone', 'iana_zone'] }\n"
    assert read_rows(tmp_path, views("u0"), more, users=users).users["timezone"].to_list() == ["Europe/Berlin"]


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
    found = the_finding(shop, "somebody's birthday")
    assert (found.rows, found.share, found.level) == (24, 0.2, "emptied")
    assert found.example == "1970-01-01: 24 of 120 birthdays"


def test_people_may_share_a_birthday(tmp_path: Path) -> None:
    """A few of a small shop, and many of a club of children, who were born in a few years, with some of their parents."""
    few = [a_user(at, birthday=FIRST) for at in range(19)]
    assert read_rows(tmp_path, views("u0"), users=few).users["birthday"].null_count() == 0
    club = [a_user(at, birthday=date(2016, 1, 1) + timedelta(days=at % 700)) for at in range(21_000)]
    club += [a_user(21_000 + at, birthday=FIRST + timedelta(days=9 * at)) for at in range(1000)]
    assert read_rows(tmp_path, views("u0"), users=club).users["birthday"].null_count() == 0


@pytest.mark.parametrize("asked", ["year", "year and month"])
def test_a_birthday_without_its_day_is_nobodys(tmp_path: Path, asked: str) -> None:
    """The first of January of any year, or of each month: nobody is congratulated on a day that was never told."""
    users = [a_user(at, birthday=date(1950 + at % 50, 1 + at % 12 * (asked != "year"), 1)) for at in range(600)]
    shop = read_rows(tmp_path, views("u0"), users=users)
    assert shop.users["birthday"].null_count() == 600
    people, more = (600, "") if asked == "year" else (50, " (and 11 more days)")
    assert the_finding(shop, "somebody's birthday").example == f"01 January of any year: {people} of 600 birthdays{more}"


def test_a_placeholder_of_a_large_table_is_found(tmp_path: Path) -> None:
    """However small its share: one in a hundred is far more than any day has."""
    users = [a_user(at, birthday=FIRST + timedelta(days=at % 15_000)) for at in range(20_000)]
    users += [a_user(20_000 + at, birthday=date(1970, 1, 1)) for at in range(200)]
    assert the_finding(read_rows(tmp_path, views("u0"), users=users), "somebody's birthday").rows == 202


def test_a_user_table_that_no_event_knows_is_told(tmp_path: Path) -> None:
    """Consents and birthdays of other ids than the events': nothing is wrong with either table, but they are nobody's."""
    users = [{"user_id": f"anna{at}@shop.example"} for at in range(12)]
    events = views(*(f"c{at}" for at in range(12)))
    found = the_finding(read_rows(tmp_path, events, users=users), "is a user of the events")
    assert (found.rows, found.level, found.example) == (12, "note", "none of 12 ids")
    assert "`data.users.columns.user_id`" in found.advice


def test_a_user_table_in_another_spelling_is_told_how_to_meet(tmp_path: Path) -> None:
    """The advice is the rule of `data.ids` that makes both alike."""
    users = [{"user_id": f"ANNA-{at}"} for at in range(12)]
    events = views(*(f"anna-{at}" for at in range(12)), "guest-5")
    found = the_finding(read_rows(tmp_path, events, users=users), "is a user of the events")
    assert 'set `data.ids.user = ["lower"]`' in found.advice


@pytest.mark.parametrize(("theirs", "events"), [("crm-{}", "guest-{}"), ("{:06}", "q{}x 4711")])
def test_ids_of_others_are_not_made_alike(tmp_path: Path, theirs: str, events: str) -> None:
    """Guests and customers whose numbers meet are different people, and one id in many meets by chance: no rule is proposed."""
    users = [{"user_id": theirs.format(at)} for at in range(12)]
    rows = views(*(events.format(at) for at in range(20)), *(["7"] if "q" in events else []))
    found = the_finding(read_rows(tmp_path, rows, users=users), "is a user of the events")
    assert "`data.users.columns.user_id`" in found.advice


@pytest.mark.parametrize(("people", "known"), [(12, 1), (9, 0)])
def test_one_who_is_known_is_enough_and_a_trial_may_not_meet(tmp_path: Path, people: int, known: int) -> None:
    """Most visitors are in no user table."""
    users = [{"user_id": f"customer-{at}"} for at in range(people)]
    events = views(*(f"visitor_{at}" for at in range(people)), *(f"customer-{at}" for at in range(known)))
    assert not [each for each in read_rows(tmp_path, events, users=users).findings if each.table == "users"]
