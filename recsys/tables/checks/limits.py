"""Limits of what may be unreadable: a column that guards, or that revenue rests on, stops the job where too little of it is read."""

from __future__ import annotations

from collections.abc import Iterable

from recsys.tables.validation import Finding, explain, percent
from recsys.types import DataError


def too_unreadable(findings: Iterable[Finding], limit: float) -> list[Finding]:
    """Findings that stop the job: no value of the column can be read, or too large a share of what guards. One value alone says
    nothing of its column."""
    several = [each for each in findings if each.given and each.rows > 1]
    return [each for each in several if _none(each) or (_guards(each) and _share(each) > limit)]


def stop_if_unreadable(findings: Iterable[Finding], limit: float) -> None:
    """Stop the job where too little can be read.

    Raises:
        DataError: naming the columns, and what to do.
    """
    said = [line for each in too_unreadable(findings, limit) for line in (_sentence(each, limit), f"  {explain(each)}")]
    if said:
        raise DataError("\n".join(said))


def _none(finding: Finding) -> bool:
    return finding.rows >= finding.given


def _guards(finding: Finding) -> bool:
    return finding.level != "emptied"


def _share(finding: Finding) -> float:
    return finding.rows / finding.given


def _sentence(finding: Finding, limit: float) -> str:
    subject = f"{finding.table}: {finding.column}: {finding.rows:,} of {finding.given:,} values"
    if _none(finding):
        return f"{subject} cannot be read, that is none can"
    return f"{subject} ({percent(_share(finding))}) cannot be read; `data.max_unreadable_share` allows {percent(limit)}"
