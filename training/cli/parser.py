"""The commands of the offline job, with what each takes."""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from recsys.messages.slots import SLOT_SECRETS, SlotKeys
from recsys.settings.load import load_settings
from recsys.types import Bought, DataError
from training.cli.argument_types import bought, conditions, count, limit, minutes, moment, port, workers
from training.cli.backup import add_state_commands
from training.cli.experiments import add_attribution, add_experiment, add_whatif
from training.cli.lazily import lazily
from training.cli.memory import add_partitions, planned
from training.cli.shop import add_shop_commands
from training.cli.snapshots import add_snapshot_commands, erasure_keys, mirrored

if TYPE_CHECKING:
    from training.batch import dry_run, lint_templates, moments, replay, restock, tokens
    from training.cli import commands, demo, evaluation_commands, service
else:
    dry_run, lint_templates, moments, replay, restock, tokens = lazily(
        "training.batch", "dry_run", "lint_templates", "moments", "replay", "restock", "tokens"
    )
    commands, demo, evaluation_commands, service = lazily(
        "training.cli", "commands", "demo", "evaluation_commands", "service"
    )

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def parser(program: str = "python -m training") -> argparse.ArgumentParser:
    """Build the parser of all commands; `program` is how the reader calls it."""
    root = argparse.ArgumentParser(
        prog=program,
        description="The offline job: from event tables to a snapshot, and what is made from one.",
        epilog=f"{program} COMMAND --help says what a command takes, with an example.",
    )
    root.add_argument(
        "--settings", type=Path, help="settings file (default: $RECSYS_SETTINGS; without one, canonical tables under data/)"
    )
    commands_of = root.add_subparsers(required=True, metavar="command")
    for add in (
        add_shop_commands,
        _train,
        _evaluate,
        _tune,
        _report,
        _export,
        add_snapshot_commands,
        _migrate,
        _compact,
        _purge,
        add_state_commands,
        _replay,
        _restock,
        add_experiment,
        add_attribution,
        add_whatif,
        _moments,
        _lint_templates,
        _dry_run,
        _serve,
        _demo,
        _docs,
    ):
        add(commands_of)
    return root


def _command(commands_of: Commands, name: str, help_text: str, example: str = "") -> argparse.ArgumentParser:
    return commands_of.add_parser(
        name,
        help=help_text,
        description=help_text,
        epilog=f"example: %(prog)s {example}" if example else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _train(commands_of: Commands) -> None:
    command = _command(
        commands_of, "train", "Fit everything on the shop's tables and publish a snapshot.", "--as-of 2026-03-01"
    )
    command.add_argument("--as-of", type=moment, help="fit on events before this moment only, ISO 8601")
    command.add_argument("--force", metavar="REASON", help="publish even if the gate refuses; the snapshot keeps the reason")
    command.add_argument("--line", default="", help="publish to this snapshot line, for an arm; what serves stays")
    add_partitions(command)
    command.set_defaults(run=lambda chosen: commands.train(
        planned(load_settings(chosen.settings), chosen.partitions, chosen.spark), _now(), chosen.as_of, chosen.force,
        erasure_keys(chosen.settings), chosen.line,
    ))  # fmt: skip


def _evaluate(commands_of: Commands) -> None:
    command = _command(
        commands_of,
        "evaluate",
        "Measure the pipeline as of a past day by what shoppers bought next.",
        "--folds 3 --out evaluation.json",
    )
    command.add_argument("--as-of", type=moment, help="train before, test from here, ISO 8601 (default: the last window)")
    command.add_argument("--days", type=count, help="length of the test window (default: evaluation.days)")
    command.add_argument("--folds", type=count, default=1, help="windows, the last ends where --as-of's does (default: 1)")
    command.add_argument("--out", type=Path, help="keep everything, slices too, as JSON")
    command.set_defaults(run=lambda chosen: evaluation_commands.evaluate(
        load_settings(chosen.settings), _now(), chosen.as_of, chosen.days, chosen.folds, chosen.out, erasure_keys(chosen.settings)
    ))  # fmt: skip


def _tune(commands_of: Commands) -> None:
    command = _command(
        commands_of,
        "tune",
        "Choose settings and blend weights on folds before the test window.",
        "--only behaviour als --minutes 60",
    )
    command.add_argument("--before", type=moment, help="look at nothing from here on (default: the last evaluation.days)")
    command.add_argument("--only", nargs="+", default=[], help="recommenders, behaviour or blend (default: all)")
    command.add_argument("--without", nargs="+", default=[], help="recommenders that the blend may not use, for their cost")
    command.add_argument("--trials", type=count, default=25, help="most per study (default: 25)")
    command.add_argument(
        "--minutes", type=minutes, default=30, help="time for everything, the blend too (default: 30); run again to go on"
    )
    command.set_defaults(run=lambda chosen: evaluation_commands.tune(
        load_settings(chosen.settings), _now(), chosen.before, chosen.only, chosen.without, chosen.trials, chosen.minutes,
        erasure_keys(chosen.settings),
    ))  # fmt: skip


def _report(commands_of: Commands) -> None:
    command = _command(commands_of, "report", "Write the current snapshot's report as one HTML page.")
    command.add_argument("--as-of", type=moment, help="the moment that the snapshot was trained with, if one was named")
    command.set_defaults(
        run=lambda chosen: evaluation_commands.report(
            mirrored(chosen.settings), _now(), chosen.as_of, erasure_keys(chosen.settings)
        )
    )


def _export(commands_of: Commands) -> None:
    command = _command(
        commands_of,
        "export",
        "Write recommendations for many users through the pipeline that serves.",
        "--placement email_weekly --limit 20 --out exports/all.parquet",
    )
    command.add_argument("--out", type=Path, nargs="+", help=".parquet, .csv or .ndjson (default: in exports/)")
    command.add_argument("--users", type=Path, help="file of user ids (default: all users of the snapshot)")
    command.add_argument("--placement", help="placement of the settings (default: home)")
    command.add_argument("--limit", type=limit, help="items per user, 1 to 100 (default: the placement's)")
    command.add_argument(
        "--bought",
        type=bought,
        nargs="+",
        help="what to do with items that the shopper owns (default: as the placement): hide lets what is bought again and again "
        "back when it is due; hide_days:N hides all for N days (3650: for good, as task `new` asks); allow shows them (task "
        "`repeat`); only shows nothing else. Several: a list each, from one fit",
    )
    command.add_argument("--attributes", type=conditions, help="conditions on items, as JSON (docs/merchandising.md)")
    command.add_argument("--as-of", type=moment, help="fit on events before this moment and answer as of then, ISO 8601")
    command.add_argument("--shape", choices=("long", "flat"), help="a line per item, or one per user (default: long)")
    command.add_argument("--tokens", metavar="SEND", help="write users and their slot tokens instead (docs/messages.md)")
    command.set_defaults(run=_run_export)


def _run_export(chosen: argparse.Namespace) -> int:
    settings = mirrored(chosen.settings)
    if chosen.tokens is not None:
        files = chosen.out or [Path("exports/tokens.csv")]
        if len(files) > 1:
            raise DataError(f"--out: {len(files)} files; --tokens {chosen.tokens!r} writes one")
        (out,) = files
        return tokens.tokens(
            settings, _now(), chosen.tokens, _slot_keys(chosen), chosen.users, out, erasure_keys(chosen.settings)
        )
    return commands.export(
        settings,
        _now(),
        _lists(chosen.out or [Path("exports/recommendations.parquet")], chosen.bought or [None]),
        chosen.users,
        chosen.placement or "home",
        chosen.limit,
        chosen.as_of,
        erasure_keys(chosen.settings),
        chosen.shape or "long",
        chosen.attributes,
    )


def _lists(files: list[Path], owned: list[Bought | None]) -> list[tuple[Path, Bought | None]]:
    """Each file with what its lists do with items that the shopper owns."""
    if len(files) != len(owned) or len({*files}) != len(files):
        raise DataError(
            f"--out: {len(files)} files for {len(owned)} kinds of lists; name a file of its own for each --bought"
        )
    return list(zip(files, owned, strict=True))


def _slot_keys(chosen: argparse.Namespace) -> SlotKeys:
    for name in ("placement", "limit", "bought", "attributes", "as_of", "shape"):
        if getattr(chosen, name) is not None:
            raise DataError(f"--{name.replace('_', '-')}: does not go with --tokens; allowed: --users and --out")
    keys = SlotKeys.from_environment(os.environ)
    if keys is None:
        raise DataError(f"--tokens {chosen.tokens!r}: needs {SLOT_SECRETS} in the environment, as the service has it")
    return keys


def _migrate(commands_of: Commands) -> None:
    command = _command(commands_of, "migrate", "Make or migrate the tables of live state in PostgreSQL (docs/state.md).")
    command.set_defaults(run=lambda chosen: commands.migrate(load_settings(chosen.settings)))


def _compact(commands_of: Commands) -> None:
    command = _command(commands_of, "compact", "Move old live events out of the log into Parquet files (docs/state.md).")
    command.set_defaults(run=lambda chosen: commands.compact(mirrored(chosen.settings), _now()))


def _replay(commands_of: Commands) -> None:
    command = _command(
        commands_of,
        "replay",
        "Answer a logged slate again, byte for byte (docs/state.md).",
        "d91137dc654cb084a9e227a7 --json",
    )
    command.add_argument("id", nargs="?", help="its recommendation_id (default: list the slates logged last)")
    command.add_argument("--json", action="store_true", help="print the slate's JSON instead of a table")
    command.set_defaults(run=lambda chosen: replay.replay(mirrored(chosen.settings), chosen.id, chosen.json))


def _restock(commands_of: Commands) -> None:
    command = _command(
        commands_of,
        "restock",
        "List items that will run out of stock, by revenue at risk (docs/stock.md).",
        "--lead-days 14 --out restock.csv",
    )
    command.add_argument("--lead-days", type=count, help="days that new stock takes to arrive (default: moments.lead_days)")
    command.add_argument("--out", type=Path, help="file for all of them, .csv or .parquet")
    command.add_argument("--top", type=count, default=30, help="most that are shown (default: 30)")
    command.set_defaults(
        run=lambda chosen: restock.restock(
            mirrored(chosen.settings), chosen.lead_days, chosen.out, chosen.top, erasure_keys(chosen.settings)
        )
    )


def _moments(commands_of: Commands) -> None:
    command = _command(
        commands_of,
        "moments",
        "Write who should hear from the shop now, and why, to a file (docs/moments.md).",
        "--kind cart --as-of 2026-03-31 --out cart.csv",
    )
    command.add_argument("--kind", required=True, help="kind of moment, such as cart or winback; all: those that are on")
    command.add_argument("--out", type=Path, help=".parquet, .csv or .ndjson (default: exports/KIND.parquet)")
    command.add_argument("--as-of", type=moment, help="who was due then, ISO 8601; only looks")
    command.add_argument(
        "--dry-run", action="store_true", help="only look: write nothing down, so that a poll finds them again"
    )
    command.set_defaults(run=lambda chosen: moments.moments(
        mirrored(chosen.settings), _now(), chosen.kind, chosen.as_of, chosen.out or Path(f"exports/{chosen.kind}.parquet"),
        chosen.dry_run, erasure_keys(chosen.settings),
    ))  # fmt: skip


def _lint_templates(commands_of: Commands) -> None:
    command = _command(
        commands_of, "lint-templates", "Render every message template for difficult readers; fails if a limit is broken."
    )
    command.add_argument("--kind", help="only templates of this name, such as cart (default: all)")
    command.set_defaults(run=lambda chosen: lint_templates.lint_templates(load_settings(chosen.settings), chosen.kind))


def _dry_run(commands_of: Commands) -> None:
    command = _command(
        commands_of,
        "dry-run",
        "Show what a declared send would show, as figures and as a page of samples.",
        "2026-w14 --out exports/dry-run.html",
    )
    command.add_argument("send", metavar="SEND", help="send_id of a declared send")
    command.add_argument("--users", type=Path, help="file of user ids (default: drawn from the snapshot)")
    command.add_argument("--most", type=count, default=5000, help="most users that are asked (default: 5,000)")
    command.add_argument("--out", type=Path, help="the page (default: exports/dry-run.html)")
    command.set_defaults(run=lambda chosen: dry_run.dry_run(
        mirrored(chosen.settings), _now(), chosen.send, chosen.users, chosen.most,
        chosen.out or Path("exports/dry-run.html"), erasure_keys(chosen.settings),
    ))  # fmt: skip


def _purge(commands_of: Commands) -> None:
    command = _command(
        commands_of, "purge", "Delete old snapshots and rows that still hold forgotten shoppers (docs/state.md)."
    )
    command.set_defaults(run=lambda chosen: commands.purge(mirrored(chosen.settings), erasure_keys(chosen.settings)))


def _demo(commands_of: Commands) -> None:
    command = _command(
        commands_of, "demo", "Make a synthetic shop, train on it and serve it until Ctrl-C.", "--port 8080 --folder my-demo"
    )
    _add_address(command)
    command.add_argument("--users", type=count, default=2_000, help="shoppers of the shop (default: 2,000)")
    command.add_argument(
        "--folder", type=Path, default=Path(".demo"), help="where everything is made, emptied at each start (default: .demo)"
    )
    command.set_defaults(run=lambda chosen: demo.demo(chosen.folder, chosen.port, chosen.workers, chosen.users, _now()))


def _serve(commands_of: Commands) -> None:
    command = _command(commands_of, "serve", "Serve the current snapshot (docs/http.md).", "--port 8080 --workers 4")
    command.add_argument(
        "--host", default=os.environ.get("HOST", "127.0.0.1"), help="address to listen on (default: HOST, else 127.0.0.1)"
    )
    _add_address(command)
    command.set_defaults(run=lambda chosen: service.serve(chosen.settings, chosen.host, chosen.port, chosen.workers))


def _add_address(command: argparse.ArgumentParser) -> None:
    asked = os.environ.get
    command.add_argument("--port", type=port, default=asked("PORT", "8000"), help="port (default: PORT, else 8000)")
    command.add_argument(
        "--workers",
        type=workers,
        default=asked("WEB_CONCURRENCY", "2"),
        help="processes that answer (default: WEB_CONCURRENCY, else 2)",
    )


def _docs(commands_of: Commands) -> None:
    command = _command(commands_of, "docs", "Write the reference pages that are made from the code.")
    command.add_argument("--out", type=Path, default=Path("docs"), help="folder for the pages (default: docs)")
    command.set_defaults(run=lambda chosen: commands.docs(chosen.out))


def _now() -> datetime:
    return datetime.now(UTC)
