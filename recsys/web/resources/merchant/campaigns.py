"""Campaigns that merchants put while the service runs: seen by every worker at its next answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, get_args

import msgspec
from msgspec import Meta, Struct

from recsys import clock
from recsys.engine.merchandising.campaign_checks import check_campaign, lost_by
from recsys.engine.serving_state import ServingState
from recsys.live.campaigns import MAX_CAMPAIGNS, CampaignChange
from recsys.settings import campaigns as parts
from recsys.settings.campaigns import Campaign
from recsys.settings.when import When
from recsys.types import ChangedMeanwhileError, Intent, Lifecycle, SettingsError
from recsys.web.http.parameters import NoParameters
from recsys.web.http.problems import Problem, invalid
from recsys.web.http.responses import Response, json_response
from recsys.web.operations import Call, Operation
from recsys.web.serving.service import Service

CREATED, OK = 201, 200
_ADDRESS = "/v1/campaigns/{campaign_id}"
_HEADERS = {"If-Match": "The ETag of the campaign as it was read: 412 if it was changed since. Absent: whatever it is."}
_FILTER = "attributes, each with any, all, none, min or max"


def _members(kind: type[Struct]) -> str:
    return ", ".join(field.encode_name for field in msgspec.structs.fields(kind))


class CampaignBody(Campaign, frozen=True, kw_only=True):
    """Campaign: changes to the lists of some placements, for a span of time."""

    ALLOWED: ClassVar[Mapping[str, str]] = {
        "placements": "1 to 100 names of placements",
        "from": "an ISO 8601 time with its zone",
        "until": "an ISO 8601 time with its zone, after from",
        "when": "conditions on the shopper",
        "intent": " or ".join(get_args(Intent)),
        "lifecycle": ", ".join(get_args(Lifecycle)),
        "actions": f"1 to {parts.MAX_ACTIONS} objects, each with exactly one of {_members(parts.Action)}",
        "place": "a whole number from 1 to 100",
        "within": "a whole number from 1 to 100",
        "max": "a whole number from 1 to 100",
        "min": "a number from 0 to 1",
        "factor": "a number from 1 to 1000",
        "item_id": "one id, 1 to 256 characters",
        "by": "brand, category, group or an attribute of type word",
        "filter": _FILTER,
    }
    MEMBERS: ClassVar[Mapping[str, str]] = {
        "when": _members(When),
        "actions": _members(parts.Action),
        "pin": _members(parts.Pin),
        "boost": _members(parts.Boost),
        "bury": _members(parts.Bury),
        "exclude": _members(parts.Exclude),
        "only": _members(parts.Only),
        "limit": _members(parts.Limit),
        "share": _members(parts.LeastShare),
    }
    """Member = the members of its object."""


class CampaignAnswer(Struct, frozen=True):
    """A campaign, and how it stands."""

    campaign_id: str
    campaign: Annotated[Campaign, Meta(description="As it was put.")]
    in_settings: Annotated[bool, Meta(description="It stands in the settings file, and can be changed only there.")]
    running: Annotated[bool, Meta(description="Whether its span holds this moment.")]
    problem: Annotated[str | None, Meta(description="What it names that there is not any more; null: nothing.")]
    revision: Annotated[int | None, Meta(description="Another one after each change; null: it stands in the settings.")] = (
        None
    )
    put_at: Annotated[str | None, Meta(description="When it was put.")] = None
    put_by: Annotated[str | None, Meta(description="With which key it was put; null: not noted.")] = None


class CampaignsAnswer(Struct, frozen=True):
    """All campaigns, by id."""

    campaigns: tuple[CampaignAnswer, ...]


def put_campaign(call: Call[CampaignBody]) -> Response:
    """Write a campaign instead of what there was under its id."""
    campaign_id = call.path["campaign_id"]
    by, revision = _editor(call), _expected(call)
    campaign, is_new = write_campaign(call.service, campaign_id, call.parameters, by, revision)
    return _response(call.service, campaign_id, campaign, CREATED if is_new else OK)


def write_campaign(
    service: Service, campaign_id: str, body: CampaignBody, put_by: str, revision: int | None = None
) -> tuple[Campaign, bool]:
    """Write a campaign; returns it, and whether there was none of its id.

    Raises:
        Problem: 400 if it names what there is not, 409 if it stands in the settings or there are too many, 412 if what there was is
            of another revision.
    """
    live, serving = service.live, _changeable(service, campaign_id)
    campaign = Campaign(**{name: getattr(body, name) for name in Campaign.__struct_fields__})
    try:
        check_campaign(campaign, serving.engine.catalog, serving.engine.settings)
    except SettingsError as error:
        raise Problem(400, str(error)) from None
    try:
        is_new = live.state.campaigns.put(campaign_id, campaign, live.received(), put_by, revision)
    except ChangedMeanwhileError as error:
        raise Problem(412, str(error)) from None
    if is_new is None:
        raise Problem(
            409, f"there are {MAX_CAMPAIGNS:,} campaigns already, and no more are kept; delete some that have ended"
        )
    return campaign, is_new


def get_campaign(call: Call[NoParameters]) -> Response:
    """Answer a campaign, whether it was put or stands in the settings."""
    campaign_id = call.path["campaign_id"]
    return _response(call.service, campaign_id, find_campaign(call.service, campaign_id), OK)


def find_campaign(service: Service, campaign_id: str) -> Campaign:
    """Look a campaign up.

    Raises:
        Problem: 404 if there is none.
    """
    found = service.live.serving().engine.settings.campaigns.get(campaign_id) or service.live.state.campaigns.of(campaign_id)
    if found is None:
        raise _absent(campaign_id)
    return found


def delete_campaign(call: Call[NoParameters]) -> Response:
    """Remove a campaign that was put; answers what it was."""
    campaign_id = call.path["campaign_id"]
    return _response(
        call.service, campaign_id, remove_campaign(call.service, campaign_id, _editor(call), _expected(call)), OK
    )


def remove_campaign(service: Service, campaign_id: str, put_by: str, revision: int | None = None) -> Campaign:
    """Remove a campaign that was put; returns what it was.

    Raises:
        Problem: 404 if there is none, 409 if it stands in the settings, 412 if it is of another revision.
    """
    _changeable(service, campaign_id)
    try:
        found = service.live.state.campaigns.remove(campaign_id, service.live.received(), put_by, revision)
    except ChangedMeanwhileError as error:
        raise Problem(412, str(error)) from None
    if found is None:
        raise _absent(campaign_id)
    return found


def list_campaigns(call: Call[NoParameters]) -> Response:
    """Answer all campaigns, those of the settings among them."""
    stored = {each.campaign_id: each for each in call.service.live.state.campaigns.changes(0)}
    every = every_campaign(call.service).items()
    found = [campaign_answer(call.service, name, campaign, stored.get(name)) for name, campaign in every]
    return json_response(msgspec.json.encode(CampaignsAnswer(tuple(found))))


def every_campaign(service: Service) -> dict[str, Campaign]:
    """All campaigns by id, those of the settings among them."""
    every = {each.campaign_id: each.campaign for each in service.live.state.campaigns.changes(0)}
    every |= service.live.serving().engine.settings.campaigns
    return {name: one for name in sorted(every) if (one := every[name]) is not None}


def _changeable(service: Service, campaign_id: str) -> ServingState:
    """Return what answers now, for a campaign that does not stand in the settings.

    Raises:
        Problem: 409 if it does.
    """
    serving = service.live.serving()
    if campaign_id in serving.engine.settings.campaigns:
        raise Problem(409, f"campaign {campaign_id!r} stands in the settings file; change it there, or take another id")
    return serving


def _absent(campaign_id: str) -> Problem:
    return Problem(404, f"there is no campaign {campaign_id!r}", parameter="campaign_id", value=campaign_id)


def _editor(call: Call[Any]) -> str:
    return f"key {call.caller.name}" if call.caller.name else ""


def _expected(call: Call[Any]) -> int | None:
    """The revision that the caller wants to change; None: whatever there is.

    Raises:
        Problem: 400 if the header names none.
    """
    given = call.environ.get("HTTP_IF_MATCH")
    if given is None:
        return None
    number = given.strip().removeprefix("W/").strip('"')
    if not (number.isdecimal() and number.isascii() and len(number) < 19):
        raise invalid("If-Match", given, 'the ETag of a campaign, for instance "17"')
    return int(number)


def campaign_answer(
    service: Service, campaign_id: str, campaign: Campaign, stored: CampaignChange | None = None
) -> CampaignAnswer:
    """Tell a campaign, and how it stands at this moment; `stored`: as it was put."""
    serving = service.live.serving()
    settings, moment = serving.engine.settings, clock.to_datetime(service.live.now(serving))
    running = (campaign.begins is None or campaign.begins <= moment) and (campaign.until is None or moment < campaign.until)
    try:
        check_campaign(campaign, serving.engine.catalog, settings)
        problem = lost_by(campaign, serving.engine.catalog)
    except SettingsError as error:
        problem = str(error)
    in_settings = campaign_id in settings.campaigns
    if stored is None or in_settings:
        return CampaignAnswer(campaign_id, campaign, in_settings, running, problem)
    put_at = clock.to_datetime(stored.put_at).isoformat(timespec="seconds")
    return CampaignAnswer(campaign_id, campaign, False, running, problem, stored.seq, put_at, stored.put_by or None)


def _response(service: Service, campaign_id: str, campaign: Campaign, status: int) -> Response:
    answer = campaign_answer(service, campaign_id, campaign, service.live.state.campaigns.find(campaign_id))
    headers = {} if answer.revision is None else {"ETag": f'"{answer.revision}"'}
    return json_response(msgspec.json.encode(answer), status, headers=headers)


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="put",
        path=_ADDRESS,
        summary="Put a campaign: it changes the lists of its placements from the next answer on.",
        scope="admin",
        parameters=CampaignBody,
        view=put_campaign,
        answers=(CampaignAnswer,),
        also=(CREATED,),
        problems=(409, 412, 413, 415, 503),
        headers=_HEADERS,
    ),
    Operation(
        method="get",
        path=_ADDRESS,
        summary="Tell what a campaign does, and whether it holds now.",
        scope="admin",
        parameters=NoParameters,
        view=get_campaign,
        answers=(CampaignAnswer,),
        problems=(404, 503),
    ),
    Operation(
        method="delete",
        path=_ADDRESS,
        summary="Remove a campaign that was put.",
        scope="admin",
        parameters=NoParameters,
        view=delete_campaign,
        answers=(CampaignAnswer,),
        problems=(404, 409, 412, 503),
        headers=_HEADERS,
    ),
    Operation(
        method="get",
        path="/v1/campaigns",
        summary="List all campaigns.",
        scope="admin",
        parameters=NoParameters,
        view=list_campaigns,
        answers=(CampaignsAnswer,),
        problems=(503,),
    ),
)
