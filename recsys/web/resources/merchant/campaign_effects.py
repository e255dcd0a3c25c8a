"""Effects of campaigns: how many lists one changes, for whom, and what relevance that costs."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from recsys import clock
from recsys.engine.merchandising.campaign_effect import effect_of
from recsys.types import Segment
from recsys.web.http.parameters import NoParameters
from recsys.web.http.responses import Response, json_response
from recsys.web.operations import Call, Operation
from recsys.web.resources.merchant.campaigns import find_campaign

MAX_LOGGED = 2_000
"""Logged lists, the newest, among which those that a campaign held on are looked for."""


class SegmentEffect(Struct, frozen=True):
    """Effect on the lists of shoppers of one segment."""

    segment: Segment
    lists: int
    changed: int


class CampaignEffectAnswer(Struct, frozen=True):
    """Effect of a campaign on lists that were asked for lately."""

    campaign_id: str
    held: Annotated[int, Meta(description="Lists on which it held, of those logged last.")]
    lists: Annotated[int, Meta(description="Of these, how many were answered again, with it and without it.")]
    changed: Annotated[int, Meta(description="Lists that it changed.")]
    changed_share: float | None
    relevance_lost: Annotated[
        float | None, Meta(description="Share of the lists' relevance that it costs, 0 to 1, by the ranking without it.")
    ]
    segments: tuple[SegmentEffect, ...]
    since: Annotated[str | None, Meta(description="The first moment of a list that was looked at.")]
    until: str | None


def get_effect(call: Call[NoParameters]) -> Response:
    """Answer what a campaign does to the lists that shoppers asked for."""
    service, campaign_id = call.service, call.path["campaign_id"]
    find_campaign(service, campaign_id)
    engine, notes = service.live.serving().engine, service.live.slates.log.newest(MAX_LOGGED)
    found = effect_of(engine, campaign_id, notes, service.lanes.give_way)
    share = round(found.changed / found.lists, 4) if found.lists else None
    segments = tuple(SegmentEffect(*each) for each in found.segments)
    moments = [None if each is None else clock.to_datetime(each).isoformat() for each in (found.since, found.until)]
    answer = CampaignEffectAnswer(
        campaign_id, found.held, found.lists, found.changed, share, found.relevance_lost, segments, moments[0], moments[1]
    )
    return json_response(msgspec.json.encode(answer))


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="get",
        path="/v1/campaigns/{campaign_id}/effect",
        summary="Tell how many lists a campaign changes, for whom, and what relevance that costs.",
        scope="admin",
        lane="console",
        parameters=NoParameters,
        view=get_effect,
        answers=(CampaignEffectAnswer,),
        problems=(404, 503),
    ),
)
