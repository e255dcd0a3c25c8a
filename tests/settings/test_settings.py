"""Settings: one typed tree, strict about names and ranges, whose errors name the key and what is allowed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from recsys.engine.settings_check import check_settings
from recsys.recommenders import RECOMMENDERS
from recsys.settings import ProfileSettings, Settings
from recsys.settings.load import load_settings, parse_settings
from recsys.settings.placements import PLACEMENTS, Placement
from recsys.types import SettingsError

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*/settings.toml"))


def test_nothing_set_is_the_defaults() -> None:
    """An empty file is the default settings, which are right in themselves."""
    assert parse_settings("") == Settings()
    check_settings(Settings())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("window_days", 30),
        ("buyer_views", 3),
        ("buyer_dwell_seconds", 60),
        ("buyer_price_ratio", 1.2),
        ("focus_share", 0.6),
        ("brand_share", 0.3),
        ("brand_events", 3),
        ("active_days", 90),
        ("inactive_days", 365),
        ("dormant_months", 6),
    ],
)
def test_defaults_of_the_policy(name: str, value: float) -> None:
    """The defaults are the shop's policy."""
    assert getattr(ProfileSettings(), name) == value


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[profiles]", "Object contains unknown field `profiles`"),
        ("[profile]\nfocus = 1", "profile: Object contains unknown field `focus`"),
        ("[profile]\nfocus_share = 1.01", "profile.focus_share: Expected `float` <= 1.0"),
        ("[profile]\nbuyer_price_ratio = 0.9", "profile.buyer_price_ratio: Expected `float` >= 1.0"),
        ("[profile]\nbuyer_views = 2.5", "profile.buyer_views: Expected `int`"),
        ("[profile]\nhalf_life_days = nan", "profile.half_life_days: Expected `float` > 0"),
        ("[behaviour]\nsession_minutes = 0", "behaviour.session_minutes: Expected `float` > 0"),
        ("[behaviour]\nview_weight = -1", "behaviour.view_weight: Expected `float` >= 0"),
        ('[web]\nclock = "sun"', "web.clock: Invalid enum value 'sun'"),
        ("[placements.home]\nlimit = 0", "limit: Expected `int` >= 1"),
        ('[placements.home]\nbought = "never"', "bought: Invalid enum value 'never'"),
        ('[placements.home]\nrules = [{ name = "Not A Name" }]', "name: Expected `str` matching regex"),
        ('[placements."my home"]\nlimit = 3', "placements"),
        ('[data.events]\nformat = "docx"', "data.events.format: Invalid enum value 'docx'"),
        ('seed = "x"', "seed: Expected `int`, got `str`"),
        ("seed = -1", "seed: Expected `int` >= 0"),
        ("seed = ", "settings are not valid TOML"),
    ],
)
def test_wrong_settings_name_the_key(toml: str, said: str) -> None:
    """An unknown key or a value out of range is refused with its place in the tree and what is allowed."""
    with pytest.raises(SettingsError) as error:
        parse_settings(toml)
    assert said in str(error.value)


@pytest.mark.parametrize("toml", ["[behaviour]\nsession_minutes = inf", "[profile]\nwindow_days = inf"])
def test_numbers_are_finite(toml: str) -> None:
    """TOML has inf, but nothing of a shop is endless."""
    with pytest.raises(SettingsError):
        parse_settings(toml)


@pytest.mark.parametrize("wrong", ["-1", '"x"', "[1]", "true"])
@pytest.mark.parametrize("group", ["behaviour", "profile", "snapshot"])
def test_every_number_has_a_range(group: str, wrong: str) -> None:
    """There is no number in these groups that may be negative, and none that a word or a list can stand for."""
    for each in msgspec.structs.fields(type(getattr(Settings(), group))):
        if each.type is str and wrong == '"x"':
            continue
        with pytest.raises(SettingsError, match=f"{group}.{each.name}"):
            parse_settings(f"[{group}]\n{each.name} = {wrong}")


def test_settings_are_frozen() -> None:
    """Nobody changes settings once they are read."""
    with pytest.raises(AttributeError):
        Settings().seed = 1  # type: ignore[misc]


def test_placements_are_merged_by_name() -> None:
    """The shop's own placement stands before the built-in one of its name, and beside all others."""
    settings = parse_settings("[placements.home]\nlimit = 3\n[placements.app_start]\nlimit = 4")
    home, app = settings.placement("home"), settings.placement("app_start")
    assert home is not None
    assert app is not None
    assert (home.limit, app.limit) == (3, 4)
    assert home.rules == Placement().rules
    assert settings.placement("pdp") == PLACEMENTS["pdp"]
    assert settings.placement("nowhere") is None
    assert settings.placement_names() == tuple(sorted({*PLACEMENTS, "app_start"}))


def test_rules_of_a_placement() -> None:
    """Rules are read in order with their conditions and weights."""
    toml = """
    [placements.home]
    fallback = ["trending"]
    rules = [
        { name = "vip", when = { lifecycle = ["active"], brand = true }, recommenders = { brands = 1, als = 0.5 } },
        { name = "rest" },
    ]
    """
    home = parse_settings(toml).placement("home")
    assert home is not None
    assert [rule.name for rule in home.rules] == ["vip", "rest"]
    assert home.rules[0].when.lifecycle == ("active",)
    assert dict(home.rules[0].recommenders) == {"brands": 1.0, "als": 0.5}


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('fallback = ["magic"]', "placements.mine: no recommender 'magic'; there are als, "),
        ('rules = [{ name = "x", recommenders = { magic = 1 } }]', "placements.mine: no recommender 'magic'"),
        ('fallback = ["trending", "als"]', "placements.mine.fallback: the last one must be able to fill any list: "),
    ],
)
def test_placements_name_what_exists(toml: str, said: str) -> None:
    """A placement names recommenders that there are, and its fallback chain can fill any list."""
    with pytest.raises(SettingsError) as error:
        check_settings(parse_settings(f"[placements.mine]\n{toml}"))
    assert said in str(error.value)


def test_every_built_in_placement_can_fill_a_list() -> None:
    """The built-in placements are right, and every recommender that fills any list is named by the error."""
    able = sorted(name for name, recommender in RECOMMENDERS.items() if recommender.ranks_everything)
    with pytest.raises(SettingsError, match=", ".join(able)):
        check_settings(parse_settings('[placements.mine]\nfallback = ["als"]'))
    for name, placement in PLACEMENTS.items():
        check_settings(Settings(placements={name: placement}))


def test_recommender_settings_are_checked_too() -> None:
    """Settings of one recommender are checked with the rest."""
    with pytest.raises(SettingsError, match=r"recommenders\.als: .*`factors`"):
        check_settings(parse_settings("[recommenders.als]\nfactors = 0"))


def test_paths_start_at_the_settings_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths start from the settings file's folder, absolute ones stay, variables are expanded."""
    monkeypatch.setenv("RECSYS_TEST_DATA", "/somewhere")
    file = tmp_path / "shop.toml"
    file.write_text("")
    settings = load_settings(file)
    assert settings.path("data/x.csv") == tmp_path / "data" / "x.csv"
    assert settings.path("/abs/x.csv") == Path("/abs/x.csv")
    assert settings.path("$RECSYS_TEST_DATA/x.csv") == Path("/somewhere/x.csv")


def test_load_settings_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RECSYS_SETTINGS names the file; a path that is given stands before it; without either the defaults hold."""
    (tmp_path / "a.toml").write_text("seed = 1")
    (tmp_path / "b.toml").write_text("seed = 2")
    monkeypatch.setenv("RECSYS_SETTINGS", str(tmp_path / "a.toml"))
    assert load_settings().seed == 1
    assert load_settings(tmp_path / "b.toml").seed == 2
    monkeypatch.setenv("RECSYS_SETTINGS", "")
    assert load_settings() == Settings()
    monkeypatch.delenv("RECSYS_SETTINGS")
    assert load_settings() == Settings()


@pytest.mark.parametrize(
    ("name", "content", "said"), [("none.toml", None, "No such file"), ("bad.toml", "a", "not valid TOML")]
)
def test_errors_name_the_file(tmp_path: Path, name: str, content: str | None, said: str) -> None:
    """A file that is absent or wrong is named."""
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(SettingsError, match=f"{name}: .*{said}"):
        load_settings(tmp_path / name)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.parent.name)
def test_examples_are_right(file: Path) -> None:
    """Every example's settings are read, name what exists, and hold data of their own only by RECSYS_DATA."""
    settings = load_settings(file)
    check_settings(settings)
    assert all(path.startswith("$RECSYS_DATA/") for path in settings.data.events.paths)


def test_there_are_examples() -> None:
    """The list above is not empty."""
    assert {file.parent.name for file in EXAMPLES} >= {"completejourney", "online_retail", "rees46", "ga4"}


@pytest.mark.parametrize("zone", ["(GMT+01:00) Berlin", "Europe", "+01:00", "", "../../etc/passwd"])
def test_the_time_zone_of_messages_is_one(zone: str) -> None:
    """Another text was UTC without a word."""
    with pytest.raises(SettingsError, match=r"messages: timezone: .* is no time zone; allowed: names of the IANA"):
        parse_settings(f'[messages]\ntimezone = "{zone}"')
