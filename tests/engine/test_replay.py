"""Logged slates: what is logged can be answered again byte for byte, within bounds, and is gone when its user is forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.engine.pipeline import Engine, answer
from recsys.engine.replay import drawn, logged, replayed, same_bytes
from recsys.engine.slate_json import slate_json
from recsys.live.slate_log import WAITING, LoggedSlate, SlateLog
from recsys.reasons import LOCALES
from recsys.settings import ProfileSettings, Settings
from recsys.snapshot.store import open_snapshot
from recsys.types import NO_HISTORY as NO
from recsys.types import DataError, ItemUpdate, Query
from tests.conftest import NOW, Shop, busy_events, micros
from tests.support.handmade import calm


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifacts of a small shop, with one version."""
    shop = Shop(tmp_path_factory.mktemp("replay"), busy_events())
    shop.publish()
    return shop.folder / "artifacts"


def fresh(artifacts: Path) -> Engine:
    """The shop's engine, opened anew."""
    version = (artifacts / "CURRENT").read_text().strip()
    return Engine(open_snapshot(artifacts, version), Settings())


def note_of(engine: Engine, query: Query) -> LoggedSlate:
    """What is logged of the answer to a query."""
    history = engine.snapshot.histories.of(query.user_id or "")
    return logged(engine, query, history, answer(engine, query, history), micros(NOW))


def again(note: LoggedSlate, artifacts: Path, updates: list[tuple[int, ItemUpdate]] = []) -> bool:  # noqa: B006 (only read)
    """Read the note back from its file form and answer it with a new process' view of the snapshot."""
    read = msgspec.json.decode(msgspec.json.encode(note), type=LoggedSlate)
    engine, slate = replayed(read, open_snapshot(artifacts, read.snapshot), updates)
    assert slate.recommendation_id == read.recommendation_id
    return same_bytes(read, engine, slate)


@calm
@given(st.data())
def test_any_slate_is_answered_again_byte_for_byte(published: Path, data: st.DataObject) -> None:
    """Whoever asked, on whatever placement, in whatever language, with whatever filters: the note is all that it takes."""
    engine = fresh(published)
    users = [engine.snapshot.histories.users.text(row) for row in range(len(engine.snapshot.histories.users))]
    query = Query(
        now=micros(NOW) - data.draw(st.integers(0, 10**12)),
        user_id=data.draw(st.sampled_from([None, "stranger", *users])),
        placement=data.draw(st.sampled_from(engine.settings.placement_names())),
        limit=data.draw(st.integers(1, 12)),
        context_items=tuple(data.draw(st.lists(st.sampled_from(["sofa-1", "lamp-2", "none"]), max_size=2))),
        locale=data.draw(st.sampled_from(LOCALES)),
    )
    assert again(note_of(engine, query), published)


def test_item_updates_of_then_are_laid_over(published: Path) -> None:
    """What was patched before the answer counts again; what came later does not."""
    engine = fresh(published)
    query = Query(now=micros(NOW), placement="home")
    shown = engine.catalog.item_id(answer(engine, query, NO).items[0])
    engine.catalog.overlay(ItemUpdate(shown, price=1.5), 7)
    later = ItemUpdate(shown, available=False)
    note = note_of(engine, query)
    assert b'"price":1.5' in slate_json(engine.catalog, answer(engine, query, NO))
    assert again(note, published, [(7, ItemUpdate(shown, price=1.5)), (9, later)])
    _, without = replayed(note, open_snapshot(published, note.snapshot), [])
    assert without.recommendation_id != note.recommendation_id


def test_a_change_of_policy_does_not_change_the_past(published: Path) -> None:
    """Placements and profile settings of then are in the note, not those of now."""
    version = (published / "CURRENT").read_text().strip()
    engine = Engine(open_snapshot(published, version), Settings(profile=ProfileSettings(brand_share=0.01, brand_events=1)))
    users = engine.snapshot.histories.users
    for row in range(len(users)):
        assert again(note_of(engine, Query(now=micros(NOW), user_id=users.text(row))), published)


@calm
@given(st.binary(min_size=12, max_size=12), st.floats(0, 1))
def test_the_same_slate_is_always_drawn_or_never(raw: bytes, share: float) -> None:
    """The share is decided by the id: all at 1, none at 0, and more where the share is larger."""
    assert drawn(raw.hex(), 1.0)
    assert not drawn(raw.hex(), 0.0)
    assert drawn(raw.hex(), share) <= drawn(raw.hex(), min(1.0, share + 0.1))


def note(number: int, user: str = "ana") -> LoggedSlate:
    """Some note."""
    more: dict[str, Any] = {"query": Query(now=0), "placements": {}, "profile": ProfileSettings(), "history": ()}
    return LoggedSlate(
        recommendation_id=f"{number:024}",
        answered_at=number,
        user_id=user,
        snapshot="v",
        items_sequence=0,
        sha256="",
        **more,
    )


def test_the_log_is_bounded(tmp_path: Path) -> None:
    """The oldest go first; what is gone says so."""
    log = SlateLog(tmp_path, max_n=3)
    for number in range(5):
        log.write([note(number)])
    assert [each.answered_at for each in log.newest(9)] == [4, 3, 2]
    with pytest.raises(DataError, match="no slate '000000000000000000000001' is logged"):
        log.read(f"{1:024}")


def test_the_first_of_an_id_stays(tmp_path: Path) -> None:
    """The same slate answered twice is one note."""
    log = SlateLog(tmp_path, max_n=9)
    log.write([note(1), note(1)])
    log.write([msgspec.structs.replace(note(1), answered_at=77)])
    assert [each.answered_at for each in log.newest(9)] == [1]


def test_the_thread_writes_what_it_was_offered(tmp_path: Path) -> None:
    """Stopping waits until everything offered stands in the file."""
    log = SlateLog(tmp_path, max_n=10_000)
    log.start()
    for number in range(500):
        log.offer(note(number))
    log.stop()
    assert len(log.newest(1000)) + log.take_dropped() == 500


def test_what_waits_is_not_written_once_its_user_is_forgotten(tmp_path: Path) -> None:
    """A slate that was answered before is asked about when it is written, not when it is offered."""
    gone: set[str] = set()
    log = SlateLog(tmp_path, max_n=9, is_forgotten=lambda slates: [each.user_id in gone for each in slates])
    log.start()
    log.offer(note(1))
    log.offer(note(2, "ben"))
    gone.add("ana")
    log.stop()
    assert [each.user_id for each in log.newest(9)] == ["ben"]
    gone.add("ben")
    assert log.purge() == 1
    assert log.newest(9) == []


def test_the_log_of_slates_survives_its_disk(tmp_path: Path) -> None:
    """What cannot be written is given up; the thread goes on, and ends when it is told to."""
    (tmp_path / "state").write_text("no folder")
    log = SlateLog(tmp_path / "state", max_n=9)
    log.start()
    log.offer(note(1))
    log.stop()
    (tmp_path / "state").unlink()
    log.start()
    log.offer(note(2))
    log.stop()
    assert [each.answered_at for each in log.newest(9)] == [2]


def test_what_is_to_be_kept_waits_for_room(tmp_path: Path) -> None:
    """More slates than the queue takes are all written, and none is dropped, however fast they come."""
    log = SlateLog(tmp_path, max_n=10_000)
    log.start()
    for number in range(3 * WAITING):
        log.keep(note(number))
    log.stop()
    assert (len(log.newest(10_000)), log.take_dropped()) == (3 * WAITING, 0)


def test_what_is_kept_without_a_thread_is_written_now(tmp_path: Path) -> None:
    """So it is in the command line and before a worker has started."""
    log = SlateLog(tmp_path, max_n=9)
    log.keep(note(1))
    assert [each.answered_at for each in log.newest(9)] == [1]


def test_forgotten_users_leave_the_log(tmp_path: Path) -> None:
    """Their slates are deleted, and counted; others stay."""
    log = SlateLog(tmp_path, max_n=9)
    log.write([note(1), note(2), note(3, "ben")])
    assert log.forget(["ana", "nobody"]) == 2
    assert [each.user_id for each in log.newest(9)] == ["ben"]
