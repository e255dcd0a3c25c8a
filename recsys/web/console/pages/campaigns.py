"""Campaigns: all of them, and each by itself with a preview; editors declare, change, end and delete them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import msgspec

from recsys import clock
from recsys.settings.campaigns import Campaign
from recsys.settings.when import When
from recsys.web.console.answers import redirect_response
from recsys.web.console.campaigns.form import KIND_OF, KINDS, PLACEMENT, body_of
from recsys.web.console.campaigns.preview import preview
from recsys.web.console.campaigns.words import COMING, OVER, action_words, state_of
from recsys.web.console.lists import stands_beside_items
from recsys.web.console.page import Cell, Link, Page, Shown, Table, View, Visit, given_id
from recsys.web.console.render import conditions, time_text
from recsys.web.http.parameters import read_body, read_row
from recsys.web.http.problems import Problem, invalid
from recsys.web.resources.merchant.campaigns import (
    CampaignBody,
    campaign_answer,
    every_campaign,
    find_campaign,
    remove_campaign,
    write_campaign,
)

_WORDS = 3
"""Actions that the list tells of each campaign."""
_TOLD_BESIDE = (400, 409, 412)
"""Statuses of problems that are told beside what was typed: it is wrong, not free, or somebody else changed the campaign meanwhile."""
_FILLED = ("form", "json")
"""Forms that hold what the campaign was when they were filled: they change no other revision, however often they are sent."""
_STEP = 200
"""Campaigns that are told before the shop's calls go first."""


class CampaignsParameters(View, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Query string of the page: one campaign, and for whom its preview is, where, when and beside what; `delete=1` asks first."""

    campaign: str = ""
    placement: str = ""
    user_id: str = ""
    now: str = ""
    about: str = ""
    delete: str = ""


def campaigns(visit: Visit[CampaignsParameters]) -> Mapping[str, Any]:
    """List the campaigns, or show one of them."""
    campaign_id = given_id("campaign", visit.parameters.campaign)
    if not campaign_id:
        return {**_base(visit), "tables": {"campaigns": _all(visit)}}
    return {**_base(visit), **_one(visit, campaign_id, find_campaign(visit.service, campaign_id))}


def act(visit: Visit[CampaignsParameters]) -> Shown:
    """Do what a form says; what is wrong with it is told beside what was typed."""
    done = visit.form.get("do", "")
    if done not in _ACTS:
        raise invalid("do", done, ", ".join(_ACTS))
    try:
        return redirect_response(_ACTS[done](visit))
    except Problem as problem:
        if problem.status not in _TOLD_BESIDE:
            raise
        shown = campaigns(visit)
        if shown["told"] is not None and shown["told"].in_settings:  # its page has no forms
            raise
        form = visit.form if done == "form" else {**shown["form"], **visit.form}
        kept = visit.form.get("revision", "") if done in _FILLED else ""
        return {**shown, "wrong": str(problem), "wrong_in": done, "form": form, "status": problem.status, "kept": kept}


def _put_form(visit: Visit[CampaignsParameters]) -> str:
    campaign_id, before = _id(visit), None
    if visit.parameters.campaign:
        before = find_campaign(visit.service, campaign_id)
    return _written(visit, campaign_id, body_of(visit.form, visit.service.settings.placement_names(), before))


def _put_json(visit: Visit[CampaignsParameters]) -> str:
    return _written(visit, _id(visit), read_body(visit.form.get("json", "").encode(), CampaignBody))


def _end(visit: Visit[CampaignsParameters]) -> str:
    campaign_id = _id(visit)
    body = msgspec.to_builtins(find_campaign(visit.service, campaign_id))
    body["until"] = clock.to_datetime(visit.now(visit.serving())).isoformat()
    return _written(visit, campaign_id, read_row(body, CampaignBody))


def _delete(visit: Visit[CampaignsParameters]) -> str:
    remove_campaign(visit.service, _id(visit), _editor(visit), _revision(visit))
    return visit.href("campaigns")


_ACTS: Mapping[str, Callable[[Visit[CampaignsParameters]], str]] = {
    "form": _put_form,
    "json": _put_json,
    "end": _end,
    "delete": _delete,
}


def _id(visit: Visit[CampaignsParameters]) -> str:
    """The campaign that a form is about: that of the page, else a new one.

    Raises:
        Problem: 400 if there is no id, 409 if a new one is there already.
    """
    if visit.parameters.campaign:
        return given_id("campaign_id", visit.parameters.campaign)
    campaign_id = given_id("campaign_id", visit.form.get("campaign_id", ""))
    if not campaign_id:
        raise Problem(400, "campaign_id: is needed", parameter="campaign_id")
    if campaign_id in every_campaign(visit.service):
        raise Problem(
            409, f"campaign_id: there is a campaign {campaign_id!r} already; open and change it, or take another id"
        )
    return campaign_id


def _written(visit: Visit[CampaignsParameters], campaign_id: str, body: CampaignBody) -> str:
    write_campaign(visit.service, campaign_id, body, _editor(visit), _revision(visit))
    return visit.href("campaigns", campaign=campaign_id)


def _revision(visit: Visit[CampaignsParameters]) -> int | None:
    """The revision of the campaign that the form was filled from; None: of a new one."""
    given = visit.form.get("revision", "")
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 19 else None


def _editor(visit: Visit[CampaignsParameters]) -> str:
    return f"console {visit.session.key}".strip()


def _base(visit: Visit[CampaignsParameters]) -> dict[str, Any]:
    return {
        "campaign": None,
        "told": None,
        "names": visit.service.settings.placement_names(),
        "kinds": KINDS,
        "kind_of": KIND_OF,
        "wrong": "",
        "wrong_in": "",
        "kept": "",
        "form": {},
        "tables": {},
    }


def _one(visit: Visit[CampaignsParameters], campaign_id: str, campaign: Campaign) -> dict[str, Any]:
    serving, asked = visit.serving(), visit.parameters
    stored = visit.service.live.state.campaigns.find(campaign_id)
    answer, present = campaign_answer(visit.service, campaign_id, campaign, stored), visit.now(serving)
    state = state_of(campaign, clock.to_datetime(present))
    now, said = _moment(visit, campaign, state, present)
    placement = asked.placement or _placement(visit, campaign)
    user_id, about = given_id("user_id", asked.user_id), given_id("about", asked.about)
    seen = preview(visit, serving, campaign_id, placement, user_id, now, about) if placement else None
    return {
        "title": f"Campaign {campaign_id}",
        "campaign": campaign,
        "campaign_id": campaign_id,
        "told": answer,
        "state": state,
        "when": "everybody" if campaign.when == When() else conditions(msgspec.structs.asdict(campaign.when)),
        "actions": [action_words(each) for each in campaign.actions],
        "json": msgspec.json.format(msgspec.json.encode(campaign), indent=2).decode(),
        "form": _filled(campaign),
        "placement": placement,
        "beside": bool(placement) and stands_beside_items(serving.engine.placement(placement)),
        "now": said,
        "preview": seen,
        "tables": {"moved": seen["moved"]} if seen else {},
    }


def _placement(visit: Visit[Any], campaign: Campaign) -> str:
    """The first placement of a campaign that there still is."""
    known = visit.service.settings.placement_names()
    return next((name for name in campaign.placements if name in known), "")


def _moment(visit: Visit[CampaignsParameters], campaign: Campaign, state: str, present: int) -> tuple[int, str]:
    """The moment of the preview, in microseconds and, where it is not the present, as text: the one given, else one at which the
    campaign holds."""
    given = visit.parameters.now
    if not given and state == COMING and campaign.begins is not None:
        given = campaign.begins.isoformat()
    if not given and state == OVER and campaign.until is not None:
        given = (campaign.until - timedelta(seconds=1)).isoformat()
    return (visit.now(visit.serving(), given), given) if given else (present, "")


def _filled(campaign: Campaign) -> dict[str, str]:
    """The fields of a form as a campaign has them."""
    ticks = {PLACEMENT + name: "1" for name in campaign.placements}
    spans = {"from": campaign.begins, "until": campaign.until}
    return ticks | {name: moment.isoformat() for name, moment in spans.items() if moment is not None}


def _all(visit: Visit[CampaignsParameters]) -> Table:
    moment = clock.to_datetime(visit.now(visit.serving()))
    rows: list[tuple[Cell, ...]] = []
    for at, (name, campaign) in enumerate(every_campaign(visit.service).items()):
        if at % _STEP == 0:
            visit.service.lanes.give_way()
        answer = campaign_answer(visit.service, name, campaign)
        words = [action_words(each) for each in campaign.actions[:_WORDS]]
        more = len(campaign.actions) - len(words)
        rows.append(
            (
                Link(name, visit.href("campaigns", campaign=name)),
                ", ".join(campaign.placements).replace("_", " "),
                time_text(campaign.begins),
                time_text(campaign.until),
                state_of(campaign, moment) + (", has a problem" if answer.problem else ""),
                "; ".join(words) + (f"; and {more} more" if more else ""),
                "the settings" if answer.in_settings else "the console or the API",
            )
        )
    return Table(
        name="campaigns",
        title="All campaigns",
        columns=("campaign", "where", "from (UTC)", "until (UTC)", "state", "what it does", "made in"),
        rows=rows,
        paged=True,
        empty="There is no campaign yet.",
    )


PAGE = Page(
    path="/campaigns",
    title="Campaigns",
    nav="Campaigns",
    template="campaigns.html",
    parameters=CampaignsParameters,
    view=campaigns,
    act=act,
    act_role="editor",
)
