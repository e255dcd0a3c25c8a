"""`make dry-run`: what a send would show, told before anybody gets it."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from recsys.live.databases import log_in
from recsys.live.log import EventLog
from recsys.types import DataError, Send
from tests.conftest import NOW, Shop, busy_events, micros
from training.batch.dry_run import dry_run, look
from training.batch.export import Source, published

SETTINGS = '[web]\nclock = "events"\n[messages]\nhome_url = "https://shop.example/"\n'


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A published shop with two declared sends, one without a template."""
    shop = Shop(tmp_path, busy_events())
    shop.toml = shop.toml.split("[web]")[0] + SETTINGS
    shop.publish()
    pins = log(shop).pins
    for send_id, template in (("w14", "weekly"), ("bare", None)):
        send = Send(send_id=send_id, placement="email_weekly", limit=3, expires_at=2**60, template=template)
        pins.declare(send, micros(NOW))
    return shop


def log(shop: Shop) -> EventLog:
    """The shop's live log."""
    return log_in(shop.settings.path(shop.settings.state.folder))


def test_figures_are_those_of_the_slates(shop: Shop) -> None:
    """Shares add up, places are the users' items, and what is short or missing is counted."""
    artifacts = shop.settings.artifacts
    source = Source(shop.settings, artifacts, published(artifacts), True)
    serving = source.serving(source.engine())
    assert serving is not None
    users = [f"user-{number}" for number in range(8)] + ["nobody"]
    found = look(shop.settings, serving, "w14", users, micros(NOW), lambda _done, _total: None)
    assert (found.users, found.snapshot) == (9, serving.engine.snapshot.version)
    assert sum(found.fallback.values()) == pytest.approx(1)
    assert sum(found.strategy.values()) == pytest.approx(1)
    assert found.places <= 27
    assert (found.short == 0) == (found.places == 27)
    assert sum(share for _, share in found.top) <= 3 + 1e-9
    assert set(found.without) == {"image_url", "url", "price"}
    assert found.without["image_url"] == 1.0  # the shop's items have no pictures
    assert {sample.user_id for sample in found.samples} <= set(users)
    assert all(set(sample.cards) == {"email", "push", "sms", "whatsapp"} for sample in found.samples)


def test_the_page_shows_samples_and_nothing_is_pinned(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """Mails stand in frames that run nothing; the log is as it was."""
    before, out = log(shop).last(), shop.folder / "exports" / "dry.html"
    assert dry_run(shop.settings, NOW, "w14", None, 5000, out) == 0
    assert log(shop).last() == before
    frames = Frames()
    frames.feed(out.read_text())
    assert len(frames.mails) >= 2
    assert all(mail["sandbox"] == "" and "Chosen for you" in (mail["srcdoc"] or "") for mail in frames.mails)
    assert "users short of items" in capsys.readouterr().out


class Frames(HTMLParser):
    """The frames of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.mails: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a frame."""
        if tag == "iframe":
            self.mails.append(dict(attrs))


def test_a_send_without_a_template_has_figures_only(shop: Shop) -> None:
    """There is nothing to render."""
    out = shop.folder / "dry.html"
    assert dry_run(shop.settings, NOW, "bare", None, 5, out) == 0
    assert "without a template" in out.read_text()


def test_what_cannot_be_run_is_named(shop: Shop) -> None:
    """An undeclared send, an empty file of users, a template that is gone."""
    out = shop.folder / "dry.html"
    with pytest.raises(DataError, match="declare it with PUT /v1/sends/other"):
        dry_run(shop.settings, NOW, "other", None, 5, out)
    (shop.folder / "nobody.txt").write_text("\n")
    with pytest.raises(DataError, match="nobody to ask"):
        dry_run(shop.settings, NOW, "w14", shop.folder / "nobody.txt", 5, out)
    log(shop).pins.declare(Send(send_id="gone", placement="home", limit=3, expires_at=2**60, template="gone"), micros(NOW))
    with pytest.raises(DataError, match="template 'gone' of the send: there are back_in_stock"):
        dry_run(shop.settings, NOW, "gone", None, 5, out)
    assert not out.exists()
