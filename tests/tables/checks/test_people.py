"""People among ids: rows of nobody, machines, ids of a crowd, floods and spellings."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from recsys.ids.event_ids import event_id_of
from recsys.ids.user_ids import NULL_USERS, NullUsers
from recsys.settings.load import parse_settings
from recsys.tables.checks.crowds import OUTLETS
from recsys.tables.checks.usefulness import usefulness
from recsys.tables.shop import ShopTables
from recsys.tables.validation import findings_table
from tests.conftest import micros
from tests.support.shops.shop_tables import NOON, an_event, read_rows, the_finding


def minutes(count: int, step: float = 1.0, **values: Any) -> list[dict[str, Any]]:
    """Views one after the other, so many seconds apart."""
    return [an_event(timestamp=NOON + timedelta(seconds=step * at), item_id=f"i{at % 7}", **values) for at in range(count)]


def people(count: int, views: int = 4) -> list[dict[str, Any]]:
    """So many shoppers with some views each."""
    return [
        an_event(user_id=f"p{who}", item_id=f"i{(who + at) % 7}", timestamp=NOON + timedelta(hours=who, minutes=at))
        for who in range(count)
        for at in range(views)
    ]


def test_rows_of_nobody_stay_without_a_user(tmp_path: Path) -> None:
    """Guests, placeholders and empty ids are no bad rows: they are counted apart, with the words that stood there."""
    rows = [an_event(user_id=who, item_id=str(at)) for at, who in enumerate(("guest", "Guest ", None, "", "0", "anna"))]
    shop = read_rows(tmp_path, rows)
    assert shop.events.collect()["user_id"].to_list() == [None] * 5 + ["anna"]
    found = the_finding(shop, "names somebody")
    assert (found.rows, found.level) == (5, "note")
    assert found.example == "no id: 2 events, 0: 1 events, Guest : 1 events, guest: 1 events"
    assert (shop.counts["events"].rejected, shop.counts["events"].kept) == (0, 6)


@pytest.mark.parametrize("user_id", ["Kasse 1", "POS", "Register 2", "pos-02", "Caja #3", "KASSE Nr. 7", "till-1", "レジ 2"])
def test_a_till_is_nobody_and_told(tmp_path: Path, user_id: str) -> None:
    """Whatever number it has: its purchases are no person's history, and the finding names the word."""
    shop = read_rows(tmp_path, [an_event(), *(an_event(user_id=user_id, item_id=f"i{at}") for at in range(3))])
    assert sorted(shop.events.collect()["user_id"].drop_nulls()) == ["anna"]
    assert the_finding(shop, "names somebody").example == f"{user_id}: 3 events"
    assert user_id in NullUsers(NULL_USERS)


@pytest.mark.parametrize("user_id", ["Kasse 100", "guest 12", "visitor-7", "kassel 1", "pos.kunde", "1", "till87", "kasa12"])
def test_somebody_with_a_number_is_no_till(tmp_path: Path, user_id: str) -> None:
    """Numbered guests are one each, and so is who is only called nearly so; other words of the shop turn tills into people."""
    assert read_rows(tmp_path, [an_event(user_id=user_id)]).events.collect()["user_id"].to_list() == [user_id]
    own = read_rows(tmp_path, [an_event(user_id="Kasse 1")], 'data.null_users = ["guest"]\n')
    assert own.events.collect()["user_id"].to_list() == ["Kasse 1"]


def test_an_anonymous_id_beside_nobody_is_who_it_was(tmp_path: Path) -> None:
    """A tracker that writes "undefined" for the user still knows the browser; the event's id is that of the live event."""
    rows = [
        an_event(user_id="undefined", anonymous_id="anon-5"),
        an_event(user_id="guest", anonymous_id="null", item_id="bed"),
    ]
    found = read_rows(tmp_path, rows).events.collect()
    assert found["user_id"].to_list() == ["anon-5", None]
    assert found["event_id"][0] == event_id_of("anon-5", "view", "sofa", micros(NOON), None)
    assert found["event_id"][1] == event_id_of("guest", "view", "bed", micros(NOON), None)


def test_the_shops_own_words_replace_the_usual_ones(tmp_path: Path) -> None:
    """`data.null_users` is the whole list."""
    rows = [an_event(user_id=who) for who in ("guest", "kasse")]
    shop = read_rows(tmp_path, rows, 'data.null_users = ["Kasse"]\n')
    assert shop.events.collect()["user_id"].to_list() == ["guest", None]


def test_no_error_of_a_spreadsheet_is_a_person(tmp_path: Path) -> None:
    """What no name could be names nobody, also beside a list of the shop's own; a name that could be does where it is listed."""
    words = ("#REF!", "#name?", "<NA>", "[null]", "#¿NOMBRE?", "[object Object]", "n.a.")
    shop = read_rows(tmp_path, [an_event(user_id=who) for who in (*words, "Nan")], 'data.null_users = ["Kasse"]\n')
    assert shop.events.collect()["user_id"].to_list() == [None] * len(words) + ["Nan"]


def test_nobody_is_linked_to_nobody(tmp_path: Path) -> None:
    """A link from or to nobody is refused, or all guests were one customer; nobody is in no table of people."""
    links = [{"anonymous_id": "guest", "user_id": "anna"}, {"anonymous_id": "a-1", "user_id": "undefined"}]
    links.append({"anonymous_id": "a-2", "user_id": "anna"})
    rows = [an_event(user_id=who, item_id=who) for who in ("guest", "a-1", "a-2")]
    shop = read_rows(tmp_path, rows, identities=links, users=[{"user_id": "anna"}, {"user_id": "Guest"}])
    assert dict(shop.events.collect().select("item_id", "user_id").rows()) == {"guest": None, "a-1": "a-1", "a-2": "anna"}
    assert the_finding(shop, "neither id is nobody's").rows == 2
    assert shop.users["user_id"].to_list() == ["anna"]


@pytest.mark.parametrize(
    ("count", "step", "said"),
    [(61, 0.9, "61 in one minute"), (60, 0.9, ""), (1001, 60, "1001 in one day"), (1000, 60, "")],
)
def test_what_no_hand_can_do_is_left_out(tmp_path: Path, count: int, step: float, said: str) -> None:
    """More than 60 views in a minute, or 1,000 in a day, are a machine's; its purchases stay, and so do all others' events."""
    start = datetime(2026, 5, 1, tzinfo=NOON.tzinfo)
    bot = [
        an_event(user_id="bot", item_id=f"i{at % 7}", timestamp=start + timedelta(seconds=step * at)) for at in range(count)
    ]
    bot.append(an_event(user_id="bot", event_type="purchase", timestamp=start, order_id="o"))
    shop = read_rows(tmp_path, [*bot, *people(30)])
    kept = shop.events.collect()
    theirs = kept.filter(user_id="bot")["event_type"].to_list()
    assert kept.height - len(theirs) == 120
    if not said:
        assert len(theirs) == count + 1
        return
    assert theirs == ["purchase"]
    found = the_finding(shop, "a hand can")
    assert (found.rows, found.example, found.level) == (count, f"bot: {said}", "left_out")
    assert (shop.counts["events"].implausible, shop.counts["events"].kept) == (count, 121)


def test_lines_of_an_order_and_lists_are_no_haste(tmp_path: Path) -> None:
    """A wholesale order of a thousand lines, and a page of a hundred impressions, are one act of a hand."""
    lines = [an_event(event_type="purchase", item_id=f"i{at}", order_id="o-1") for at in range(1500)]
    shown = [an_event(event_type="impression", item_id=f"i{at}") for at in range(200)]
    assert read_rows(tmp_path, lines + shown).counts["events"].kept == 1700


def test_an_id_of_a_crowd_is_named_and_stays(tmp_path: Path) -> None:
    """More events than 500, and than twenty times those of 99 in 100 ids: a note, with what to write into the settings."""
    till = [an_event(user_id="shopfloor", item_id=f"i{at % 7}", timestamp=NOON + timedelta(minutes=at)) for at in range(501)]
    shop = read_rows(tmp_path, people(150) + till)
    found = the_finding(shop, "more events than a person")
    assert (found.example, found.level) == ("shopfloor: 501 events", "note")
    assert "`data.null_users`" in found.advice
    assert shop.counts["events"].kept == 1101
    assert not [each for each in read_rows(tmp_path, people(150) + till[:-1]).findings if "than a person" in each.rule]


def busy(user_id: str, hours: int, lines: int = 1) -> list[dict[str, Any]]:
    """Orders in so many hours, of so many lines each."""
    return [
        an_event(user_id=user_id, event_type="purchase", item_id=f"i{line}", order_id=f"{user_id}-{at}", timestamp=when)
        for at in range(hours)
        for when in [NOON + timedelta(hours=5 * at)]
        for line in range(lines)
    ]


def test_guests_of_a_small_shop_are_named(tmp_path: Path) -> None:
    """Ids busy in far more hours than all below them, several at once; a regular, and orders of many lines, are a person's."""
    small = people(30)
    shop = read_rows(tmp_path, [*small, *busy("shopfloor-1", 40), *busy("shopfloor-2", 30), *busy("regular", 7)])
    named = [each.example for each in shop.findings if "than a person" in each.rule]
    assert named == ["shopfloor-1: 40 events", "shopfloor-2: 30 events"]
    for person in (busy("regular", 19), busy("wholesale", 4, lines=120)):
        assert not [each for each in read_rows(tmp_path, small + person).findings if "than a person" in each.rule]
    crowded = [row for at in range(8) for row in busy(f"c{at}", 25)]
    assert not [each for each in read_rows(tmp_path, crowded).findings if "than a person" in each.rule]


def test_a_flood_is_told_apart_from_passing_visitors(tmp_path: Path) -> None:
    """Twenty ids with one event, all of one item, are a flood; spread over the items as the shop's visitors are, they are visitors."""
    fresh = [an_event(user_id=f"f{at}", item_id="junk", timestamp=NOON + timedelta(seconds=at)) for at in range(20)]
    shop = read_rows(tmp_path, people(30) + fresh)
    assert the_finding(shop, "no flood").example == "20 ids with one event, all of junk"
    spread = [{**row, "item_id": f"i{at % 7}"} for at, row in enumerate(fresh)]
    assert read_rows(tmp_path, people(30) + spread).findings == ()


def test_spellings_of_one_id_are_named(tmp_path: Path) -> None:
    """Ids that differ by blanks, `.0` or zeros; of mail addresses also by case, and none is written down."""
    rows = [an_event(user_id=who, item_id=str(at)) for at, who in enumerate(("4711", "4711.0", " 4711", "A1", "a1"))]
    found = the_finding(read_rows(tmp_path, rows), "not the same id")
    assert (found.rows, found.example) == (3, "' 4711', '4711', '4711.0'")
    mails = [an_event(user_id=who, item_id=str(at)) for at, who in enumerate(("Ida@shop.invalid", "ida@shop.invalid "))]
    found = the_finding(read_rows(tmp_path, mails), "not the same id")
    assert (found.rows, "ida@" in found.example.lower()) == (2, False)


def test_no_id_stands_in_a_table_of_findings_for_a_report(tmp_path: Path) -> None:
    """What names people is shown on the terminal only."""
    till = [
        an_event(user_id="till-7", item_id=f"i{at % 7}", timestamp=NOON + timedelta(minutes=9 * at)) for at in range(501)
    ]
    shop = read_rows(tmp_path, people(150) + till)
    assert "till-7" in str(findings_table(shop.findings))
    assert "till-7" not in str(findings_table(shop.findings, people=False))


def _at_tills(folder: Path, ids: int, orders: int, more: str = "") -> ShopTables:
    """A shop with ids such as `POS 1`, of which each orders so many times on each of its days, beside two customers."""
    rows = [
        an_event(user_id=f"POS {at}", order_id=f"{at}-{day}-{each}", item_id=f"i{each}", event_type="purchase",
                 timestamp=NOON + timedelta(days=day, minutes=each))
        for at in range(1, ids + 1) for day in range(3) for each in range(orders)
    ]  # fmt: skip
    rows += [an_event(user_id=user, item_id="i1", timestamp=NOON) for user in ("u1", "u2")]
    return read_rows(folder, rows, more)


@pytest.mark.parametrize(("ids", "orders", "more", "asked"), [
    (12, 1, "", True), (12, 9, "", False), (3, 1, "", False),
    (12, 1, "data.numbered_tills = true\n", False), (12, 1, "data.numbered_tills = false\n", False),
])  # fmt: skip
def test_outlets_that_are_called_as_tills_are_asked_about(
    tmp_path: Path, ids: int, orders: int, more: str, asked: bool
) -> None:
    """`POS 1` to `POS 12` of a wholesaler order once a day; a till serves many. What the settings say is not asked."""
    shop = _at_tills(tmp_path, ids, orders, more)
    stopping = [
        each for each in usefulness(parse_settings(more, tmp_path), shop) if not each.passed and "POS 1" in each.said
    ]
    assert bool(stopping) == asked
    assert not asked or "set `data.numbered_tills = false`" in stopping[0].said
    assert shop.seen.users.height == (14 if "false" in more else 2)
    assert ("pos 7" in parse_settings(more, tmp_path).data.nobody) == ("false" not in more)


@pytest.mark.parametrize(("lines", "asked"), [(9, False), (2, True)])
def test_of_days_without_an_hour_each_line_counts(tmp_path: Path, lines: int, asked: bool) -> None:
    """All of a till's day stands at one moment, where neither an hour nor an order tells its customers apart."""
    midnight = NOON.replace(hour=0)
    rows = [
        an_event(user_id=f"POS {at}", item_id=f"i{each}", event_type="purchase", timestamp=midnight + timedelta(days=day))
        for at in range(1, 7) for day in range(3) for each in range(lines)
    ]  # fmt: skip
    shop = read_rows(tmp_path, [*rows, *people(5)])
    assert any(each.rule == OUTLETS for each in shop.findings) == asked
