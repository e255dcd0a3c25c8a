"""The demo: a synthetic shop, made, trained on and served in a folder of its own, each time from the start."""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote, unquote

from recsys.disk import try_lock
from recsys.live.erasure import ErasureKeys
from recsys.settings import Settings
from recsys.settings.load import parse_settings
from recsys.snapshot.store import current_version
from recsys.types import RecsysError
from simulator import shop_settings
from training import console
from training.cli import commands, tables
from training.cli.service import gunicorn
from training.processes import child

SETTINGS = f"""\
{shop_settings()}
[web]
development = true
origins = ["{{front}}", "http://127.0.0.1:8080", "http://localhost:8080"]
[messages]
shop = "Atelier"
public_url = "{{service}}"
home_url = "{{front}}/"
"""
KEYS_FILE = "keys.env"
_READY_SECONDS = 300
_MARK = ".recsys-demo"
_KEYS = ("READ", "EVENTS", "MESSAGES", "ADMIN", "CONSOLE_VIEWER", "CONSOLE_EDITOR", "CONSOLE_OPERATOR")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Addresses of the demo: the service, and the shop's front on the next port, which is another origin."""

    port: int

    @property
    def service(self) -> str:
        """The service's address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def front(self) -> str:
        """The shop's address."""
        return f"http://127.0.0.1:{self.port + 1}"


def demo(folder: Path, port: int, workers: int, users: int, now: datetime) -> int:
    """Make a shop, train, serve and say how to ask; runs until it is interrupted."""
    with _own_folder(folder), _own_port(port) as place:
        with _own_port(port + 1):
            pass  # the front binds it by itself
        file, at = folder / "settings.toml", Addresses(port)
        file.write_text(SETTINGS.format(service=at.service, front=at.front))
        keys = _make_keys(folder / KEYS_FILE)
        tables.shop(folder / "data", users, None, None, now, 20, at.front)
        settings = parse_settings(file.read_text(), folder.resolve())
        commands.train(settings, now, None, None, ErasureKeys.from_environment(keys, settings.data.ids.user))
        return _serve(file, settings, at, place, workers, keys)


@contextmanager
def _own_folder(folder: Path) -> Iterator[None]:
    """Empty the folder of an earlier demo and hold it.

    Raises:
        RecsysError: if it is no demo's folder, or another demo runs in it.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / _MARK).exists() and not _looks_like_ours(folder):
        raise RecsysError(f"--folder {folder}: holds files that no demo made; name another folder, or an empty one")
    folder.mkdir(parents=True, exist_ok=True)
    with try_lock(folder / _MARK) as held:
        if not held:
            raise RecsysError(f"another demo runs in {folder}: end it (Ctrl-C), or name another folder with --folder")
        for old in folder.iterdir():
            if old.name != _MARK:
                shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
        yield


def _looks_like_ours(folder: Path) -> bool:
    """Tell a folder of a demo from before there was a mark."""
    return {path.name for path in folder.iterdir()} <= {
        "settings.toml",
        "data",
        "artifacts",
        "state",
        "rejects",
        "gunicorn.log",
    }


@contextmanager
def _own_port(port: int) -> Iterator[socket.socket]:
    """Bind the port, so that nobody takes it while the shop is made; connections are refused until the service listens.

    Raises:
        RecsysError: if it cannot be had.
    """
    with socket.socket() as place:
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            place.bind(("127.0.0.1", port))
        except OSError as error:
            other = 8080 if port != 8080 else 8000
            raise RecsysError(
                f"port {port} cannot be used ({error.strerror}); take another: PORT={other} make demo, recsys demo --port {other}"
            ) from error
        yield place


def _make_keys(file: Path) -> dict[str, str]:
    """Draw a key of each scope and a secret of each purpose, and write them where only their owner reads them."""
    made = {f"RECSYS_KEYS_{scope}": secrets.token_hex(24) for scope in _KEYS}
    made |= {f"RECSYS_{name}_SECRETS": secrets.token_hex(24) for name in ("FORGET", "SLOT")}
    made["RECSYS_TOKEN_SECRETS"] = f"demo:{secrets.token_hex(24)}"
    file.touch(mode=0o600)
    file.write_text("".join(f"{name}={value}\n" for name, value in made.items()))
    return made


def _without_the_shops(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without what leads to a shop of its own: its database, its keys and secrets."""
    return {name: value for name, value in environment.items() if not name.startswith("RECSYS_")}


def _serve(
    file: Path, settings: Settings, at: Addresses, place: socket.socket, workers: int, keys: Mapping[str, str]
) -> int:
    show = [sys.executable, "-m", "simulator.storefront", "--tables", str((file.parent / "data").resolve())]
    show += ["--service", at.service, "--port", str(at.port + 1)]
    environment = _without_the_shops(os.environ) | {**keys, "RECSYS_SETTINGS": str(file.resolve())}
    log, front_log = file.parent / "gunicorn.log", file.parent / "front.log"
    serve = gunicorn(f"fd://{place.fileno()}", workers)
    try:
        with child(serve, environment, log, [place.fileno()]) as service, child(show, environment, front_log) as front:
            _wait_until_ready(service, f"{at.service}/readyz", log)
            _wait_until_ready(front, at.front, front_log)
            _say_ready(settings, at, log, file.parent / KEYS_FILE, keys["RECSYS_KEYS_CONSOLE_OPERATOR"])
            return service.wait()
    except KeyboardInterrupt:
        console.say("stopped")
        return 0


def _wait_until_ready(service: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        if service.poll() is not None:
            tail = "\n".join(log.read_text().splitlines()[-5:])
            raise RecsysError(f"it stopped with code {service.returncode} ({log}):\n{tail}")
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RecsysError(f"{address} did not become ready within {_READY_SECONDS} s; its log is {log}")


def _say_ready(settings: Settings, at: Addresses, log: Path, keys: Path, console_key: str) -> None:
    address, artifacts = at.service, settings.artifacts
    user, item, brand, category = _examples(artifacts, current_version(artifacts) or "")
    done = f'{{"events": [{{"user_id": "{unquote(user)}", "event_type": "cart_add", "item_id": "{unquote(item)}"}}]}}'
    body = f"-H 'Content-Type: application/json' -d {shlex.quote(done)}"
    console.say(f"READY {address}")
    console.say(f"  {at.front} is the shop to click, with what the service thinks beside it")
    console.say(f"  {address}/console/ shows who is shown what, and why; its key: {console_key}")
    console.say(f"  . {shlex.quote(str(keys))}   # the keys of this demo; then paste any of these")
    for scope, call in (
        ("READ", f"'{address}/v1/users/{user}/recommendations?placement=home&limit=4'"),
        ("READ", f"'{address}/v1/items/{item}/similar?limit=4'"),
        ("READ", f"'{address}/v1/items/{item}/bought-together?limit=4'"),
        ("READ", f"'{address}/v1/bestsellers?category={category}&limit=4'"),
        ("READ", f"'{address}/v1/popular?brand={brand}&limit=4'"),
        ("EVENTS", f"'{address}/v1/events' {body}"),
        ("MESSAGES", f"-i '{address}/v1/moments/browse'"),
    ):
        console.say(f'  curl -H "Authorization: Bearer $RECSYS_KEYS_{scope}" {call}')
    console.say(f"  {address}/docs/ explains every call · log: {log} · Ctrl-C ends it")


def _examples(artifacts: Path, version: str) -> tuple[str, str, str, str]:
    """A user with some history and a bestseller with its brand and category, each quoted for a URL."""
    from recsys.snapshot.store import open_snapshot

    snapshot = open_snapshot(artifacts, version)
    catalog, histories = snapshot.catalog, snapshot.histories
    user = max(range(min(len(histories.users), 200)), key=lambda row: len(histories.at(row)))
    item = int(snapshot.groups["bestsellers"]["everything"][0])
    brand = catalog.brands.text(int(catalog.brand[item]))
    category = catalog.categories.text(int(catalog.category[item]))
    return quote(histories.users.text(user)), quote(catalog.item_id(item)), quote(brand), quote(category)
