"""Snapshot lines that move while shoppers look: pages that go on, pins, replay, what a worker holds, and versions that are broken."""

from __future__ import annotations

import gc
import shutil
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recsys.snapshot.retention import LINES, point_line
from recsys.snapshot.store import publishing
from recsys.types import DataError, SnapshotError
from recsys.web.app import Application
from tests.conftest import Shop, busy_events
from tests.support.servers.serving import MESSAGES_KEY, READ, bearer
from tests.web.serving.test_reload import held_files, no_gc
from tests.web.serving.test_snapshot_lines import (
    FIRST,
    PATH,
    SECOND,
    SHOPPERS,
    app_over,
    fitted,
    folder,
    get,
    publish,
    settings_of,
    slates,
    trial,
)
from training.batch.replay import replay
from training.job.job import Fitted

__all__ = ["fitted", "folder", "no_gc"]
MOVES = 20


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """The next training of the line, which ranks otherwise."""
    shop = Shop(tmp_path_factory.mktemp("later"), busy_events())
    shop.toml += "[blend.lead]\nbestsellers = 1.0\n[blend.customer]\nbestsellers = 1.0\n"
    return shop.fit()


def of_line(app: Application) -> list[str]:
    """The shoppers whose lists a line ranks."""
    return [user for user, slate in slates(app).items() if "snapshot" in slate["experiments"][0]]


def shown(page: dict[str, Any]) -> list[str]:
    """The items of a list."""
    return [item["item_id"] for item in page["items"]]


def test_pages_go_on_after_a_line_moved(folder: Path, fitted: Fitted, later: Fitted) -> None:
    """A page stays the same while the line stands; the next is ranked by the newest version, and no item comes twice."""
    publish(fitted, folder, FIRST)
    app = app_over(folder, trial=trial())
    users = of_line(app)
    address = PATH + "&limit=3&cursor={}"
    first = {user: get(app, address.format(user, "*")) for user in users}
    second = {user: get(app, address.format(user, first[user]["next_cursor"])) for user in users}
    for user in users:
        again = get(app, address.format(user, first[user]["next_cursor"]))
        assert (shown(again), again["next_cursor"]) == (shown(second[user]), second[user]["next_cursor"])
    publish(later, folder, SECOND)
    app.service.live.refresh()
    for user in users:
        pages = [first[user], second[user]]
        while cursor := pages[-1]["next_cursor"]:
            pages.append(get(app, address.format(user, cursor)))
        assert [page["experiments"][0]["snapshot"] for page in pages] == [FIRST, FIRST, *[SECOND] * (len(pages) - 2)]
        items = [item for page in pages for item in shown(page)]
        assert len(pages) > 2
        assert len(items) == len(set(items))


def test_what_is_pinned_stays_when_a_line_moved(folder: Path, fitted: Fitted, later: Fitted) -> None:
    """A send's list is that of its first fetch, on every worker; it is replayed by the version that ranked it."""
    publish(fitted, folder, FIRST)
    weekly = trial(placement="email_weekly")
    app = app_over(folder, trial=weekly)
    body = {"placement": "email_weekly", "limit": 3, "expires_at": "2099-01-01T00:00:00Z"}
    assert app.test_client().put("/v1/sends/weekly", headers=bearer(MESSAGES_KEY), json=body).status_code == 201
    address = "/v1/users/{}/recommendations?send_id=weekly"
    before = {user: get(app, address.format(user), READ) for user in SHOPPERS}
    assert {each.get("snapshot") for slate in before.values() for each in slate["experiments"]} == {None, FIRST}
    app.service.live.slates.stop()
    publish(later, folder, SECOND)
    app.service.live.refresh()
    for worker in (app, app_over(folder, trial=weekly)):
        for user, slate in before.items():
            found = get(worker, address.format(user), READ)
            assert (shown(found), found["recommendation_id"]) == (shown(slate), slate["recommendation_id"])
    for slate in before.values():
        assert replay(settings_of(folder), slate["recommendation_id"], as_json=True) == 0


def test_lists_are_replayed_after_a_line_moved(folder: Path, fitted: Fitted, later: Fitted) -> None:
    """By the version that ranked, as long as it is kept; once it is gone, that is said."""
    publish(fitted, folder, FIRST)
    app = app_over(folder, trial=trial())
    found = {user: get(app, PATH.format(user)) for user in of_line(app)}
    app.service.live.slates.stop()
    publish(later, folder, SECOND)
    for slate in found.values():
        assert replay(settings_of(folder), slate["recommendation_id"], as_json=True) == 0
    shutil.rmtree(folder / FIRST)
    with pytest.raises((SnapshotError, DataError), match=FIRST):
        replay(settings_of(folder), next(iter(found.values()))["recommendation_id"], as_json=True)


@pytest.mark.usefixtures("no_gc")
def test_nothing_grows_while_a_line_moves(folder: Path, fitted: Fitted, later: Fitted) -> None:
    """Without garbage collection, a version that a line left is let go of at once, and leaves no descriptor and no mapping."""
    publish(fitted, folder, FIRST)
    publish(later, folder, SECOND)
    app = app_over(folder, trial=trial())
    held, before = list[tuple[int, int]](), None
    for number in range(MOVES):
        with publishing(folder):
            point_line(folder, (FIRST, SECOND)[number % 2], "candidate")
        app.service.live.refresh()
        for user in SHOPPERS[:6]:
            page = get(app, PATH.format(user) + "&cursor=*")
            get(app, f"/v1/users/{user}/explain?item_id={page['items'][0]['item_id']}&now=2026-03-31T12:00:00Z")
        assert before is None or before() is None
        opened = app.service.live.lines._opened["candidate"]
        assert opened.version == (FIRST, SECOND)[number % 2]
        before = weakref.ref(opened.catalog)
        del opened
        held.append(held_files())
    assert held[-2:] == held[MOVES // 2 : MOVES // 2 + 2]
    gc.collect()


def _cut(folder: Path) -> None:
    file = next((folder / "ease").glob("*.npy"))
    file.write_bytes(file.read_bytes()[:-3])


BREAKS: dict[str, Callable[[Path], object]] = {
    "cut file": _cut,
    "no manifest": lambda folder: (folder / "manifest.json").unlink(),
    "manifest of nothing": lambda folder: (folder / "manifest.json").write_text("{}"),
    "no array": lambda folder: next((folder / "ease").glob("*.npy")).unlink(),
}


@pytest.mark.parametrize("name", BREAKS)
def test_workers_agree_on_the_version_before_a_broken_one(folder: Path, fitted: Fitted, later: Fitted, name: str) -> None:
    """Also a worker that starts after the newest version broke ranks with the one before it, and says so."""
    publish(fitted, folder, FIRST)
    running = app_over(folder, trial=trial())
    publish(later, folder, SECOND)
    BREAKS[name](folder / SECOND)
    running.service.live.refresh()
    for app in (running, app_over(folder, trial=trial())):
        assert {slate["experiments"][0].get("snapshot") for slate in slates(app).values()} == {None, FIRST}
        assert "its version before goes on" in get(app, "/readyz")["error"]


def test_a_line_of_other_text_names_nothing(folder: Path, fitted: Fitted) -> None:
    """Its experiment waits, and every list is answered."""
    publish(fitted, folder, FIRST)
    (folder / LINES / "candidate").write_bytes(b"\xff\x00../../etc\n")
    app = app_over(folder, trial=trial())
    assert all("experiments" not in slate for slate in slates(app).values())
