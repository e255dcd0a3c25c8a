"""The command line: help for everything, and errors that a person can mend instead of tracebacks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from recsys.snapshot.retention import lines
from recsys.snapshot.store import current_version, versions
from tests.conftest import NOW, SETTINGS, Shop, busy_events
from tests.support.servers.patience import PATIENCE_SECONDS
from tests.support.servers.running import ROOT
from tests.support.vanishing import vanishing
from training.__main__ import main
from training.cli.parser import parser

COMMANDS = re.findall(r"^    (\w+) ", parser().format_help(), re.MULTILINE)
REQUIRED = {"shop", "validate", "train", "export", "rollback", "snapshots", "demo"}


def run(shop: Shop, *arguments: str) -> int:
    """Run a command over a shop's folder."""
    file = shop.folder / "settings.toml"
    if not file.exists():
        file.write_text(shop.toml)
    return main(["--settings", str(file), *arguments])


def read(captured: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """What was printed and complained since the last look, spaces folded."""
    out, err = captured.readouterr()
    return " ".join(out.split()), " ".join(err.split())


@pytest.mark.long
def test_help_of_the_program() -> None:
    """`python -m training --help` lists every command."""
    done = subprocess.run(
        [sys.executable, "-m", "training", "--help"], capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    assert done.returncode == 0
    assert done.stderr == ""
    assert re.findall(r"^    (\w+) ", done.stdout, re.MULTILINE) == COMMANDS
    assert set(COMMANDS) >= REQUIRED


def test_help_loads_no_table_and_no_engine() -> None:
    """Help waits for no library: in a fresh checkout the engine's loops would be compiled for a minute."""
    asked = "import sys; import training.cli.parser as made; made.parser(); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", asked], check=True, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    assert not {"numba", "polars", "scipy", "recsys.engine.pipeline"} & set(done.stdout.split())


@pytest.mark.parametrize(
    "look", ["commands.train", "from shop_of_later.commands import train", "from shop_of_later import commands"]
)
@pytest.mark.parametrize("stated", ["KeyboardInterrupt()", "ImportError('a library is missing')"])
def test_what_an_import_raises_is_not_swallowed(tmp_path: Path, look: str, stated: str) -> None:
    """Ctrl-C while a command's modules are imported ends it, and a library that is missing is named, whoever imports first."""
    package = tmp_path / "shop_of_later"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "commands.py").write_text(f"raise {stated}\n")
    asked = f"from training.cli.lazily import lazily\n[commands] = lazily('shop_of_later', 'commands')\n{look}"
    done = subprocess.run(
        [sys.executable, "-c", asked], env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{Path.cwd()}"},
        capture_output=True, text=True, timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    assert done.stderr.rstrip().rpartition("\n")[2] == stated.replace("()", "").replace("('", ": ").replace("')", "")


def test_what_looks_at_tables_alone_loads_no_engine() -> None:
    """`init`, `validate` and `shop` compile nothing of the engine."""
    asked = "import sys; import training.cli.init, training.cli.tables; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", asked], check=True, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    assert not {"numba", "recsys.engine.pipeline"} & set(done.stdout.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command says what it does and what each option means or defaults to."""
    with pytest.raises(SystemExit) as ended:
        parser().parse_args([command, "--help"])
    out, err = read(capsys)
    assert (ended.value.code, err) == (0, "")
    assert out.startswith(f"usage: python -m training {command} ")
    assert re.search(r"[A-Z][a-z].+\.", out)


def test_no_command_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a command the usage is shown."""
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    assert "the following arguments are required: command" in read(capsys)[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["export", "--limit", "0"], "'0' is no whole number from 1 to 100"),
        (["export", "--limit", "101"], "'101' is no whole number from 1 to 100"),
        (["tune", "--minutes", "-3"], "'-3' is no time in minutes, for instance 30, up to 10,080"),
        (["tune", "--minutes", "nan"], "'nan' is no time in minutes"),
        (["tune", "--minutes", "1e400"], "'1e400' is no time in minutes"),
        (["tune", "--minutes", "soon"], "'soon' is no time in minutes"),
        (["export", "--limit", "x"], "'x' is no whole number from 1 to 100"),
        (["export", "--bought", "never"], "'never' is none of hide, hide_days:N, allow, only"),
        (["export", "--bought", "hide_days"], "'hide_days' is none of hide"),
        (["export", "--bought", "hide:3"], "'hide:3' is none of hide"),
        (["train", "--as-of", "yesterday"], "'yesterday' is no ISO 8601 time, for instance 2026-11-22T06:00:00Z"),
        (["shop", "--users", "0"], "'0' is no whole number from 1 to"),
        (["shop", "--events", "-5"], "'-5' is no whole number"),
        (["fly"], "invalid choice: 'fly'"),
    ],
)
def test_wrong_arguments_are_named(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong argument is named with its value and what is allowed; the exit code is argparse's 2."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert said in read(capsys)[1]


def test_bought_argument() -> None:
    """--bought takes a mode, hide_days with its days."""
    taken = [parser().parse_args(["export", "--bought", text]).bought[0] for text in ("only", "hide_days:30")]
    assert [(bought.mode, bought.days) for bought in taken] == [("only", 0), ("hide_days", 30)]


def test_as_of_without_an_offset_is_utc() -> None:
    """A time without offset is UTC; one with an offset is taken by it."""
    plain, offset = (
        parser().parse_args(["train", "--as-of", text]).as_of for text in ("2026-03-31T12:00", "2026-03-31T14:00+02:00")
    )
    assert plain == offset == NOW


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train"], "events.parquet"),
        (["validate"], "events.parquet"),
        (["export"], "no snapshot is published in"),
        (["export", "--placement", "nowhere"], "--placement 'nowhere': there are bestsellers, "),
        (["export", "--users", "no-such-file.txt"], "--users no-such-file.txt: cannot be read as a list of user ids"),
        (["rollback"], "nothing to roll back to: no snapshot is the oldest in"),
        (["rollback", "--to", "2020"], "no snapshot 2020 in"),
    ],
)
def test_errors_end_with_one_line(shop: Shop, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be done ends with code 1 and one message that names what to mend."""
    assert run(shop, *arguments) == 1
    out, err = read(capsys)
    assert err.startswith("error: ")
    assert said in err
    assert "Traceback" not in err
    assert out == ""


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[web", "settings are not valid TOML"),
        ("[web]\nport = 1", "web: Object contains unknown field `port`"),
        ("[snapshot]\nkeep = 0", "snapshot.keep: Expected `int` >= 1"),
        (SETTINGS + '[placements.home]\nfallback = ["magic"]', "placements.home: no recommender 'magic'; there are als, "),
        (
            SETTINGS + '[placements.home]\nfallback = ["als"]',
            "the last one must be able to fill any list: bestsellers, trending",
        ),
        (SETTINGS + "[recommenders.als]\nfactors = 0", "recommenders.als: Expected `int` >= 1"),
        (SETTINGS + '[placements.shop]\nrules = [{ name = "x", recommenders = { magic = 1 } }]', "no recommender 'magic'"),
    ],
)
def test_wrong_settings_are_explained(shop: Shop, toml: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong settings file ends with code 1; the message names the key and what is allowed."""
    shop.write()
    shop.toml = toml
    assert run(shop, "train") == 1
    assert said in read(capsys)[1]


def test_missing_settings_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A settings file that is not there is named."""
    assert main(["--settings", str(tmp_path / "none.toml"), "train"]) == 1
    assert "none.toml: No such file or directory" in read(capsys)[1].replace("\n", "")


@pytest.mark.parametrize("folder", ["[red]", "[/shop]"])
def test_messages_are_shown_as_they_are(tmp_path: Path, folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Brackets in a message are text."""
    assert main(["--settings", f"/no/{folder}/settings.toml", "train"]) == 1
    assert folder in read(capsys)[1]


def test_an_export_that_cannot_be_written(busy_shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the file cannot be written, the export says so."""
    busy_shop.publish()
    (busy_shop.folder / "file").write_text("")
    assert run(busy_shop, "export", "--out", str(busy_shop.folder / "file" / "out.csv")) == 1
    assert "file" in read(capsys)[1]


def test_train_rollback_and_list(busy_shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """Train twice, list both, go back to the first, and not further."""
    artifacts = busy_shop.folder / "artifacts"
    busy_shop.publish(NOW - timedelta(days=1))
    capsys.readouterr()
    assert run(busy_shop, "train") == 0
    out, _ = read(capsys)
    first, second = versions(artifacts)
    assert f"Published {second}" in out
    assert "events 160 users 30 items 12 " in out
    assert run(busy_shop, "rollback") == 0
    assert read(capsys)[0] == f"✓ CURRENT was {second}, is {first}; running services follow within seconds"
    assert current_version(artifacts) == first
    assert run(busy_shop, "snapshots") == 0
    out, _ = read(capsys)
    assert out.index(second) < out.index(first)
    assert run(busy_shop, "rollback") == 1
    assert f"{first} is the oldest" in read(capsys)[1]
    assert run(busy_shop, "rollback", "--to", second) == 0
    assert current_version(artifacts) == second


def test_train_to_a_line_and_end_it(busy_shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """A training to a line leaves what serves; the list marks its versions, and with the line they are gone."""
    artifacts = busy_shop.folder / "artifacts"
    first = busy_shop.publish()
    assert run(busy_shop, "train", "--line", "candidate", "--force", "a test") == 0
    (second,) = lines(artifacts)["candidate"]
    assert (current_version(artifacts), versions(artifacts)) == (first, sorted([first, second]))
    assert "to the line candidate; what serves stays" in read(capsys)[0]
    assert run(busy_shop, "snapshots") == 0
    assert "candidate" in read(capsys)[0]
    assert run(busy_shop, "line", "candidate", "--drop") == 0
    assert (lines(artifacts), versions(artifacts)) == ({}, [first])
    assert run(busy_shop, "line", "candidate", "--to", first) == 1
    assert run(busy_shop, "train", "--line", "Not Allowed") == 1


def test_snapshots_lists_what_cannot_be_read_and_passes_over_what_goes(
    busy_shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    """One broken version hides no other, and one that is deleted while the list is made is none."""
    artifacts = busy_shop.folder / "artifacts"
    first, second = (busy_shop.publish(NOW - timedelta(days=days)) for days in (2, 1))
    with vanishing(artifacts / first / "manifest.json", artifacts / first):
        assert run(busy_shop, "snapshots") == 0
    out, _ = read(capsys)
    assert (first in out, second in out) == (False, True)
    (artifacts / second / "manifest.json").write_text("{")
    assert run(busy_shop, "snapshots") == 0
    out, _ = read(capsys)
    assert ("← current" in out, "is not a manifest" in " ".join(out.split())) == (True, True)


def test_snapshots_of_an_empty_folder(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """Before the first training the list is empty."""
    assert run(shop, "snapshots") == 0
    assert read(capsys)[0].startswith("Snapshots in")


def test_export_command(busy_shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """The export takes its length from the placement, a list of users, and ends with a summary."""
    busy_shop.toml += "[placements.short]\nlimit = 2\n"
    version = busy_shop.publish()
    (busy_shop.folder / "users.txt").write_text("user-1\nnobody\n")
    out_file = busy_shop.folder / "out.csv"
    arguments = ["--placement", "short", "--users", str(busy_shop.folder / "users.txt"), "--out", str(out_file)]
    assert run(busy_shop, "export", *arguments) == 0
    frame = pl.read_csv(out_file)
    assert frame["user_id"].to_list() == ["user-1", "user-1", "nobody", "nobody"]
    assert frame["rank"].to_list() == [1, 2, 1, 2]
    out, _ = read(capsys)
    assert version in out
    assert "users 2 lines 4 " in out


def test_validate_command(busy_shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """Good tables are good to train on; too many bad rows end with code 1 and say which table."""
    busy_shop.write()
    assert run(busy_shop, "validate") == 0
    assert read(capsys)[0].endswith("✓ good to train on")
    busy_shop.events = [{**row, "event_type": "wish"} if at % 5 == 0 else row for at, row in enumerate(busy_events())]
    busy_shop.write()
    assert run(busy_shop, "validate") == 1
    assert "✗ too many bad rows in events: training would stop" in read(capsys)[0]


def test_shop_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The synthetic shop is written where asked, no event after its end, and the summary counts it."""
    arguments = ["shop", "--users", "200", "--events", "6000", "--items", "200", "--end", "2026-03-31T12:00Z", "--seed", "3"]
    assert main([*arguments, "--out", str(tmp_path)]) == 0
    events = pl.read_parquet(tmp_path / "events-*.parquet")
    assert events["timestamp"].max() <= NOW  # type: ignore[operator]
    assert "purchase" in read(capsys)[0]


@pytest.mark.parametrize(
    ("variables", "arguments", "bound", "workers"),
    [
        ({}, [], "127.0.0.1:8000", "2"),
        ({"HOST": "0.0.0.0", "PORT": "9000", "WEB_CONCURRENCY": "4"}, [], "0.0.0.0:9000", "4"),
        ({"HOST": "::1", "WEB_CONCURRENCY": "4"}, ["--port", "9000", "--workers", "1"], "[::1]:9000", "1"),
    ],
)
def test_serve_listens_where_it_is_told(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], arguments: list[str], bound: str, workers: str
) -> None:
    """By arguments, else by the variables that the service itself knows."""
    became: list[list[str]] = []

    def become(program: str, command: list[str], environment: dict[str, str]) -> None:
        became.append(command)
        sys.exit()

    monkeypatch.setattr(os, "execve", become)
    for name in ("HOST", "PORT", "WEB_CONCURRENCY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        main(["serve", *arguments])
    given = dict(zip(became[0], became[0][1:], strict=False))
    assert (given["--bind"], given["--workers"]) == (bound, workers)


def test_make_serve_listens_where_the_service_does() -> None:
    """`HOST` and `WEB_CONCURRENCY` count, as docs/http.md says of them."""
    variables = {**os.environ, "HOST": "0.0.0.0", "WEB_CONCURRENCY": "4"}
    stated = subprocess.run(
        ["make", "-n", "serve"], cwd=ROOT, env=variables, check=True, capture_output=True, text=True
    ).stdout
    assert "--bind" not in stated
    assert "WEB_CONCURRENCY=4" in stated
