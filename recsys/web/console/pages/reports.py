"""Reports of the snapshots: listed, and each opened as the page that it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recsys.web.console.answers import REPORT_POLICY, page_response
from recsys.web.console.page import Link, Page, Shown, Table, View, Visit
from recsys.web.http.problems import Problem
from recsys.web.resources.reports import report_body, reports_here, reports_notice


class ReportParameters(View, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Query string of a report: of which snapshot."""

    version: str = ""


def reports(visit: Visit[View]) -> Mapping[str, Any]:
    """List the reports, the newest first."""
    versions = [*reports_here(visit.service)]
    return {
        "notice": reports_notice(visit.service),
        "tables": {
            "reports": Table(
                name="reports",
                title="One for each snapshot that was reported",
                columns=("snapshot",),
                rows=[(Link(version, visit.href("report", version=version)),) for version in versions],
                paged=True,
                empty="There is none yet; make report writes one.",
            )
        },
    }


def report(visit: Visit[ReportParameters]) -> Shown:
    """Answer one report, which holds all that it needs."""
    version = visit.parameters.version
    body = report_body(visit.service, version)
    if body is None:
        raise Problem(404, f"there is no report {version!r}", parameter="version", value=version)
    return page_response(body, policy=REPORT_POLICY)


PAGES: tuple[Page[Any], ...] = (
    Page(path="/reports", title="Reports", nav="Reports", template="reports.html", parameters=View, view=reports),
    Page(path="/report", title="Report", template="message.html", parameters=ReportParameters, view=report),
)
