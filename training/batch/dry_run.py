"""`make dry-run SEND=…`: what a declared send would show, before anybody gets it; nothing is pinned, nothing is logged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from recsys.clock import SECOND
from recsys.disk import write_whole
from recsys.engine.serving_state import ServingState
from recsys.live.databases import open_log
from recsys.live.erasure import ErasureKeys
from recsys.messages.cards.cards import Cards
from recsys.messages.dry_run import TOP, DryRun, Progress, draw_users
from recsys.messages.dry_run import dry_run as run_dry
from recsys.settings import Settings
from recsys.types import DataError
from training import console
from training.batch.export import Source, published, read_users

MAIL_WIDTHS = (600, 320)


def dry_run(
    settings: Settings,
    now: datetime,
    send_id: str,
    users: Path | None,
    max_n: int,
    out: Path,
    erasure_keys: ErasureKeys | None = None,
) -> int:
    """Answer a send for at most so many users, drawn from all or from a file, print the summary and write the page.

    Raises:
        DataError: if the send is not declared, or there is nobody to ask.
        SnapshotError: if no snapshot is published.
    """
    artifacts = settings.artifacts
    source = Source(settings, artifacts, published(artifacts), True, erasure_keys)
    serving = source.serving(source.engine())
    assert serving is not None
    asked = _users(serving, users, max_n)
    moment = serving.newest if settings.web.clock == "events" else int(now.timestamp() * SECOND)
    with console.bar("Asking", "users") as progress:
        found = look(settings, serving, send_id, asked, moment, progress)
    _write_page(found, out)
    _print(found, out)
    return 0


def look(
    settings: Settings, serving: ServingState, send_id: str, users: Sequence[str], now: int, progress: Progress
) -> DryRun:
    """Answer a declared send for these users as of `now` (microseconds), and sum up.

    Raises:
        DataError: if the send is not declared, or there is no such template.
    """
    pins = open_log(settings).pins
    send = pins.send(send_id)
    if send is None:
        raise DataError(f"SEND {send_id!r}: is not declared; declare it with PUT /v1/sends/{send_id} first")
    folder = settings.messages.templates
    cards = Cards(settings.path(folder) if folder else None, settings.messages)
    return run_dry(serving, pins, cards, send, users, now, progress)


def _users(serving: ServingState, file: Path | None, max_n: int) -> list[str]:
    if file is None:
        found = draw_users(serving, max_n)
    else:
        found = [user for user in read_users(file) if serving.forgotten.at(user) is None][:max_n]
    if not found:
        raise DataError("there is nobody to ask: the snapshot, or --users, has no user")
    return found


def _write_page(found: DryRun, out: Path) -> None:
    pages = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)
    text = pages.get_template("dry_run.html").render(run=found, widths=MAIL_WIDTHS)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with write_whole(out) as aside:
            aside.write_text(text)
    except OSError as error:
        raise DataError(f"--out {out}: cannot be written ({error.strerror})") from error


def _print(found: DryRun, out: Path) -> None:
    percent = "{:.1%}".format
    console.facts(
        f"Send {found.send.send_id}: {found.send.placement}, {found.send.limit} items, template {found.send.template or 'none'}",
        [
            ("users asked", found.users),
            ("snapshot", found.snapshot),
            *((f"fallback {name}", percent(share)) for name, share in found.fallback.items()),
            *((f"strategy {name}", percent(share)) for name, share in found.strategy.items()),
            ("users short of items", percent(found.short)),
            ("users without any", percent(found.empty)),
            ("distinct items", found.items),
            (f"places filled by the {TOP} most shown", percent(found.top_share)),
            *((f"places without {name}", percent(share)) for name, share in found.without.items()),
        ],
    )
    wrong = {channel: each for sample in found.samples for channel, each in sample.errors.items()}
    broken = {str(each) for sample in found.samples for card in sample.cards.values() for each in card.broken}
    for channel, error in wrong.items():
        console.say(f"✗ {channel}: {error}")
    for each in sorted(broken):
        console.say(f"✗ {each}")
    console.say(f"✓ samples and figures: {out}")
