"""The console: pages for merchants, marketers and operators at `/console/`; one file and one template a page (docs/console.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint

from recsys.web.console.activity import Activity
from recsys.web.console.older import OlderSnapshot
from recsys.web.console.page import Page
from recsys.web.console.pages import campaigns, experiments, explain, forget, item, moments, reports, sends, shopper
from recsys.web.console.pages.login import login_pages
from recsys.web.console.pages.placements import placements_page
from recsys.web.console.pages.today import today_page
from recsys.web.console.sessions import Sessions
from recsys.web.console.site import Site
from recsys.web.serving.service import Service


def console_pages(service: Service) -> tuple[Page[Any], ...]:
    """All pages, in the order of the menu."""
    settings = service.settings
    return (
        today_page(Activity(service.live.state, settings.placement_names())),
        shopper.PAGE,
        item.PAGE,
        placements_page(OlderSnapshot(service)),
        campaigns.PAGE,
        experiments.PAGE,
        *sends.PAGES,
        moments.PAGE,
        *reports.PAGES,
        explain.PAGE,
        forget.PAGE,
        *login_pages(settings.web.console.logins),
    )


def console_blueprint(service: Service, environment: Mapping[str, str]) -> Blueprint:
    """The console over a service; closed while the environment has no key of it.

    Raises:
        SettingsError: if a key is too short, or `web.console.logins` is no rate.
    """
    sessions = Sessions.from_environment(environment, service.settings.web.console.hours)
    return Site(service, sessions, console_pages(service)).blueprint()
