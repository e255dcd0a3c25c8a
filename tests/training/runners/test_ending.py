"""Endings of a training inside compiled work, which hears no signal before it is done."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from recsys.settings.load import parse_settings
from recsys.snapshot.store import current_version
from simulator import make_shop, shop_settings
from tests.support.servers.patience import PATIENCE_SECONDS
from tests.support.servers.running import ROOT
from tests.support.training import train
from training.cli.commands import STOPPED
from training.processes import ended_while_deaf
from training.runners.finished import FOLDER

END = datetime(2026, 3, 15, 14, 30, tzinfo=UTC)
TRAIN_DEAF = """
import hashlib, sys, threading, time
from datetime import datetime
from pathlib import Path

import msgspec

from recsys.settings import Settings
from tests.support.training import train
from training.cli.commands import STOPPED
from training.processes import end_in_order, ended_while_deaf

def say(step, clock, busy):
    while time.clock_gettime(clock) < busy:
        time.sleep(0.01)
    print(step, flush=True)

def watch(step):
    if step == "fit bestsellers":
        clock = time.pthread_getcpuclockid(threading.get_ident())
        threading.Thread(target=say, args=(step, clock, time.clock_gettime(clock) + 0.2), daemon=True).start()
        hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)

end_in_order()
with ended_while_deaf(STOPPED):
    train(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Settings), now=datetime.fromisoformat(sys.argv[2]), watch=watch)
"""
"""A program that trains on a shop, and is in a compiled loop of many minutes when it says so: by the time that its main thread took of
a processor, for it hears a signal before that."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda one: one.name)
def test_compiled_work_does_not_outlive_an_ending(tmp_path: Path, number: signal.Signals) -> None:
    """The program ends without waiting for it, says so, and leaves only finished parts, from which the next run publishes."""
    make_shop(tmp_path / "data", users=300, end=END)
    settings = parse_settings(f'{shop_settings(tables=("events", "items"))}\n[ranker]\nmode = "off"\n', tmp_path)
    settings = msgspec.structs.replace(settings, training=msgspec.structs.replace(settings.training, partitions=2))
    (tmp_path / "settings.json").write_bytes(msgspec.json.encode(settings))
    arguments = [sys.executable, "-c", TRAIN_DEAF, str(tmp_path / "settings.json"), END.isoformat()]
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "fit bestsellers\n"
            process.send_signal(number)
            _, said = process.communicate(timeout=PATIENCE_SECONDS)
        finally:
            process.kill()  # or a failure would wait for the loop
    assert process.returncode == 128 + number
    assert said.endswith(f"{STOPPED}\n")
    assert list(settings.artifacts.glob(f"{FOLDER}/*/[!.]*"))
    assert current_version(settings.artifacts) is None
    published = train(settings, now=END).manifest.version
    assert current_version(settings.artifacts) == published
    assert not (settings.artifacts / FOLDER).exists()


def test_a_notebooks_process_is_not_ended() -> None:
    """Where the program's own endings were not set up, signals are nobody's but the process's own."""
    with ended_while_deaf(STOPPED):
        assert signal.set_wakeup_fd(-1) == -1
