"""The reference pages that are made from the code: docs/settings.md and docs/recommenders.md."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec

from recsys import settings
from recsys.recommenders import RECOMMENDERS
from recsys.settings import attributes as attribute_settings
from recsys.settings import campaigns as campaign_settings
from recsys.settings import catalog as catalog_settings
from recsys.settings import experiments as experiment_settings
from recsys.settings import messages as message_settings
from recsys.settings import moments as moment_settings
from recsys.settings import placements as placement_settings
from recsys.settings import ranker as ranker_settings
from recsys.settings import shapes as shape_settings
from recsys.settings import spark as spark_settings
from recsys.settings import tables as table_settings
from recsys.settings import training as training_settings
from recsys.settings import variety as variety_settings
from recsys.settings.when import When

_WRITTEN = "<!-- made by `make docs` from the code; do not edit -->\n"


def pages() -> dict[str, str]:
    """The pages by file name."""
    return {"settings.md": settings_page(), "recommenders.md": recommenders_page()}


def write(folder: Path) -> list[Path]:
    """Write every page; returns the files."""
    files = []
    for name, text in pages().items():
        (folder / name).write_text(text)
        files.append(folder / name)
    return files


_GROUPS: tuple[tuple[str, type[msgspec.Struct]], ...] = (
    ("[data]", table_settings.DataSettings),
    ("[data.events], [data.items], [data.users], [data.identities], [data.contents]", table_settings.Table),
    ("[data.….spark]", spark_settings.SparkTable),
    ("[[data.….where]]", shape_settings.Where),
    ("[data.….fill_down]", shape_settings.FillDown),
    ("[data.….unnest]", shape_settings.Unnest),
    ("[data.….pivot]", shape_settings.Pivot),
    ("[[data.….join]]", shape_settings.Join),
    ("[data.ids]", table_settings.IdRules),
    ("[data.attributes.NAME]", attribute_settings.AttributeSettings),
    ("[[data.….type_rules]]", table_settings.TypeRule),
    ("[catalog]", catalog_settings.CatalogSettings),
    ("[catalog.never]", catalog_settings.NeverSettings),
    ("[behaviour]", settings.BehaviourSettings),
    ("[profile]", settings.ProfileSettings),
    ("[placements.NAME]", placement_settings.Placement),
    ("[[placements.NAME.rules]]", placement_settings.Rule),
    ("when of a rule, or of a campaign", When),
    ("[[placements.NAME.limits]]", campaign_settings.Limit),
    ("fatigue of a placement", variety_settings.Fatigue),
    ("exploration of a placement", variety_settings.Exploration),
    ("new_items of a placement", variety_settings.NewItems),
    ("[campaigns.NAME]", campaign_settings.Campaign),
    ("[[campaigns.NAME.actions]]", campaign_settings.Action),
    ("pin of an action", campaign_settings.Pin),
    ("boost of an action", campaign_settings.Boost),
    ("bury of an action", campaign_settings.Bury),
    ("exclude of an action", campaign_settings.Exclude),
    ("only of an action", campaign_settings.Only),
    ("share of an action", campaign_settings.LeastShare),
    ("[blend]", placement_settings.BlendSettings),
    ("[ranker]", ranker_settings.RankerSettings),
    ("[training]", training_settings.TrainingSettings),
    ("[training.spark]", spark_settings.SparkSettings),
    ("[snapshot]", settings.SnapshotSettings),
    ("[evaluation]", settings.EvaluationSettings),
    ("[gate]", settings.GateSettings),
    ("[state]", settings.StateSettings),
    ("[[web.limits]]", settings.RateLimit),
    ("[messages]", message_settings.MessagesSettings),
    ('[messages.words."CATEGORY"]', message_settings.Words),
    ("[moments]", moment_settings.MomentsSettings),
    ("[experiments.NAME]", experiment_settings.Experiment),
    ("[[experiments.NAME.arms]]", experiment_settings.Arm),
    ("change of an arm", experiment_settings.ArmChange),
    ("blend of a change", experiment_settings.ArmBlend),
    ("[holdout]", experiment_settings.HoldoutSettings),
    ("[web]", settings.WebSettings),
    ("[web.console]", settings.ConsoleSettings),
)
"""Groups of settings in the order of the page, each with its place in a file."""


def settings_page() -> str:
    """Every setting of the tree, group by group."""
    parts = [
        "# Settings\n",
        _WRITTEN,
        "One TOML file, named by `RECSYS_SETTINGS`, holds all of them; what it does not name keeps its default. An unknown key\n"
        "or a value out of range is an error that names the key. Recommenders have [their own page](recommenders.md).\n",
    ]
    for title, group in _GROUPS:
        parts += [f"## {title}\n", f"{_first_paragraph(group)}\n", _table(group)]
    return "\n".join(parts)


def recommenders_page() -> str:
    """Every recommender: what it does, and its settings."""
    parts = [
        "# Recommenders\n",
        _WRITTEN,
        "Each stands in one file of `recsys/recommenders/`, with what it learns offline (`partial`,\n`merge`) and how it "
        "answers (`recommend`). "
        "Its settings stand under `[recommenders.NAME]`.\n",
    ]
    for name, recommender in RECOMMENDERS.items():
        story = inspect.getdoc(inspect.getmodule(recommender)) or ""
        detail = inspect.getdoc(recommender) or ""
        parts += [f"## {name}\n", f"{story.splitlines()[0]}\n", f"{detail}\n", _table(recommender.Settings)]
    return "\n".join(parts)


def _table(group: type[msgspec.Struct]) -> str:
    lines = ["| setting | default | meaning |", "| --- | --- | --- |"]
    for field, text in _documented(group):
        default = _default(field)
        lines.append(f"| `{field.encode_name}` | {default} | {text.replace('|', '&#124;')} |")
    return "\n".join(lines) + "\n"


def _documented(group: type[msgspec.Struct]) -> Iterator[tuple[Any, str]]:
    """Each field with the text that stands under it in the source."""
    fields = {field.name: field for field in msgspec.structs.fields(group)}
    body = ast.parse(textwrap.dedent(inspect.getsource(group))).body[0]
    assert isinstance(body, ast.ClassDef)
    for at, node in enumerate(body.body):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            following = body.body[at + 1] if at + 1 < len(body.body) else None
            stated = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            text = " ".join(str(following.value.value).split()) if stated else ""  # type: ignore[union-attr]
            yield fields[node.target.id], text or _choices(group, node.target.id)


def _choices(group: type[msgspec.Struct], name: str) -> str:
    choices = [str(value) for value in get_args(get_type_hints(group)[name]) if isinstance(value, str)]
    return f"One of {', '.join(choices)}." if choices else ""


def _default(field: Any) -> str:
    value = field.default if field.default is not msgspec.NODEFAULT else None
    if field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
    if isinstance(value, msgspec.Struct) or (isinstance(value, tuple) and value and isinstance(value[0], msgspec.Struct)):
        return "see below"
    return "" if value is None or value is msgspec.UNSET else f"`{msgspec.json.encode(value).decode()}`"


def _first_paragraph(group: type) -> str:
    return (inspect.getdoc(group) or "").split("\n\n")[0]
