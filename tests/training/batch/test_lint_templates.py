"""`make lint-templates`: what it finds, and that what comes with the service is clean."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from recsys.messages.cards.cards import Cards
from recsys.settings.load import parse_settings
from recsys.settings.messages import MessagesSettings
from recsys.settings.moments import MomentKind
from recsys.types import DataError, SettingsError
from training.batch.lint_templates import READERS, Finding, findings, lint_templates, seen_by

SLOTS = MessagesSettings(public_url="https://recs.shop.example", home_url="https://shop.example/")


KINDS = ["weekly", *get_args(MomentKind)]


@pytest.fixture(scope="module")
def built_in() -> Cards:
    """The templates that come with the service."""
    return Cards(None, SLOTS)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_the_built_in_templates_are_clean(built_in: Cards, kind: str) -> None:
    """Every template that comes with the service renders for everybody, in every language, within every limit."""
    assert findings(built_in, SLOTS, [name for name in built_in.names() if name[0] == kind]) == []


@pytest.mark.long
@pytest.mark.parametrize("kind", ["weekly", "price_drop", "winback"])
def test_they_are_clean_without_slots_too(kind: str) -> None:
    """A shop that has told neither its name nor any address has whole messages all the same."""
    plain = MessagesSettings()
    cards = Cards(None, plain)
    assert findings(cards, plain, [name for name in cards.names() if name[0] == kind]) == []


def test_moments_are_among_the_readers() -> None:
    """Messages about the item of a moment, with its slot and the price before, and about something to read, are rendered too."""
    about = {reader.about: seen_by(reader, SLOTS)["Event"] for reader in READERS if reader.items}
    assert about["moment"]["old_price"] > about["moment"]["price"]
    assert about["moment"]["link"].startswith("https://recs.shop.example/v1/slots/")
    assert "price" not in about["article"]


def found(folder: Path, name: str, text: str) -> list[Finding]:
    """What is wrong with one template of a shop."""
    (folder / name).write_text(text)
    cards = Cards(folder, SLOTS)
    kind, channel, _ = name.split(".")
    return findings(cards, SLOTS, [each for each in cards.names() if each[:2] == (kind, channel)])


def test_a_name_that_nobody_has_is_a_finding(tmp_path: Path) -> None:
    """A misspelt name is empty for every reader; one that only some lack is not."""
    assert found(tmp_path, "mine.sms.liquid", "--- body\n{{ shop }} {{ item_1_titel }} {{ item_1_title }}\n") == [
        Finding("en/mine.sms", "everybody", "names must have a value or a default", "item_1_titel")
    ]


def test_what_breaks_a_limit_names_template_reader_and_limit(tmp_path: Path) -> None:
    """Text that cannot give way breaks for every reader."""
    wrong = found(tmp_path, "long.push.liquid", f"--- title\n{'A title ' * 20}\n--- body\nBody\n")
    assert {each.reader for each in wrong} == {reader.name for reader in READERS}
    assert {(each.template, each.limit.partition(":")[0]) for each in wrong} == {("en/long.push", "title")}


def test_a_message_without_room_for_an_item_is_a_finding(tmp_path: Path) -> None:
    """Where even one item has to give way, the message recommends nothing."""
    filler = "W" * 300
    text = f"--- body\n{{% if item_count > 0 %}}{filler} {{{{ item_1_link }}}}{{% else %}}Nothing{{% endif %}}\n"
    wrong = found(tmp_path, "full.sms.liquid", text)
    assert {(each.limit, each.found) for each in wrong} == {("an item must fit", "none does")}


def test_what_fails_to_render_is_a_finding(tmp_path: Path) -> None:
    """A loop without end is told, not waited for."""
    wrong = found(tmp_path, "loop.sms.liquid", "--- body\n{% for i in (1..999999999) %}{% endfor %}x\n")
    assert {each.limit for each in wrong} == {"it must render"}


def test_an_address_that_runs_something_is_a_finding(tmp_path: Path) -> None:
    """A template that writes a script's address itself is told for every reader."""
    wrong = found(tmp_path, "bad.sms.liquid", "--- body\njavascript:alert(1)\n")
    assert {each.limit for each in wrong} == {"body: no address that runs something"}


@pytest.mark.long
def test_the_command_says_how_it_went(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Clean is 0; a finding is 1, an unknown kind and a template that cannot be read an error with its place."""
    settings = parse_settings('[messages]\ntemplates = "own"\n', tmp_path)
    (tmp_path / "own").mkdir()
    assert lint_templates(settings, "cart") == 0
    assert f"16 templates × {len(READERS)} readers: nothing wrong" in capsys.readouterr().out
    (tmp_path / "own" / "mine.sms.liquid").write_text("--- body\n{{ nobody }}\n")
    assert lint_templates(settings, "mine") == 1
    assert "en/mine.sms" in capsys.readouterr().out
    with pytest.raises(DataError, match=r"'nothing'.*cart"):
        lint_templates(settings, "nothing")
    (tmp_path / "own" / "mine.sms.liquid").write_text("--- body\n{% nope %}\n")
    with pytest.raises(SettingsError, match=r"mine\.sms\.liquid, part body, line 2"):
        lint_templates(settings)
