"""The command `init`: looks at a shop's files, says how they are read, and writes a settings file that `validate` has seen."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from recsys.settings import GateSettings
from recsys.settings.load import load_settings
from recsys.types import DataError
from training import console
from training.cli.tables import validate
from training.onboarding.choosing import needed, not_used, together
from training.onboarding.files import Seen, find_files, lakes_among, look_at
from training.onboarding.proposal import Proposal
from training.onboarding.proposals import NO_KIND, propose, propose_joined, with_states
from training.onboarding.reading import Understood, newest_event, settle
from training.onboarding.writing import clock_text, settings_text

_OLD = timedelta(days=GateSettings().oldest_days)
"""Age of the newest event from which the gate would refuse a shop whose clock is the wall's."""
Ask = Callable[[str], str]


def init(given: Sequence[str], out: Path, now: datetime, *, yes: bool, ask: Ask | None = None) -> int:
    """Write the settings for the files given; returns the exit code of their validation.

    yes: nothing is asked · ask: puts a question and gives the answer; without one the terminal does, if there is one.

    Raises:
        DataError: if a file is not there, nothing is recognised, or a settings file would be overwritten.
    """
    asked = None if yes else ask or (_on_terminal if sys.stdin.isatty() else None)
    if out.exists() and not _agreed(asked, f"{out} is there already. Overwrite it?"):
        raise DataError(f"{out} is there already; name another file with --out, or remove it")
    with tempfile.TemporaryDirectory() as folder:
        proposals, said = _recognised(find_files(given), lakes_among(given), Path(folder))
        read = [(each, _settled(each, asked)) for each in proposals]
    for sentence in said:
        console.say(f"• {sentence}")
    if bad := [f"{each.table}: {found.problem}" for each, found in read if found.problem]:
        raise DataError("\n".join(bad))
    _write(proposals, out, now)
    console.say(f"✓ {out} is written; it is now checked on every row")
    code = validate(load_settings(out), now)
    after = (
        f"mend {out}, then python -m training --settings {out} validate"
        if code
        else f"python -m training --settings {out} train"
    )
    console.say(f"Next: {after}")
    return code


def _recognised(files: Sequence[Path], lakes: Sequence[str], folder: Path) -> tuple[list[Proposal], list[str]]:
    """A proposal for each table, and a sentence on each file that is not used; `lakes` are those on folders that are tables."""
    with console.steps("Looking at files") as watch:
        watch(f"{len(files):,} files")
        seen, unread = look_at(files, folder)
        unread = [*lakes, *unread]
        proposals, unused = together(_proposed(seen))
    used = {path for each in proposals for one in [*each.seen, *each.brought] for path in one.paths}
    strange = [each for each in seen if each.paths[0] not in used and not any(each.name in said for said in unused)]
    if not any(each.table == "events" for each in proposals):
        why = "no table of events was found, which is the one that is needed"
        raise DataError("\n".join([why, *unread, *map(needed, seen)]))
    return proposals, [*unread, *unused, *map(not_used, strange)]


def _proposed(seen: Sequence[Seen]) -> list[Proposal]:
    """Propose settings for each file, and for several together where none holds events by itself."""
    alone = [proposal for each in seen if (proposal := propose(each))]
    found = [with_states(each, seen, alone) for each in alone]
    brought = {path for each in found for one in each.brought for path in one.paths}
    found = [each for each in found if each.table == "users" or brought.isdisjoint(each.seen[0].paths)]
    if any(each.table == "events" for each in found) or not (joined := propose_joined(seen)):
        return found
    parts = [*joined.seen, *joined.brought]
    apart = [
        each
        for each in found
        if each.table == "users" or not any(path in part.paths for part in parts for path in each.seen[0].paths)
    ]
    return [*apart, joined]


def _write(proposals: Sequence[Proposal], out: Path, now: datetime) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    text = settings_text(proposals, out)
    out.write_text(text)
    newest = newest_event(load_settings(out), now)
    if newest and newest < now - _OLD:
        out.write_text(text + clock_text(newest))


def _settled(proposal: Proposal, asked: Ask | None) -> Understood:
    """Ask what nobody can be sure of, and print how the table is read."""
    if asked:
        _ask_zone(proposal, asked)
        _ask_day(proposal, asked)
        _ask_words(proposal, asked)
        _ask_kind(proposal, asked)
    found = settle(proposal)
    console.facts(
        f"{proposal.table}: {', '.join(each.name for each in proposal.seen)}",
        [("because", each) for each in proposal.evidence],
    )
    if found.columns:
        rows = [f"row {at}" for at in range(1, len(found.columns[0]) - 1)]
        console.table("read as", ("read as", "from", *rows), found.columns)
    for each in proposal.unsure:
        console.say(f"? {each}")
    return found


def _ask_zone(proposal: Proposal, asked: Ask) -> None:
    doubt = next((each for each in proposal.unsure if "name no zone" in each), "")
    if doubt and (zone := asked(f"{doubt}\nTime zone [UTC]: ").strip()):
        proposal.settings["timezone"] = zone
        proposal.unsure.remove(doubt)


def _ask_day(proposal: Proposal, asked: Ask) -> None:
    doubt = next((each for each in proposal.unsure if "set `day_first`" in each), "")
    answer = (
        asked(f"{doubt}\nIs 05/06/2026 the 5th of June (day) or the 6th of May (month)? [day/month]: ").strip().lower()
        if doubt
        else ""
    )
    if answer in ("day", "d", "month", "m"):
        proposal.settings["day_first"] = answer.startswith("d")
        proposal.unsure.remove(doubt)


def _ask_words(proposal: Proposal, asked: Ask) -> None:
    for doubt in [each for each in proposal.unsure if each.startswith("the word “")]:
        word = doubt.removeprefix("the word “").partition("”")[0]
        answer = asked(f"{doubt}\nEvent type, or - to leave such rows out [decide later]: ").strip()
        if answer:
            proposal.settings.setdefault("event_types", {})[word] = "" if answer == "-" else answer
            proposal.unsure.remove(doubt)


def _ask_kind(proposal: Proposal, asked: Ask) -> None:
    doubt = next((each for each in proposal.unsure if NO_KIND in each), "")
    if doubt and (answer := asked(f"{doubt}\nWhat is every row, for instance view or purchase? ").strip()):
        proposal.settings["constants"] = {"event_type": answer}
        proposal.unsure.remove(doubt)


def _agreed(asked: Ask | None, question: str) -> bool:
    return asked is not None and asked(f"{question} [y/N]: ").strip().lower() in ("y", "yes")


def _on_terminal(question: str) -> str:
    try:
        return input(question)
    except EOFError:
        return ""
