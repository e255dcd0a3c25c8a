"""People and contents of a snapshot, as the shop's tables give them."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl

from recsys.snapshot.contents import Content, Contents, content_arrays
from recsys.snapshot.people import NOBODY, People, Person, people_arrays
from recsys.tables.schema import schema
from tests.support.shops.handmade import World, shop_of


def people(*rows: dict[str, object]) -> People:
    """The user table of these rows."""
    return People(people_arrays(pl.DataFrame(list(rows), schema=schema("users"))))


def test_a_person_is_what_the_user_table_says() -> None:
    """Locale, time zone, birthday and consents come back by id; the channels in the shop's order."""
    found = people(
        {
            "user_id": "ann",
            "locale": "de-DE",
            "timezone": "Europe/Berlin",
            "birthday": date(1980, 2, 29),
            "consent_whatsapp": True,
            "consent_push": True,
            "consent_sms": False,
        },
        {"user_id": "bob", "locale": "ar-SA", "consent_email": True},
    )
    assert found.of("ann") == Person("de-DE", "Europe/Berlin", (2, 29), ("push", "whatsapp"))
    assert found.of("bob") == Person("ar-SA", None, None, ("email",))
    assert len(found) == 2


def test_what_is_not_said_is_not_known() -> None:
    """Empty texts are none, also where nobody's locale, time zone or birthday is known."""
    found = people({"user_id": "ann", "locale": "", "timezone": None}, {"user_id": "bob"})
    assert (found.of("ann"), found.of("bob")) == (NOBODY, NOBODY)
    found = people({"user_id": "ann", "locale": ""}, {"user_id": "bob", "locale": "pl", "birthday": date(1999, 12, 31)})
    assert (found.of("ann"), found.of("bob")) == (NOBODY, Person("pl", None, (12, 31)))


def test_nobody_consents_unless_told() -> None:
    """An id that the table lacks, and one without a word on consent, may be written to on no channel."""
    found = people({"user_id": "ann"})
    assert found.of("ann") == found.of("eve") == NOBODY
    assert people().of("ann") == NOBODY


def contents(made: World, *rows: tuple[str, list[str] | None, datetime | None]) -> Contents:
    """Contents of (id, categories, published_at)."""
    table = [
        {"content_id": name, "title": name, "url": f"https://shop.example/{name}", "categories": named, "published_at": at}
        for name, named, at in rows
    ]
    return Contents(content_arrays(pl.DataFrame(table, schema=schema("contents")), made.catalog))


def test_contents_are_those_of_the_nearest_category_newest_first() -> None:
    """A leaf's own contents come first; one without any takes those of the category above; undated ones come last."""
    made = shop_of("crowd")
    day = [datetime(2026, 5, number, tzinfo=UTC) for number in (1, 2, 3)]
    found = contents(
        made,
        ("old", ["C0"], day[0]),
        ("new", ["C0", "C0 > L0"], day[2]),
        ("undated", ["C0"], None),
        ("other", ["No such"], day[1]),
    )

    def of(name: str) -> list[str]:
        return [found.at(row).content_id for row in found.of(made.catalog.categories.row(name), made.catalog.parent)]

    assert of("C0") == ["new", "old", "undated"]
    assert of("C0 > L0") == ["new"]
    assert of("C0 > L3") == ["new", "old", "undated"]
    assert of("C1") == of("nowhere") == []
    assert found.at(0) == Content("new", "new", "https://shop.example/new")
    assert found.published_at(0) == int(day[2].timestamp() * 1e6)
    assert len(found) == 4
