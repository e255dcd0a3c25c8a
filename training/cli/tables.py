"""Commands on tables alone, which load nothing of the engine: `shop` and `validate`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from recsys.live.erasure import ErasureKeys
from recsys.settings import Settings
from recsys.tables.checks.limits import too_unreadable
from recsys.tables.checks.usefulness import usefulness
from recsys.tables.shop import read_shop
from recsys.tables.validation import explain, findings_table
from simulator import SHOP_ADDRESS, make_shop
from training import console


def shop(
    out: Path, users: int, events: int | None, items: int | None, end: datetime, seed: int, address: str = SHOP_ADDRESS
) -> int:
    """Write the synthetic shop's tables."""
    with console.bar("Making the shop", "visits") as progress:
        made = make_shop(
            out, users=users, events=events, items=items, end=end, seed=seed, address=address, progress=progress
        )
    rows = [(name, count) for name, count in made.tables.items()]
    rows += [(f"  {name}", count) for name, count in made.event_types.items()]
    console.table(f"Shop in {out}, {made.first:%Y-%m-%d} to {made.last:%Y-%m-%d %H:%M} UTC", ("rows", "count"), rows)
    return 0


def validate(settings: Settings, now: datetime, erasure_keys: ErasureKeys | None = None) -> int:
    """Check the tables, say whether they are of use and explain every finding; exit code 1 if training would stop."""
    with console.steps("Validating") as watch:
        watch("reading every row")
        tables = read_shop(settings, now=now, strict=False, erasure_keys=erasure_keys)
        headlines = usefulness(settings, tables, now)
    for headline in headlines:
        console.say(f"{'✓' if headline.passed else '✗'} {headline.name}: {headline.said}")
    counts = [
        (name, count.read, count.left_out, count.rejected, count.duplicates, count.implausible, count.kept)
        for name, count in tables.counts.items()
    ]
    console.table("Tables", ("table", "rows read", "left out", "rejected", "double", "implausible", "kept"), counts)
    for name, sentences in tables.read_as.items():
        for sentence in sentences:
            console.say(f"{name} read as {sentence}")
    columns = ("table", "column", "rule", "rows", "share", "example", "done")
    found = findings_table(tables.findings)
    if found:
        console.table("Findings", columns, [tuple(row[name] for name in columns) for row in found])
    for finding in tables.findings:
        console.say(f"• {explain(finding)}")
    if tables.guesses:
        guesses = [(each.table, each.column, each.read_as, each.evidence, each.pin) for each in tables.guesses]
        console.table("Told by the values", ("table", "column", "read as", "evidence", "to pin it"), guesses)
    bad = [name for name, count in tables.counts.items() if count.rejected_share > settings.data.max_rejected_share]
    unreadable = too_unreadable(tables.findings, settings.data.max_unreadable_share)
    wrong = [f"too many bad rows in {', '.join(bad)}"] if bad else []
    wrong += [f"too little can be read of {each.table}, column {each.column}" for each in unreadable]
    wrong += [each.name for each in headlines if not each.passed and each.name != "unreadable"]
    console.say(f"✗ {'; '.join(wrong)}: training would stop" if wrong else "✓ good to train on")
    return 1 if wrong else 0
