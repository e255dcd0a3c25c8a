"""Every setting, typed and explained; `settings_file` reads them.

Secrets never stand in the file: keys come from the environment (`web/auth.py`). Unknown keys are errors. The settings of one
recommender stand in its own file and are checked by `recommenders.configure`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from recsys.settings.campaigns import Campaign, CampaignId
from recsys.settings.catalog import CatalogSettings
from recsys.settings.experiments import Experiment, HoldoutSettings
from recsys.settings.messages import MessagesSettings
from recsys.settings.moments import MomentsSettings
from recsys.settings.placements import PLACEMENTS, BlendSettings, Placement
from recsys.settings.ranker import RankerSettings
from recsys.settings.stores.database_url import check_url
from recsys.settings.stores.object_store import check_place
from recsys.settings.tables import DataSettings
from recsys.settings.training import TrainingSettings
from recsys.settings.types import Count, Group, Name, NotNegative, Positive, Share


class BehaviourSettings(Group, frozen=True):
    """Meaning of behaviour, for training, evaluation and serving alike."""

    view_weight: NotNegative = 1.0
    """Weight of looking at a product."""
    cart_weight: NotNegative = 3.0
    """Weight of putting it into the cart."""
    purchase_weight: NotNegative = 5.0
    """Weight of buying it."""
    session_minutes: Positive = 30.0
    """A session ends after this time without an event."""
    dwell_seconds: Positive = 300.0
    """Most seconds that one event can count as dwell."""
    cart_days: Positive = 30.0
    """Days that an item stays in the cart without a later remove or purchase."""
    repurchase_share: Share = 0.2
    """Where the shop does not say: an item is replenishable if this share of its buyers bought it again."""
    repurchase_buyers: Count = 10
    """Fewest buyers for an item's own share to count; below it the leaf category's counts. A gap is known from three repeat
    purchases on."""
    replenish_after: NotNegative = 0.5
    """A replenishable item that was bought stays hidden for this part of its usual gap between purchases."""
    history_events: Count = 200
    """Most recent events per user, other than purchases and refunds, that a snapshot keeps."""
    history_purchases: Count = 2000
    """Most recent purchases and refunds per user that a snapshot keeps."""


class ProfileSettings(Group, frozen=True):
    """Boundaries between kinds of shoppers; each boundary is tested."""

    half_life_days: Positive = 30.0
    """Age at which an event counts half for focus and affinities."""
    window_days: Positive = 30.0
    """Days that affinities, and focus where the session says nothing, look back."""
    buyer_views: Count = 3
    """Product views in one leaf category that, with dwell or compared prices, make a session a buyer's."""
    buyer_dwell_seconds: NotNegative = 60.0
    """Seconds of dwell in that category that make the views serious."""
    buyer_price_ratio: Annotated[float, msgspec.Meta(ge=1, le=1e9)] = 1.2
    """Or two viewed prices there that differ by this factor."""
    focus_share: Share = 0.6
    """Smallest share of weight in one leaf category that is a focus; below it the shopper explores."""
    brand_share: Share = 0.3
    """Smallest share of weight that is an affinity for a brand."""
    brand_events: Count = 3
    """Fewest events with the brand for an affinity."""
    active_days: Positive = 90.0
    """Customers whose last order is older are defecting."""
    inactive_days: Positive = 365.0
    """Customers whose last order is older are inactive."""
    dormant_months: Count = 6
    """Calendar months without an order that make a customer dormant."""


class SnapshotSettings(Group, frozen=True):
    """Place of snapshots."""

    artifacts: str = "artifacts"
    """Folder of the snapshots and of CURRENT, relative to the settings file; or for several machines an object store, such as
    `s3://bucket/shop` (also `gs://` and `az://`), with the credentials that the stores' own tools take from the environment."""
    mirror: str = "artifacts"
    """With an object store: the local folder that mirrors it; relative to the settings file."""
    poll_seconds: Positive = 5.0
    """With an object store: how often a machine looks whether its CURRENT has moved."""
    keep: Count = 5
    """Snapshots kept after a publish; older ones are deleted, never the current one."""
    reload_seconds: Positive = 1.0
    """How often a serving worker looks whether CURRENT has moved."""

    def __post_init__(self) -> None:
        check_place(self.artifacts)

    @property
    def store(self) -> str:
        """The object store's address; empty where snapshots live in a folder only."""
        return self.artifacts if "://" in self.artifacts else ""


class EvaluationSettings(Group, frozen=True):
    """Measurement of recommendations on the shop's own past (docs/evaluation.md)."""

    days: Count = 28
    """Days of purchases after the split that count as truth."""
    folds: Annotated[int, msgspec.Meta(ge=1, le=50)] = 3
    """Rolling folds that settings and blend weights are chosen on."""
    users: Count = 5000
    """Most users that are asked in one fold; of more, so many are drawn."""
    resamples: Annotated[int, msgspec.Meta(ge=100, le=100_000)] = 1000
    """Bootstrap resamples of the users behind every interval."""


class GateSettings(Group, frozen=True):
    """Checks between a new snapshot and the shoppers (docs/evaluation.md)."""

    largest_loss: Share = 0.02
    """A loss of up to this share of the live settings' NDCG@10 is none; docs/evaluation.md says what decides if intervals are wide."""
    largest_gain: NotNegative = 1.0
    """A gain over live settings that beat popularity is taken for a leak above this share of NDCG@10, interval included;
    1 = doubled."""
    largest_ndcg: Share = 0.9
    """An NDCG@10 above this, interval included, is taken for a leak: nobody foresees so much."""
    least_users: Count = 50
    """With fewer shoppers who were known before the window and bought in it, accuracy is not judged."""
    least_overlap: Share = 0.02
    """Smallest mean share of common items in the first ten, new arrays against the fit that was measured, beyond what arrays
    with mixed-up ids would have in common."""
    least_past: Share = 0.7
    """Smallest mean share of what the live snapshot says of a shopper's past that the new one must say too."""
    least_volume: Share = 0.75
    """Smallest share of the live snapshot's users, items, events and purchases that the new one must hold."""
    oldest_days: Positive = 7.0
    """The newest event may be this much older than now, where `web.clock` is `wall`."""
    least_coverage: Share = 0.9
    """Smallest share of the self-check's slates that must come back full."""
    least_items: Annotated[int, msgspec.Meta(ge=0)] = 2
    """Fewest items that can be shown; of one alone there is nothing to choose from."""
    least_people: Annotated[int, msgspec.Meta(ge=0)] = 2
    """Fewest ids that events name, anonymous ones too; from one alone nothing is learned for others."""
    least_with_user: Share = 0.02
    """Smallest share of events that name somebody."""
    least_with_item: Share = 0.5
    """Smallest share of views, carts and purchases that name an item."""
    least_matched: Share = 0.5
    """Smallest share of such events of the last four weeks whose item is in the item table."""
    least_priced: Share = 0.5
    """Smallest share of the items that can be shown that have a price, where the shop has prices."""
    largest_left_out: Share = 0.8
    """Largest share of a table's rows that `where` may leave out, or that may be of orders which count in nothing by one column."""
    largest_misdated: Share = 0.05
    """Largest share of events later than now, and of events in 1970."""


class StateSettings(Group, frozen=True):
    """State that changes while serving: live events, identities, item updates, the forgotten (docs/state.md)."""

    folder: str = "state"
    """Folder of the log, of compacted events and of logged slates; relative to the settings file. One machine, local disk."""
    database: str = ""
    """`postgresql://user@host/name`, for several machines; empty: SQLite files in the folder. `RECSYS_STATE_DATABASE` overrides it. A
    password comes from there or from `PGPASSWORD`, never from here."""
    schema: Name = "recsys"
    """The schema of this shop in the database, made by `make migrate`; each shop has its own."""
    connections: Annotated[int, msgspec.Meta(ge=2, le=1000)] = 10
    """Most connections to the database of one worker process, besides two for logged slates and one to look for what is new."""
    statement_seconds: Positive = 5.0
    """Longest time of one statement in the database, with its wait for other writers; then the call is answered 503."""
    keep_days: Positive = 30.0
    """Days that `make compact` leaves events in the log, which refuses duplicates of what it holds."""
    dislike_days: Positive = 180.0
    """Days that an item, a brand or a category stays hidden for a shopper who said no to it (the event `dislike`)."""
    user_events: Count = 500
    """Most live events of one shopper that an answer takes in, the newest."""
    slate_share: Share = 0.01
    """Share of answers, drawn by their id, that are logged so that `make replay` can answer them again."""
    slates: Count = 100_000
    """Most logged slates; the oldest go first."""

    def __post_init__(self) -> None:
        check_url(self.database)


class RateLimit(Group, frozen=True):
    """A bound on the calls of one caller; each worker process counts for itself."""

    rate: str = "1200/minute"
    """Calls per span, such as 20/second or 600/minute."""
    caller: Literal["token", "read", "events", "messages", "admin"] = "token"
    """`token`: each shopper of a browser token by itself; else each key that opens this scope by itself."""
    route: str = ""
    """The call as /openapi.json names it, such as /v1/events; empty: all calls of the caller together."""


class ConsoleSettings(Group, frozen=True):
    """The console, pages for people at `/console/` (docs/console.md); it is closed while no key of it is set."""

    hours: Annotated[float, msgspec.Meta(gt=0, le=168)] = 8.0
    """Life of a session; after it the key is asked for again."""
    logins: str = "10/minute"
    """Attempts to log in from one address, such as 10/minute; each worker process counts for itself."""


class WebSettings(Group, frozen=True):
    """The HTTP service."""

    auth: Literal["keys", "off"] = "keys"
    """`off` is for test clients within one process, with `development = true`; no server starts with it."""
    development: bool = False
    """Allows `auth = "off"` and names the worker in a response header."""
    token_minutes: Positive = 60.0
    """Longest life of a browser token."""
    origins: tuple[str, ...] = ()
    """Origins whose pages may call, such as `https://shop.example`, exactly as browsers send them; none: no page of another one."""
    max_age_seconds: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 60
    """Seconds for which browsers and proxies may keep what is the same for everybody; 0: ask again each time."""
    clock: Literal["wall", "events"] = "wall"
    """`events`: now is the later of the snapshot's as_of and the newest accepted event, for old tables, demos and replays."""
    prefix: Annotated[str, msgspec.Meta(pattern=r"^(/[A-Za-z0-9._~-]+)*$")] = ""
    """Path under which a proxy serves this, such as /recs; calls are answered with it and without."""
    limits: tuple[RateLimit, ...] = (RateLimit(),)
    """Most calls of a caller, beyond which the answer is 429; callers that no limit names are not limited."""
    console: ConsoleSettings = ConsoleSettings()


class Settings(Group, frozen=True):
    """The whole tree."""

    data: DataSettings = DataSettings()
    catalog: CatalogSettings = CatalogSettings()
    behaviour: BehaviourSettings = BehaviourSettings()
    profile: ProfileSettings = ProfileSettings()
    recommenders: Mapping[str, Mapping[str, Any]] = {}
    """Recommender = its own settings; what is not named keeps its default (docs/recommenders.md)."""
    placements: Mapping[Name, Placement] = {}
    """Placement = its rules; merged over the built-in ones by name."""
    campaigns: Mapping[CampaignId, Campaign] = {}
    """Campaign = what it does to lists, where, when and for whom (docs/merchandising.md); others may be put while serving."""
    blend: BlendSettings = BlendSettings()
    ranker: RankerSettings = RankerSettings()
    training: TrainingSettings = TrainingSettings()
    snapshot: SnapshotSettings = SnapshotSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    gate: GateSettings = GateSettings()
    state: StateSettings = StateSettings()
    messages: MessagesSettings = MessagesSettings()
    moments: MomentsSettings = MomentsSettings()
    experiments: Mapping[Name, Experiment] = {}
    """Experiment = its arms; more can be declared while serving (docs/experiments.md)."""
    holdout: HoldoutSettings = HoldoutSettings()
    web: WebSettings = WebSettings()
    tuned: str = "tuned.toml"
    """File that `make tune` writes beside the settings file: its behaviour, recommenders and blend override those here.
    Empty: none."""
    seed: Annotated[int, msgspec.Meta(ge=0, lt=2**31)] = 20
    """Seed of everything that draws numbers while fitting."""
    root: str = "."
    """Folder that relative paths start from; set to the settings file's folder."""

    def path(self, text: str) -> Path:
        """Resolve a path of the settings: variables expanded, relative ones from `root`."""
        return Path(self.root, os.path.expandvars(text))

    @property
    def artifacts(self) -> Path:
        """The local folder of the snapshots: their home, or the mirror of an object store."""
        return self.path(self.snapshot.mirror if self.snapshot.store else self.snapshot.artifacts)

    def placement(self, name: str) -> Placement | None:
        """Look a placement up, the shop's own before the built-in one."""
        return self.placements.get(name) or PLACEMENTS.get(name)

    def without_exploration(self, *names: str) -> Settings:
        """Settings with these placements, or all that draw, as they stand but for their exploration; the same if none draws."""
        chosen = {name: self.placement(name) for name in names or self.placement_names()}
        calm = {
            name: msgspec.structs.replace(each, exploration=msgspec.UNSET)
            for name, each in chosen.items()
            if each is not None and (names or each.exploration)
        }
        return msgspec.structs.replace(self, placements={**self.placements, **calm}) if calm else self

    def placement_names(self) -> tuple[str, ...]:
        """All placements, sorted."""
        return tuple(sorted({*PLACEMENTS, *self.placements}))
