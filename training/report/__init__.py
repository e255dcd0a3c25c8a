"""The report: one HTML file per snapshot that a merchant can read (docs/evaluation.md).

Each part of it has a file that gathers plain facts; `template/` turns them into a page without any address outside it. Names from
the shop's tables are escaped by the templates. No shopper's id stands in it, so that nobody has to be forgotten in it.
"""

from __future__ import annotations

import resource
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from recsys import clock
from recsys.disk import write_whole
from recsys.engine.pipeline import Engine
from recsys.live.erasure import ErasureKeys
from recsys.recommenders import configure
from recsys.settings import Settings
from recsys.settings.messages import MessagesSettings
from recsys.settings.placements import PLACEMENTS
from recsys.snapshot.store import REPORTS, Manifest, current_version, open_snapshot, read_manifest, versions
from recsys.tables.checks.usefulness import usefulness
from recsys.tables.shop import ShopTables, read_shop
from recsys.tables.validation import findings_table
from recsys.types import SnapshotError
from training.evaluation.evaluate import POPULARITY
from training.evaluation.rules import CHANGES, said_of_gain
from training.gate.config_validation import laid_over
from training.gate.gate import verdict_of
from training.job.job import Watch
from training.report.accuracy import alike, measure_accuracy
from training.report.campaigns import measure_campaigns, segment_words
from training.report.customers import sum_up_customers
from training.report.examples import pick_examples
from training.report.experiments import gather_experiments, measure_words
from training.report.figures import FIGURES
from training.report.health import check_health
from training.report.moments import estimate_leakage
from training.report.stock import sum_up_stock
from training.report.value import sum_up_value
from training.report.words import FILTERS, WEEKDAYS


def write_report(
    settings: Settings,
    now: datetime,
    *,
    as_of: datetime | None = None,
    progress: Watch = lambda _step: None,
    erasure_keys: ErasureKeys | None = None,
) -> Path:
    """Write the report of the current snapshot to `<artifacts>/reports/<version>.html`, whole or not at all.

    The tables are read again, up to the snapshot's own moment or before `as_of`: name the one that the snapshot was trained
    with, if one was. `progress` is told each step.

    Raises:
        SnapshotError: if nothing is published, or the snapshot does not verify.
        DataError: if a table cannot be read or is too wrong.
    """
    artifacts = settings.artifacts
    version = current_version(artifacts)
    if version is None:
        raise SnapshotError(f"no snapshot is published in {artifacts}; run `make train` first")
    progress("open the snapshot")
    snapshot = open_snapshot(artifacts, version)
    manifest = snapshot.manifest
    made = laid_over(settings, manifest)
    engine = Engine(snapshot, made)
    before = as_of or clock.to_datetime(manifest.as_of + 1)
    moment = clock.to_microseconds(before) if as_of else manifest.as_of
    progress("read tables")
    shop = read_shop(settings, before=before, erasure_keys=erasure_keys)
    facts = {**_snapshot(made, manifest, artifacts, now, before), **_tables(settings, shop)}
    progress("data health")
    facts["health"] = found = check_health(shop, before)
    progress("customers")
    facts["customers"] = sum_up_customers(shop, engine, moment, found.first, before) if found else None
    facts["value"] = sum_up_value(engine, moment)
    facts["offers"] = estimate_leakage(engine, moment)
    facts["experiments"] = gather_experiments(settings)
    facts["stock"] = sum_up_stock(snapshot.catalog, settings.moments.lead_days)
    progress("examples")
    facts["examples"] = pick_examples(engine, moment)
    progress("campaigns")
    facts["campaigns"] = measure_campaigns(made, engine)
    del engine, snapshot, shop
    progress("evaluate")
    facts["accuracy"] = measure_accuracy(made, _earlier(artifacts, version), before, now, progress, erasure_keys)
    facts["report_memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    progress("write")
    return _write(artifacts / REPORTS / f"{version}.html", render(facts))


def render(facts: Mapping[str, Any]) -> str:
    """Fill the page's template; everything that is not a template's own text is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "template"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS, measure=measure_words, segment=segment_words)
    environment.globals.update(FIGURES, alike=alike, changes=CHANGES, said_of_gain=said_of_gain)
    return environment.get_template("report.html").render(facts)


def differing(settings: Settings) -> list[tuple[str, str, str]]:
    """Settings that are not the default: key, value, default."""
    default = Settings(
        root=settings.root, recommenders={name: msgspec.to_builtins(each) for name, each in configure({}).items()}
    )
    ours = _flat(msgspec.to_builtins(settings))
    usual = _flat({**msgspec.to_builtins(default), "placements": msgspec.to_builtins(PLACEMENTS)})
    return [(key, value, usual.get(key, "")) for key, value in ours.items() if usual.get(key) != value]


def _flat(value: Any, key: str = "") -> dict[str, str]:
    if isinstance(value, Mapping):
        return {name: text for part in value for name, text in _flat(value[part], f"{key}.{part}" if key else part).items()}
    return {key: value if isinstance(value, str) else msgspec.json.encode(value).decode()}


def _snapshot(settings: Settings, manifest: Manifest, artifacts: Path, now: datetime, before: datetime) -> dict[str, Any]:
    return {
        "shop": shop_name(settings),
        "manifest": manifest,
        "current": manifest.version,
        "created_at": datetime.fromisoformat(manifest.created_at),
        "as_of": clock.to_datetime(manifest.as_of),
        "before": before,
        "now": now,
        "days": settings.evaluation.days,
        "profile": settings.profile,
        "popularity": POPULARITY,
        "weekdays": WEEKDAYS,
        "training_memory": getattr(manifest, "peak_memory_bytes", None),
        "size": sum(entry.bytes for entry in manifest.files.values()),
        "published": list(reversed(versions(artifacts))),
        "gate": verdict_of(manifest),
        "differing": differing(settings),
    }


def shop_name(settings: Settings) -> str:
    """The shop's name as its messages say it; the folder of its settings where they say none."""
    named = settings.messages.shop
    return named if named != MessagesSettings().shop else Path(settings.root).resolve().name


def _tables(settings: Settings, shop: ShopTables) -> dict[str, Any]:
    findings, measured = findings_table(shop.findings, people=False), usefulness(settings, shop)
    return {"tables": shop.counts, "findings": findings, "measured": measured, "currency": shop.currency}


def _earlier(artifacts: Path, version: str) -> Manifest | None:
    """The manifest of the snapshot published before."""
    older = [each for each in versions(artifacts) if each < version]
    return read_manifest(artifacts, older[-1]) if older else None


def _write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with write_whole(file) as aside:
        aside.write_text(text, encoding="utf-8")
    return file
