"""Texts of reasons: the same reasons in every language, with the right forms of counted words."""

from __future__ import annotations

import re
from string import Formatter
from typing import Any

import msgspec
import pytest

from recsys.locales import plural_form
from recsys.reasons import LOCALES, _texts, reason_locale, reason_text, reason_with_title
from recsys.recommenders import RECOMMENDERS
from tests.support.shops.handmade import World, shop_of

COUNTS = (0, 1, 2, 3, 7, 11, 24, 100, 102)


def names_in(text: str) -> set[str]:
    """What is put into a text."""
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("locale", LOCALES)
def test_every_text_is_in_every_language(locale: str) -> None:
    """The files have the same texts, with the same names in them, and each is the language's own."""
    english, own = _texts("en"), _texts(locale)
    assert own.texts.keys() == english.texts.keys()
    assert own.counts.keys() == english.counts.keys()
    assert {name: names_in(text) for name, text in own.texts.items()} == {
        name: names_in(text) for name, text in english.texts.items()
    }
    if locale != "en":
        assert not {name for name, text in own.texts.items() if text == english.texts[name]}


@pytest.mark.parametrize("locale", LOCALES)
def test_every_count_has_its_form(locale: str) -> None:
    """Each counted word has the form that the language wants for any count, and no form that it never wants."""
    wanted = {plural_form(count, locale) for count in range(1, 200)}
    for name, forms in _texts(locale).counts.items():
        assert "other" in forms
        assert {form for form in forms if not form.startswith("=")} <= wanted, name
        assert all(names_in(text) <= {"n"} for text in forms.values())
        alone = [count for count in range(2, 200) if not re.search(r"\d", _counted(name, count, locale))]
        assert alone in ([], [2]), "only one and two may be said without their number"


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("title", ["Lamp", "", "{title} {people}", "a % b \u2068", "1 person"])
def test_a_text_with_a_title_is_the_same_text(locale: str, title: str) -> None:
    """What names an item and nothing else is worded by joining, as the text has it."""
    named = [name for name, text in _texts(locale).texts.items() if names_in(text) == {"title"}]
    assert len(named) > 4
    for name in named:
        assert reason_with_title(name, locale, title) == reason_text(name, locale, title=title)


def _counted(name: str, count: int, locale: str) -> str:
    texts = _texts(locale)
    text = next(text for text, words in texts.texts.items() if name in names_in(words))
    others = dict.fromkeys(names_in(texts.texts[text]) - {name}, "")
    return reason_text(text, locale, **{name: count}, **others)


@pytest.mark.parametrize(
    ("locale", "said"),
    [
        ("en", "bought by 1 person in the last 30 days"),
        ("de", "Bestseller: in den letzten 30 Tagen von 1 Person gekauft"),
        ("fr", "acheté par 1 personne ces 30 derniers jours"),
        ("ar", "اشتراه شخص واحد في آخر 30 يوماً"),
    ],
)
def test_counts_are_said_as_the_language_does(locale: str, said: str) -> None:
    """One person, and thirty days."""
    assert said in reason_text("bestseller", locale, people=1, days=30)


def test_titles_stand_where_the_language_wants_them() -> None:
    """Before the verb in German; in Arabic, kept apart from what runs the other way."""
    assert reason_text("because_bought", "de", title="Oak sofa {n}") == "Weil Sie Oak sofa {n} gekauft haben"
    assert reason_text("because_bought", "ar", title="Oak sofa") == "لأنك اشتريت \u2068Oak sofa\u2069"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (("de-AT", "en"), "de"),
        (("fr_CA.UTF-8",), "fr"),
        (("ar-EG", "de"), "ar"),
        ((None, "de"), "de"),
        (("ja", "fr"), "fr"),
        (("not a locale", "fr"), "fr"),
        (("ja", "pl"), "en"),
        ((), "en"),
    ],
)
def test_the_first_locale_with_texts_is_taken(wanted: tuple[str | None, ...], expected: str) -> None:
    """The shopper's own, else the shop's, else English."""
    assert reason_locale(*wanted) == expected


@pytest.mark.parametrize("name", sorted(RECOMMENDERS))
@pytest.mark.parametrize("shop", ["busy", "crowd"])
def test_recommenders_say_the_same_in_every_language(name: str, shop: str) -> None:
    """A reason has the same code and evidence in every language, in words of that language, with the title it rests on."""
    made = shop_of(shop)
    recommender = made.fitted(name)
    user = {"busy": "user-0", "crowd": "u1"}[shop]
    query, profile = made.query(category=None, brand=None), made.profile(user)
    query = msgspec.structs.replace(query, brand=profile.brand if profile.brand >= 0 else 0)
    found = recommender.recommend(query, profile, 8, made.allow())
    assert len(found)
    explained = [-1] * len(found) if found.explained_by is None else found.explained_by.tolist()
    for item, why in zip(found.items.tolist(), explained, strict=True):
        stated = [recommender.reason(msgspec.structs.replace(query, locale=each), profile, item, why) for each in LOCALES]
        assert len({_evidence(each) for each in stated}) == 1
        assert len({each.text for each in stated}) == len(LOCALES)
        assert all(_title(made, each.because_item_id) in each.text for each in stated)


def _evidence(reason: Any) -> tuple[Any, ...]:
    return reason.code, reason.window_days, reason.buyers, reason.because_item_id


def _title(made: World, item_id: str | None) -> str:
    return "" if item_id is None else made.catalog.title(made.catalog.row(item_id))
