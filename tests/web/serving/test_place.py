"""The place of live state, as a service watches over it."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from recsys.live.sqlite import host_sign
from recsys.settings import Settings
from recsys.types import StateError
from recsys.web.serving.place import Place


def test_two_machines_that_began_at_once_notice_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second to look says so, without the folder, until the first has gone; a third does not start."""
    settings = structs.replace(Settings(), root=tmp_path)
    (tmp_path / "state").mkdir()
    first, second = Place(settings), Place(settings)
    first.look()
    assert first.error is None
    monkeypatch.setattr(host_sign, "BOOT", tmp_path / "boot_id")
    monkeypatch.setattr(host_sign, "MACHINE", tmp_path / "no-id")
    host_sign.BOOT.write_text("another-start")
    second.look()
    assert second.error is not None
    assert str(tmp_path) not in second.error
    with pytest.raises(StateError, match="uses it"):
        Place(settings)
    (tmp_path / "state" / host_sign.NAME).unlink()
    second._signed_at = float("-inf")
    second.look()
    assert second.error is None


def test_a_database_needs_no_sign(tmp_path: Path) -> None:
    """Where the state is on a server, nothing is written here."""
    settings = structs.replace(Settings(), root=tmp_path)
    settings = structs.replace(settings, state=structs.replace(settings.state, database="postgresql://db/shop"))
    (tmp_path / "state").mkdir()
    Place(settings).look()
    assert not [*(tmp_path / "state").iterdir()]
