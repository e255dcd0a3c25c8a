"""People who said no: in a column of its own, in another row, under a name that a consent has too."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from recsys.settings.load import parse_settings
from recsys.tables.shop import ShopTables, read_shop
from tests.support.shops.shop_tables import an_event
from tests.training.onboarding.test_init_misreadings import read_proposal

MOMENT = "2026-05-01T10:00:00Z"
EVERY = ["consent_push", "consent_email", "consent_sms", "consent_whatsapp"]


def read_people(folder: Path, people: str, more: str) -> ShopTables:
    """A user table in a CSV file."""
    pl.DataFrame([an_event()]).write_parquet(folder / "events.parquet")
    (folder / "people.csv").write_text(people)
    table = f"[data.events]\npaths = ['events.parquet']\n[data.users]\npaths = ['people.csv']\n{more}"
    return read_shop(parse_settings(table, folder))


def test_a_refusal_goes_before_every_consent(tmp_path: Path) -> None:
    """By a moment, a yes or a word that nobody knows; not by a no, a blank or a row that a condition leaves."""
    said = [
        MOMENT,
        "yes",
        "1",
        "perhaps",
        "no",
        "0",
        "",
        "false",
        "NULL",
        "0000-00-00 00:00:00",
        "never",
        "none",
        "NULL ",
        "-",
    ]
    people = (
        "user_id,newsletter,unsubscribed,state\n"
        + "".join(f"u{at:02},yes,{text},\n" for at, text in enumerate(said))
        + "z,yes,,gone\n"
    )
    more = (
        "refused = ['unsubscribed', { column = 'state', one_of = ['Gone'] }]\ncolumns = { consent_email = 'newsletter' }\n"
    )
    users = read_people(tmp_path, people, more).users.sort("user_id")
    assert users["consent_email"].to_list() == [*[False] * 4, *[True] * 10, False]
    assert users["consent_sms"].to_list() == [*[False] * 4, *[None] * 10, False]


def test_a_refusal_needs_no_column_of_consent(tmp_path: Path) -> None:
    """Where consent is assumed, whoever unsubscribed is not written to."""
    people = f"user_id,locale,unsubscribed_at\na,de,{MOMENT}\nb,de,\n"
    users = read_people(tmp_path, people, "refused = ['unsubscribed_at']\n").users.sort("user_id")
    assert users.select(EVERY).rows() == [(False,) * 4, (None,) * 4]


def test_a_column_of_refusals_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A slip in its name would let everybody be written to."""
    with pytest.raises(Exception, match=r"has no column 'refusal' \(for refused\)"):
        read_people(tmp_path, "user_id,locale,opt_out\na,de,yes\n", "refused = ['refusal']\n")


@pytest.mark.parametrize("rows", ["ann,no\nann,yes\n", "ann,yes\nann,no\n", "ann,no\nann,\n"])
def test_a_no_in_any_row_of_a_person_counts(tmp_path: Path, rows: str) -> None:
    """Whichever comes last, and it is said where rows contradict each other."""
    shop = read_people(tmp_path, f"user_id,consent_email\n{rows}ben,yes\nben,\n", "")
    assert dict(shop.users.select("user_id", "consent_email").iter_rows()) == {"ann": False, "ben": True}
    found = [each.rows for each in shop.findings if each.rule == "is the same in all rows of a person"]
    assert found == [1] * ("yes\nann" in rows or "no\nann,yes" in rows)


@pytest.mark.parametrize(
    "name",
    ["Abgem. Newsletter", "opt_out_newsletter", "Newsletter Opt-Out", "no newsletter", "unsubscribed_from_newsletter"],
)
def test_a_refusal_is_no_consent(tmp_path: Path, name: str) -> None:
    """Its name holds that of a consent, and a yes in it means no."""
    rows = [f"u{at}@example.com,de,{'yes' if at % 2 else 'no'}" for at in range(8)]
    found = read_proposal(tmp_path, f"email,language,{name}", rows)
    assert not [each for each in found["columns"] if each.startswith("consent")]
    assert found["refused"] == [name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("no_hp", "08123456789"),
        ("No.", "10004711"),
        ("no_of_orders", "0"),
        ("unsubscribe_id", "12345678"),
        ("do_not_track", "yes"),
        ("no_of_emails_opened", "1"),
        ("todo_notes", "1"),
        ("complaints", "0"),
    ],
)
def test_a_number_is_no_refusal(tmp_path: Path, name: str, value: str) -> None:
    """A phone, a customer's number, a count: "no." is a number in many languages."""
    rows = [f"u{at}@example.com,de,{value}" for at in range(8)]
    assert "refused" not in read_proposal(tmp_path, f"email,language,{name}", rows)


@pytest.mark.parametrize("never", ["NULL", "0000-00-00 00:00:00", "-", "never", "NONE"])
def test_moments_between_words_for_none_are_refusals(tmp_path: Path, never: str) -> None:
    """As databases dump them; where most people would refuse it is asked, for the column may say something else."""
    rows = [f"u{at}@example.com,de,{MOMENT if at % 4 == 0 else never}" for at in range(40)]
    assert read_proposal(tmp_path, "email,language,unsubscribed_at", rows)["refused"] == ["unsubscribed_at"]
    (tmp_path / "most").mkdir()
    most = read_proposal(
        tmp_path / "most",
        "email,language,unsubscribed_at",
        [f"u{at}@example.com,de,{MOMENT if at else never}" for at in range(40)],
    )
    assert "refused" not in most
    assert any("unsubscribed_at may say who wants no messages" in each for each in most["unsure"])


def test_refusals_and_further_consents_count_beside_the_first(tmp_path: Path) -> None:
    """A moment of unsubscribing, a bounce, a second consent; an address for unsubscribing, which everybody has, says nothing."""
    head = "email,Accepts Email Marketing,newsletter,unsubscribed_at,email_bounced,unsubscribe_url,do_not_contact"
    said = [("no" if at == 2 else "yes", MOMENT if at == 3 else "", "never" if at else "call") for at in range(8)]
    rows = [f"u{at}@example.com,yes,{news},{left},no,https://shop/{at},{call}" for at, (news, left, call) in enumerate(said)]
    found = read_proposal(tmp_path, head, rows)
    assert found["columns"]["consent_email"] == ["Accepts Email Marketing", "newsletter"]
    assert found["refused"] == ["unsubscribed_at", "email_bounced"]
    assert [each for each in found["unsure"] if "do_not_contact may say who wants no messages" in each]


def test_a_refusal_of_one_channel_is_asked_about(tmp_path: Path) -> None:
    """Whoever wants no calls may want mail; and a consent that nobody gave in a column of old is no further one."""
    rows = [f"u{at}@example.com,{'yes' if at % 2 else 'no'},0,{'yes' if at % 3 == 0 else 'no'}" for at in range(40)]
    found = read_proposal(tmp_path, "email,newsletter,email_optin,sms_opt_out", rows)
    assert "newsletter" in found["columns"].values()
    assert "refused" not in found
    assert any("sms_opt_out may say who wants no messages on one channel" in each for each in found["unsure"])


def test_a_birthday_of_another_unit_is_none(tmp_path: Path) -> None:
    """A number that is a day long before anybody, or long after."""
    people = "user_id,birthday\na,1980-05-06\nb,3311-07-30\nc,1386-10-29\n"
    users = read_people(tmp_path, people, "").users.sort("user_id")
    assert [each and each.year for each in users["birthday"]] == [1980, None, None]
