"""Small inputs that a shop could have (`RECSYS_CASES`), read with the settings as their owner would write them (tests/cases)."""

from __future__ import annotations

import os
import runpy
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from flask.testing import FlaskClient

from recsys.settings import Settings
from recsys.settings.load import parse_settings
from recsys.tables.shop import ShopTables, read_shop
from recsys.web.app import create_app
from tests.support.training import train
from training.job.job import Fitted

OVERLAYS = Path(__file__).parents[1] / "cases"
NOW = datetime(2026, 11, 28, tzinfo=UTC)
"""When `Case.train` and `Case.read` run."""
CASES = os.environ.get("RECSYS_CASES", "")
READ: set[str] = set()
"""Names of the cases that were read since somebody looked (`tests.support.case_report`)."""
needs_cases = pytest.mark.skipif(not CASES, reason="RECSYS_CASES is unset: no cases to read")


@dataclass(frozen=True)
class Case:
    """One case, with settings, read and served from a folder of its own."""

    settings: Settings

    @cached_property
    def shop(self) -> ShopTables:
        """Its tables, as training reads them."""
        return read_shop(self.settings)

    @cached_property
    def client(self) -> FlaskClient:
        """A client of the service over what training makes of it; the gate refuses so little data, unless forced."""
        train(self.settings, now=datetime.now(UTC), force="a case is no shop")
        return create_app(self.settings, {}).test_client()

    def listed(self, user: str = "somebody-new") -> list[str]:
        """What a shopper is shown, best first."""
        answer = self.get(f"/v1/users/{quote(user, safe='')}/recommendations?limit=20")
        return [item["item_id"] for item in answer["items"]]

    def bestsellers(self) -> list[str]:
        """What sells best."""
        return [item["item_id"] for item in self.get("/v1/bestsellers?limit=20")["items"]]

    def profile(self, user: str) -> Any:
        """What is known of a shopper."""
        return self.get(f"/v1/users/{quote(user, safe='')}/profile")

    def events(self, *columns: str) -> list[tuple[Any, ...]]:
        """The events that count, sorted."""
        return self.shop.events.select(columns).sort(columns).collect().rows()

    def items(self, *columns: str) -> list[tuple[Any, ...]]:
        """The catalogue."""
        return self.shop.items.select(columns).rows()

    @property
    def folder(self) -> Path:
        """Where it stands, and the job writes."""
        return Path(self.settings.root)

    def read(self) -> ShopTables:
        """Read its tables as of `NOW`, as often as asked."""
        return read_shop(self.settings, now=NOW)

    def train(self, force: str | None = None) -> Fitted:
        """Train and publish as of `NOW`."""
        return train(self.settings, now=NOW, force=force)

    def serve(self) -> FlaskClient:
        """Serve what was published."""
        return create_app(self.settings, {}).test_client()

    def add_lines(self, file: str, *lines: str) -> None:
        """Write more lines at the end of a file."""
        with (self.folder / file).open("a") as stream:
            stream.writelines(f"{line}\n" for line in lines)

    def keep_lines(self, file: str, without: str) -> None:
        """Leave out the lines of a file that hold a text."""
        path = self.folder / file
        path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if without not in line))

    def get(self, path: str) -> Any:
        """Ask the service."""
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return answer.get_json()


def case(name: str, folder: Path, **data: Any) -> Case:
    """A case with the settings that its owner would write, and with some of `data` set besides."""
    READ.add(name)
    settings = parse_settings((OVERLAYS / name / "settings.toml").read_text(), folder)
    return Case(msgspec.structs.replace(settings, data=msgspec.structs.replace(settings.data, **data)))


def folder_of(name: str) -> Path:
    """The folder of a case, to be read only."""
    READ.add(name)
    return Path(CASES, name)


def as_it_comes(name: str, folder: Path) -> Case:
    """A case with the settings that it came with, which say less."""
    READ.add(name)
    shutil.copytree(Path(CASES, name), folder, dirs_exist_ok=True, copy_function=shutil.copyfile)
    return Case(parse_settings((Path(CASES, name) / "settings.toml").read_text(), folder))


def open_case(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *changes: tuple[str, str], file: str = "settings.toml"
) -> Case:
    """A copy of a case that may be written to, with the settings that its owner would write.

    Where a script makes its events it is run, with other text in it if any.
    """
    READ.add(name)
    folder = tmp_path / "cases" / name
    shutil.copytree(Path(CASES) / name, folder, copy_function=shutil.copyfile)
    folder.chmod(0o755)
    monkeypatch.setenv("RECSYS_CASES", str(folder.parent))
    if (script := folder / "make_events.py").exists():
        for text, instead in changes:
            assert text in script.read_text()
            script.write_text(script.read_text().replace(text, instead))
        monkeypatch.chdir(folder)
        runpy.run_path("make_events.py")
    return Case(parse_settings((OVERLAYS / name / file).read_text(), folder))


def ids(client: FlaskClient, path: str) -> list[str]:
    """The items of a list, best first."""
    return [item["item_id"] for item in client.get(path).get_json()["items"]]
