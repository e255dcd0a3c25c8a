"""Ids made alike by the rules of the settings: in tables, in the live log, and among the forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import polars as pl
import pytest

from recsys.ids.alike import alike_id
from recsys.ids.event_ids import event_id_of
from recsys.ids.user_ids import NULL_USERS, NullUsers
from recsys.item_updates import ItemUpdate
from recsys.settings.load import parse_settings
from recsys.tables.shop import read_shop
from recsys.tables.values.ids import alike_ids
from recsys.types import Link
from tests.conftest import micros
from tests.support.shops.shop_tables import NOON, an_event, read_rows, the_finding
from tests.tables.test_live_rows import live, log_of

MAILS = '[data.ids]\nuser = ["trim", "lower"]\n'


@pytest.mark.parametrize(
    ("rules", "before", "after"),
    [
        ([], " A01.0 ", " A01.0 "),
        (["trim"], "\tA 1 ", "A 1"),
        (["lower"], "Ä@X.de", "ä@x.de"),
        (["upper"], "qx-1", "QX-1"),
        (["whole"], "123.0", "123"),
        (["whole"], "123.", "123"),
        (["whole"], "12.50", "12.5"),
        (["whole"], "12.05", "12.05"),
        (["whole"], "v1.0", "v1.0"),
        (["unpad"], "0071", "71"),
        (["unpad"], "000", "0"),
        (["unpad"], "0A1", "0A1"),
        (["unpad", "whole", "trim"], " 0012.50 ", "12.5"),
        (["trim"], "   ", None),
        (["trim"], "mailto:ida@x.de", "ida@x.de"),
        (["trim", "lower"], " MailTo: Ida@X.de?subject=Order ", "ida@x.de"),
        (["trim"], "Ida Berg <ida@x.de>", "ida@x.de"),
        (["trim"], "\u202aida@x.de\u202c", "ida@x.de"),
        (["trim"], "ida@\u200bx.de\ufeff", "ida@x.de"),
        (["trim"], "i\u200dda@x.de", "ida@x.de"),
        (["trim"], "\u2067C-7\u2069\u200b", "C-7"),
        (["trim"], "\u0645\u06cc\u200c\u0631\u0648", "\u0645\u06cc\u200c\u0631\u0648"),
        (["trim"], "ida@x.de, bob@x.de", "ida@x.de, bob@x.de"),
        (["trim"], "@ida", "@ida"),
        ([], "mailto:ida@x.de", "mailto:ida@x.de"),
    ],
)
def test_rules(rules: Sequence[str], before: str, after: str | None) -> None:
    """Each does what it says, in whatever order they stand; where nothing is left there is no id. Of one id it is the same."""
    assert alike_id(before, rules) == (after or before)
    assert pl.DataFrame({"id": [before]}).select(alike_ids(pl.col("id"), rules)).item() == after


@pytest.mark.parametrize(
    "rules", [["trim"], ["lower"], ["upper"], ["whole"], ["unpad"], ["unpad", "whole", "lower", "trim"]]
)
def test_one_id_is_made_as_a_column_is(rules: Sequence[str]) -> None:
    """Of ids that programs write, and of any signs one after the other, by both ways."""
    parts = [
        "",
        " ",
        "\n",
        "\u00a0",
        "0",
        "7",
        ".",
        "A",
        "\u0130",
        "\u03a3",
        "\u00df",
        "@",
        "<",
        ">",
        "?",
        "mailto:",
        "\u200b",
        "\u200d",
        "\u0663",
    ]
    ids = ["".join(each) for each in product(parts, repeat=4)]
    made = pl.DataFrame({"id": ids}).select(alike_ids(pl.col("id"), rules))["id"].to_list()
    assert [each for each, after in zip(ids, made, strict=True) if alike_id(each, rules) != (after or each)] == []


def test_one_customer_however_the_address_is_written(tmp_path: Path) -> None:
    """Events, users and identities are made alike; other ids stay as they are."""
    rows = [an_event(user_id=user, order_id=f"O{at}") for at, user in enumerate(["Ida@X", "ida@x ", "IDA@X"])]
    link = {"anonymous_id": " Guest-7", "user_id": "IDA@x", "timestamp": NOON}
    shop = read_rows(tmp_path, [*rows, an_event(user_id="GUEST-7")], MAILS, users=[{"user_id": " Ida@x"}], identities=[link])
    assert shop.events.select("user_id").unique().collect()["user_id"].to_list() == ["ida@x"]
    assert sorted(shop.events.collect()["order_id"].drop_nulls()) == ["O0", "O1", "O2"]
    assert shop.users["user_id"].to_list() == ["ida@x"]
    assert shop.counts["events"].duplicates == 0


def test_items_of_events_find_those_of_the_table(tmp_path: Path) -> None:
    """Both are made alike."""
    more = '[data.ids]\nitem = ["trim", "upper", "whole", "unpad"]\n'
    rows = [an_event(item_id=item, order_id=item) for item in ("71.0", " qx-1", "0071", "880")]
    shop = read_rows(tmp_path, rows, more, items=[{"item_id": "00071"}, {"item_id": "QX-1 "}, {"item_id": "880.0"}])
    assert shop.findings == ()
    assert shop.items["item_id"].to_list() == ["71", "880", "QX-1"]


def test_an_id_of_which_nothing_is_left_is_bad(tmp_path: Path) -> None:
    """A blank is nobody's id where blanks are taken away."""
    shop = read_rows(tmp_path, [an_event(), an_event(user_id="  ")], f"{MAILS}[data]\nmax_rejected_share = 0.5\n")
    assert shop.counts["events"].rejected == 1


def test_what_was_heard_live_is_the_same_customer(tmp_path: Path) -> None:
    """Live events, links and item updates are made alike with the tables; an event that both have counts once."""
    row = an_event(user_id="Ida@X", event_type="purchase", order_id="O1")
    derived = event_id_of("Ida@X", "purchase", "sofa", micros(NOON), "O1")
    log = log_of(tmp_path)
    log.add_events([live(derived, user_id="Ida@X", event_type="purchase", order_id="O1"), live("b", user_id="IDA@x")], 1)
    log.add_links([Link("Passer", "IDA@X", micros(NOON))], 1)
    log.add_items([ItemUpdate("SOFA", price=7.0)], micros(NOON) * 2)
    more = '[data.ids]\nuser = ["trim", "lower"]\nitem = ["lower"]\n'
    shop = read_rows(tmp_path, [row, an_event(user_id="passer")], more, items=[{"item_id": "Sofa", "price": 9.0}])
    assert shop.events.select("user_id").unique().collect()["user_id"].to_list() == ["ida@x"]
    assert shop.events.collect().height == 3
    assert shop.items.select("item_id", "price").rows() == [("sofa", 7.0)]
    assert shop.links.select("anonymous_id", "user_id").rows() == [("passer", "ida@x")]


def test_rules_that_there_are_not_are_refused(tmp_path: Path) -> None:
    """The error names the key and what is allowed."""
    with pytest.raises(Exception, match=r"data\.ids\.user.*'mail'"):
        read_shop(parse_settings('[data.ids]\nuser = ["mail"]\n', tmp_path))


def test_ids_that_a_spreadsheet_shortened_are_found(tmp_path: Path) -> None:
    """4.00638E+12 stands for many ids; 1E5 is an id like others."""
    shop = read_rows(tmp_path, [an_event(item_id="4.00638E+12"), an_event(item_id="1E5"), an_event(item_id="4711")])
    assert the_finding(shop, "no number that was shortened").rows == 1


@pytest.mark.parametrize(
    "other", ["mailto:ida@x.de", "IDA@x.de ", "ida@x.de\u200b", "\u202aida@x.de\u202c", "Ida <ida@x.de>", "i\u00adda@x.de"]
)
def test_an_address_written_in_two_ways_is_named_without_rules(tmp_path: Path, other: str) -> None:
    """They look like one in every list, and were two people in silence; the advice says which rules join them."""
    found = the_finding(read_rows(tmp_path, [an_event(user_id="ida@x.de"), an_event(user_id=other)]), "not the same id")
    assert found.example == "two spellings of one mail address"
    assert 'data.ids.user = ["trim", "lower"]' in found.advice
    shop = read_rows(tmp_path, [an_event(user_id="ida@x.de"), an_event(user_id=other, item_id="B")], MAILS)
    assert {*shop.events.collect()["user_id"]} == {"ida@x.de"}


def test_signs_that_nobody_sees_make_nobody_somebody(tmp_path: Path) -> None:
    """A copied `Gast` with a mark of the direction of writing is a guest all the same, in tables and live."""
    assert "\u200eGast\u200b" in NullUsers(NULL_USERS)
    shop = read_rows(tmp_path, [an_event(user_id="\u200eGast\u200b"), an_event(user_id="u2", item_id="B")])
    assert shop.seen.users["user_id"].to_list() == ["u2"]
