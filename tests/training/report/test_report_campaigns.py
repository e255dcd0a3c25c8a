"""Effects of campaigns on lists, as the report shows it: measured on logged lists, and drawn without running anything of them."""

from __future__ import annotations

import msgspec

from recsys.engine.choice import Answered
from recsys.engine.inspection.replay import logged
from recsys.engine.pipeline import Engine, answer
from recsys.live.databases import open_log, open_slates
from recsys.live.erasure import Tombstones
from recsys.settings.campaigns import Campaign
from recsys.snapshot.store import current_version, open_snapshot
from recsys.types import Query
from tests.conftest import NOW, Shop, micros
from tests.training.report.test_report import EVIL, SHORT, Page
from training.report import write_report
from training.report.campaigns import measure_campaigns

USERS = ("nobody", *(f"user-{n}" for n in range(6)))


def engine_of(shop: Shop) -> Engine:
    """The published snapshot."""
    version = current_version(shop.settings.artifacts)
    assert version is not None
    return Engine(open_snapshot(shop.settings.artifacts, version), shop.settings)


def log_lists(shop: Shop, names: tuple[str, ...]) -> None:
    """Put campaigns that exclude most brands into the live log, and log everybody's home page under them."""
    campaign = msgspec.convert({"placements": ["home"], "actions": [{"pin": {"item_id": "lamp-2", "place": 1}}]}, Campaign)
    stored = open_log(shop.settings).campaigns
    for name in names:
        stored.put(name, campaign, micros(NOW))
    engine, notes = engine_of(shop), []
    engine.campaigns.put(dict.fromkeys(names, campaign))
    for user in USERS:
        query = Query(now=micros(NOW), user_id=user, limit=4)
        history = engine.snapshot.histories.of(user)
        notes.append(logged(Answered(engine, query, history, answer(engine, query, history)), 1))
    open_slates(shop.settings, lambda: Tombstones(None, [])).write(notes)


def test_the_page_says_what_campaigns_did(busy_shop: Shop) -> None:
    """How many lists each changed, for whom, and what that cost; a name that tries to run stays text; one that is gone is left out,
    and without logged lists there is no section."""
    busy_shop.toml = SHORT
    busy_shop.publish()
    assert measure_campaigns(busy_shop.settings, engine_of(busy_shop)) is None
    log_lists(busy_shop, (EVIL, "autumn", "gone"))
    open_log(busy_shop.settings).campaigns.remove("gone", micros(NOW))
    found = measure_campaigns(busy_shop.settings, engine_of(busy_shop))
    assert found is not None
    assert [each.id for each in found.measured] == sorted((EVIL, "autumn"))
    first = found.measured[0].effect
    assert (first.lists, first.held) == (len(USERS), len(USERS))
    page = Page(write_report(busy_shop.settings, NOW).read_text())
    assert "Campaigns" in page.headings
    assert not {tag for tag, _ in page.tags} & {"script", "img"}
    for sentence in (EVIL, f"among the last {len(USERS)} that were logged", "shoppers who never ordered: "):
        assert sentence in page.text.replace("\u00a0", " "), sentence
