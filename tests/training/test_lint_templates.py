"""`make lint-templates`: what it finds, and that what comes with the service is clean."""

from __future__ import annotations

from pathlib import Path

import pytest

from recsys.messages.cards.cards import Cards
from recsys.settings.load import parse_settings
from recsys.settings.messages import MessagesSettings
from recsys.types import SettingsError
from training.batch.lint_templates import READERS, Finding, findings, lint_templates

SLOTS = MessagesSettings(public_url="https://recs.shop.example", home_url="https://shop.example/")


@pytest.mark.parametrize("settings", [MessagesSettings(), SLOTS], ids=["plain", "with slots"])
def test_the_built_in_templates_are_clean(settings: MessagesSettings) -> None:
    """Every template that comes with the service renders for everybody, within every limit."""
    assert findings(Cards(None, settings), settings) == []


def found(folder: Path, name: str, text: str) -> list[Finding]:
    """What is wrong with one template of a shop."""
    (folder / name).write_text(text)
    cards = Cards(folder, SLOTS)
    return [each for each in findings(cards, SLOTS) if each.template.endswith(name.removesuffix(".liquid"))]


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


def test_the_command_says_how_it_went(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Clean is 0; a finding is 1, and a template that cannot be read an error with its place."""
    settings = parse_settings('[messages]\ntemplates = "own"\n', tmp_path)
    (tmp_path / "own").mkdir()
    assert lint_templates(settings) == 0
    assert "nothing wrong" in capsys.readouterr().out
    (tmp_path / "own" / "mine.sms.liquid").write_text("--- body\n{{ nobody }}\n")
    assert lint_templates(settings) == 1
    assert "en/mine.sms" in capsys.readouterr().out
    (tmp_path / "own" / "mine.sms.liquid").write_text("--- body\n{% nope %}\n")
    with pytest.raises(SettingsError, match=r"mine\.sms\.liquid, part body, line 2"):
        lint_templates(settings)
