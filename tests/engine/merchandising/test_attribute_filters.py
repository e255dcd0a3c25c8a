"""Structured filters: conditions on attributes and on any of several categories, from the item table to the list."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.engine.inspection.explain import explain
from recsys.engine.merchandising.attribute_filters import FilterError, FilterMasks, typed_filter
from recsys.engine.merchandising.masks import number_masks, word_masks
from recsys.engine.pipeline import Engine
from recsys.item_filters import Condition, Conditions, ItemFilter
from recsys.settings.load import parse_settings
from recsys.snapshot.catalog import Catalog
from recsys.types import DataError, Query, SettingsError
from tests.conftest import NOW, ask, micros, shown
from tests.support.shops.attribute_shop import ROWS, TOML, attribute_shop
from tests.support.shops.handmade import calm


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The shop with attributes, fitted."""
    return attribute_shop(tmp_path_factory.mktemp("attributes")).engine()


def conditions(text: str) -> dict[str, Condition]:
    """Conditions as they stand in a body."""
    return msgspec.json.decode(text, type=Conditions)


def let_through(engine: Engine, text: str) -> set[str]:
    """The items that a filter lets a stranger see."""
    found = typed_filter(engine.catalog, conditions(text))
    return set(shown(engine, ask(engine, "nobody", limit=100, filter=found)))


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ('{"gender": {"any": ["women"]}}', {"coat-1", "bow-1", "cup-2"}),
        ('{"gender": {"any": ["women", "men"]}}', {"coat-1", "bow-1", "cup-2", "coat-2", "bow-2"}),
        ('{"gender": {"none": ["women"]}}', {"coat-2", "bow-2", "cup-1"}),
        ('{"margin": {"min": 0.3}}', {"coat-1", "bow-1", "cup-1"}),
        ('{"margin": {"max": 0.3}}', {"coat-2", "cup-1"}),
        ('{"margin": {"min": 0.3, "max": 0.5, "none": [0.35]}}', {"cup-1"}),
        ('{"margin": {"none": [0.6]}}', {"coat-1", "coat-2", "cup-1"}),
        ('{"tags": {"any": ["new", "wool"]}}', {"coat-1", "coat-2", "bow-1", "cup-2"}),
        ('{"tags": {"all": ["new", "wool"]}}', {"coat-1"}),
        ('{"tags": {"none": ["sale"]}}', {"coat-1", "coat-2", "bow-2", "cup-2"}),
        ('{"vegan": {"any": [true]}}', {"bow-1", "cup-1"}),
        ('{"vegan": {"none": [true]}}', {"coat-1", "coat-2"}),
        ('{"since": {"min": "2026-03-01T00:00:00Z"}}', {"bow-1", "cup-1", "cup-2"}),
        ('{"category": {"any": ["Gifts"]}}', {"coat-1", "bow-1", "bow-2"}),
        ('{"category": {"any": ["Gifts", "Home"]}}', {"coat-1", "bow-1", "bow-2", "cup-1", "cup-2"}),
        ('{"category": {"all": ["Gifts", "Clothes"]}}', {"coat-1"}),
        ('{"category": {"none": ["Clothes"]}}', {"bow-1", "bow-2", "cup-1"}),
        ('{"category": {"none": ["Clothes>Sale"]}}', {"coat-2", "bow-1", "bow-2", "cup-1"}),
        ('{"brand": {"none": ["Norr"]}, "price": {"max": 20}}', {"cup-1", "cup-2"}),
    ],
)
def test_a_filter_lets_exactly_its_items_through(engine: Engine, text: str, items: set[str]) -> None:
    """Values that are missing or cannot be read pass no condition on numbers, times, yes and no; without words `none` holds."""
    assert let_through(engine, text) == items


@pytest.mark.parametrize(
    ("category", "items"),
    [
        ("Gifts", {"coat-1", "bow-1", "bow-2"}),
        ("Clothes > Sale", {"coat-1", "cup-2"}),
        ("Clothes", {"coat-1", "coat-2", "cup-2"}),
        ("Home", {"cup-1", "cup-2"}),
    ],
)
def test_an_item_is_found_under_each_of_its_categories(engine: Engine, category: str, items: set[str]) -> None:
    """And below those above them; the first one leads its texts."""
    assert set(shown(engine, ask(engine, "nobody", limit=100, category=category))) == items
    assert engine.catalog.item(engine.catalog.row("coat-1"))["category"] == "Clothes > Coats"


def test_bestsellers_of_a_category_count_all_that_are_in_it(engine: Engine) -> None:
    """An item that another category leads stands where its sales put it, with the category's reason."""
    slate = ask(engine, "nobody", placement="bestsellers", category="Gifts", limit=3)
    assert shown(engine, slate) == ["coat-1", "bow-1", "bow-2"]
    assert [reason.code for reason in slate.reasons] == ["category_bestseller"] * 3


@pytest.mark.parametrize(
    ("text", "name", "allowed"),
    [
        ('{"gendr": {"any": ["women"]}}', "attributes.gendr", "age, brand, category, gender, margin, price, since, stock"),
        ('{"gender": {"min": 3}}', "attributes.gender.min", "any and none"),
        ('{"gender": {"any": [3]}}', "attributes.gender.any", "texts"),
        ('{"margin": {"any": ["a lot"]}}', "attributes.margin.any", "numbers"),
        ('{"margin": {"min": "1_0"}}', "attributes.margin.min", "numbers"),
        ('{"margin": {"min": true}}', "attributes.margin.min", "numbers"),
        ('{"margin": {"min": 2, "max": 1}}', "attributes.margin.min", "at most 1"),
        ('{"since": {"min": "2026-03-01"}}', "attributes.since.min", "with their zone"),
        ('{"since": {"min": 5}}', "attributes.since.min", "ISO 8601"),
        ('{"vegan": {"any": ["perhaps"]}}', "attributes.vegan.any", "true or false"),
    ],
)
def test_what_cannot_be_understood_is_refused(engine: Engine, text: str, name: str, allowed: str) -> None:
    """A filter never widens by being misread: the attribute is named, and what is allowed."""
    with pytest.raises((FilterError, msgspec.ValidationError)) as refused:
        typed_filter(engine.catalog, conditions(text))
    if isinstance(refused.value, FilterError):
        assert refused.value.name == name
        assert allowed in refused.value.allowed


@pytest.mark.parametrize("text", ['{"gender": {}}', '{"gender": {"any": []}}', '{"gender": {"anny": ["x"]}}'])
def test_a_condition_that_says_nothing_is_refused(text: str) -> None:
    """An empty one would let everything through."""
    with pytest.raises(msgspec.ValidationError):
        conditions(text)


def test_a_word_that_no_item_has_is_noticed(engine: Engine) -> None:
    """It is no error: the list is empty, and says why."""
    found = typed_filter(engine.catalog, conditions('{"gender": {"any": ["wmen"]}}'))
    slate = ask(engine, "nobody", filter=found)
    assert (slate.items, slate.notices) == ((), ("gender: there is no 'wmen' in the catalogue",))


def test_age_is_days_since_publishing(tmp_path: Path) -> None:
    """As of the last full hour; an item that nobody dated has no age."""
    shop = attribute_shop(
        tmp_path, TOML.replace("[data.attributes]", '[data.items.columns]\npublished_at = "since"\n[data.attributes]')
    )
    engine = shop.engine()
    assert let_through(engine, '{"age": {"max": 20}}') == {"cup-1", "cup-2"}
    assert let_through(engine, '{"age": {"min": 0}}') == {"coat-1", "coat-2", "bow-1", "cup-1", "cup-2"}


def test_all_further_columns_may_be_taken(tmp_path: Path) -> None:
    """Each of the type that all of its values fit; a text with one value that is no number is words."""
    toml = TOML[: TOML.index("[data.attributes]")] + TOML[TOML.index("[web]") :]
    shop = attribute_shop(tmp_path, "[data]\nall_attributes = true\n" + toml)
    fitted = shop.fit()
    attributes = Catalog(fitted.groups["catalog"]).attributes
    assert {name: column.type for name, column in attributes.columns.items()} == {
        "geschlecht": "word",
        "margin": "word",
        "tags": "word",
        "vegan": "word",
        "since": "time",
    }
    assert any("since" in guess.column and "data.attributes.since" in guess.pin for guess in fitted.shop.guesses)


@pytest.mark.parametrize(
    ("line", "error", "said"),
    [
        ('price = "number"', SettingsError, "every item has 'price' already"),
        ('colour = "word"', DataError, "no file has the column 'colour'"),
        ('"a b" = "word"', SettingsError, "attributes"),
        ('colour = "text"', SettingsError, "attributes"),
    ],
)
def test_an_attribute_that_cannot_be_is_refused(tmp_path: Path, line: str, error: type[Exception], said: str) -> None:
    """When the settings or the tables are read, by name."""
    with pytest.raises(error, match=said):
        attribute_shop(tmp_path, TOML.replace("[data.attributes]\n", f"[data.attributes]\n{line}\n")).fit()


def test_a_placement_may_have_its_own_filter(tmp_path: Path) -> None:
    """It holds for every list there, whatever the request asks besides; explain names it."""
    toml = TOML + '[placements.home]\nfilter = { category = { none = ["Clothes", "Gifts"] }, margin = { min = 0.1 } }\n'
    shop = attribute_shop(tmp_path, toml)
    engine = shop.engine()
    assert shown(engine, ask(engine, "nobody", limit=100)) == ["cup-1"]
    found = explain(engine, Query(now=micros(NOW)), engine.snapshot.histories.of("nobody"), engine.catalog.row("bow-1"))
    assert found.filter is not None
    assert (found.filter.name, found.said) == (
        "placement",
        "Not shown: its category must be none of Clothes, Gifts, which home asks of every item",
    )
    wrong = parse_settings(toml.replace("margin = { min = 0.1 }", 'colour = { any = ["red"] }'), tmp_path)
    with pytest.raises(SettingsError, match=r"placements\.home\.filter.*colour.*gender"):
        Engine(engine.snapshot, wrong)


def test_without_attributes_the_arrays_are_those_of_before(busy_shop: Any) -> None:
    """Nothing is added to a snapshot whose items have neither attributes nor several categories."""
    arrays = busy_shop.fit().groups["catalog"]
    assert [name for name in arrays if name.startswith(("attribute", "further"))] == []


WORDS = st.lists(st.sampled_from(["women", "men", "no such"]), min_size=1, max_size=3).map(tuple)
NUMBERS = st.sampled_from([0.1, 0.3, 0.35, 0.6])


@pytest.mark.long
@calm
@given(
    gender=st.one_of(st.none(), st.builds(Condition, any=WORDS), st.builds(Condition, none=WORDS)),
    margin=st.one_of(st.none(), st.builds(Condition, min=NUMBERS), st.builds(Condition, max=NUMBERS)),
)
def test_a_mask_is_what_the_rows_say(engine: Engine, gender: Condition | None, margin: Condition | None) -> None:
    """For any conditions the mask holds exactly the rows whose values meet them, read one by one."""
    given_filter = {name: each for name, each in (("gender", gender), ("margin", margin)) if each is not None}
    mask = engine.masks.mask(typed_filter(engine.catalog, given_filter), micros(NOW))
    for row in range(engine.catalog.n_known):
        values = engine.catalog.attributes.of(row)
        held = gender is None or (
            values.get("gender") in gender.any if gender.any else values.get("gender") not in (gender.none or ())
        )
        if margin is not None:
            number = values.get("margin", np.nan)
            held = held and (number >= margin.min if margin.min is not None else number <= margin.max)
        assert bool(mask[row]) == bool(held)
    assert len(ROWS) == engine.catalog.n_known


def _some(values: list[Any]) -> st.SearchStrategy[tuple[Any, ...] | None]:
    return st.none() | st.lists(st.sampled_from(values), min_size=1, max_size=3).map(tuple)


def _condition(values: list[Any], *parts: str) -> st.SearchStrategy[Condition]:
    of: dict[str, st.SearchStrategy[Any]] = {
        part: st.none() | st.sampled_from(values) if part in ("min", "max") else _some(values) for part in parts
    }
    return st.fixed_dictionaries(of).filter(lambda one: set(one.values()) != {None}).map(lambda one: Condition(**one))


OF_WORDS, OF_NUMBERS = ("any", "all", "none"), ("any", "none", "min", "max")
FILTERS: st.SearchStrategy[ItemFilter] = st.fixed_dictionaries(
    {},
    optional={
        "gender": _condition(["women", "men", "nobody"], "any", "none"),
        "tags": _condition(["new", "wool", "sale"], *OF_WORDS),
        "category": _condition(["Gifts", "Clothes", "Home"], *OF_WORDS),
        "margin": _condition([0.3, 0.35, 0.6], *OF_NUMBERS),
        "price": _condition([10.0, 20.0, 100.0], *OF_NUMBERS),
        "vegan": _condition([1.0], "any", "none"),
    },
).map(lambda found: tuple(sorted(found.items())))


@pytest.fixture(scope="module")
def masks(engine: Engine) -> FilterMasks:
    """Masks that are kept over all examples, as a worker keeps them; every word is prepared, as frequent ones are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(word_masks, "_FEW", engine.catalog.n_items)
        return FilterMasks(engine.catalog)


@calm
@given(FILTERS)
def test_a_mask_is_what_each_item_says(engine: Engine, masks: FilterMasks, found: ItemFilter) -> None:
    """Masks that are laid together are those of one item after another, and leave no trace in those that come later."""
    every = np.arange(engine.catalog.n_known, dtype=np.int32)
    assert masks.mask(found, 0)[every].tolist() == masks.holding(found, 0, every).tolist()
    assert not masks.mask(found, 0).flags.writeable


@calm
@given(
    values=st.lists(st.one_of(st.floats(), st.sampled_from([0.0, 9.99, 10.0, 20.0])), min_size=1, max_size=600),
    copies=st.sampled_from([1, 40]),
    bounds=st.tuples(st.none() | st.integers(0, 599), st.none() | st.integers(0, 599)),
    beside=st.sampled_from([-1, 0, 1]),
    put=st.lists(st.tuples(st.integers(0, 599), st.floats()), max_size=4),
)
def test_coded_numbers_are_within_bounds_as_they_are(
    values: list[float],
    copies: int,
    bounds: tuple[int | None, int | None],
    beside: int,
    put: list[tuple[int, float]],
) -> None:
    """Any numbers, also many equal ones, no numbers and endless ones, with bounds on a number, right below or right above it."""
    whole = np.repeat(values, copies)
    coded = number_masks.coded_of(whole)
    for at, value in put:
        whole[at % len(whole)] = value
    changed = np.unique(np.array([at % len(whole) for at, _ in put], np.int32))
    least, most = [
        absent
        if at is None or values[at % len(values)] != values[at % len(values)]
        # on a number of the shop, or beside it
        else float(np.nextafter(values[at % len(values)], beside * np.inf))
        if beside
        else values[at % len(values)]
        for at, absent in zip(bounds, (-np.inf, np.inf), strict=True)
    ]
    kept, left_out = np.arange(len(whole)) % 3 > 0, np.arange(len(whole)) % 5 == 0
    found = number_masks.Bounds(coded._replace(changed=changed), least, most).within(kept, left_out)
    assert found.tolist() == ((whole >= least) & (whole <= most) & kept & ~left_out).tolist()
