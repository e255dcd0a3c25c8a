"""Users found due: each moment once, whichever worker asks, and the reasons against it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from recsys.engine.pipeline import Engine
from recsys.engine.serving_state import ServingState
from recsys.item_updates import ItemUpdate
from recsys.live.databases import log_in
from recsys.live.dislikes import Dislike
from recsys.live.erasure import Erased, ErasureKeys
from recsys.live.item_changes import Standing
from recsys.live.joins import Join
from recsys.live.pinned_slates import PinnedItem, PinnedSlate
from recsys.moments.context import TriggerHit, UserContext
from recsys.moments.finder import Finder, _is_refused
from recsys.moments.kinds import KINDS
from recsys.settings.campaigns import Campaign
from recsys.types import Event, Link, Query, Reason, Slate
from tests.conftest import NOW, ago, event, micros
from tests.support.shops.moment_shop import MomentShop, Worker, birth, content, decoded, user, with_settings
from training.job.job import fit

LEFT = [event("cara", "sofa-1", "cart_add", ago(minutes=45)), event("cara", "lamp-1", at=ago(minutes=40))]
LOOKED = [event("bert", "sofa-1", at=ago(minutes=26)), event("bert", "sofa-2", at=ago(minutes=25))]
GONE = [event("cara", "gone-1", "cart_add", ago(minutes=44))]

Make = Callable[..., MomentShop]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make shops that share one folder, and so one log, each of these events."""
    return lambda *events, **more: MomentShop(tmp_path, *events, **more)


@pytest.fixture
def worker(make: Make, tmp_path: Path) -> Worker:
    """A worker over the shop in which a cart was left and a product viewed."""
    return Worker(make(*LEFT, *LOOKED).engine(), tmp_path)


def test_a_moment_is_found_once(worker: Worker) -> None:
    """The first poll finds it and writes it down, the next one nothing, and the line stays as it is."""
    assert (worker.find("cart"), worker.find("cart")) == (1, 0)
    assert [line["user_id"] for line in worker.lines("cart")] == ["cara"]
    assert worker.users("browse") == ["bert"]
    assert worker.users("browse", NOW + timedelta(minutes=1)) == ["bert"]


def test_a_line_says_all_that_a_message_needs(worker: Worker) -> None:
    """Who, why, since when, what the message shows with reasons, where and how to reach them."""
    worker.find("cart")
    [line] = worker.lines("cart")
    items = [(item["item_id"], item["reason"]["code"]) for item in line["slate"]["items"]]
    assert items[0] == ("sofa-1", "in_cart")
    assert len(items) == 6
    assert "sofa-1" not in dict(items[1:])
    assert (line["kind"], line["anchors"], line["since"]) == ("cart", ["sofa-1"], "2026-03-31T11:15:00Z")
    assert (line["lifecycle"], line["locale"], line["timezone"]) == ("lead", "de-DE", "Europe/Berlin")
    assert (line["channels"], line["usual_hour"], line["content"]) == (["email"], None, None)
    assert (line["copy"], line["creative"], line["coupon"]) == ("", "", "")
    assert len(line["moment_id"]) == 24


def test_words_are_those_of_the_first_items_category(make: Make, tmp_path: Path) -> None:
    """Each word is that of the longest category that has one; empty words of the category give way to those above."""
    more = '[messages.words.""]\ncoupon = "ALL"\ncopy = "hello"\n[messages.words."Home > Sofas"]\ncopy = "sofas"\n'
    found = Worker(make(*LEFT, more=more).engine(), tmp_path)
    found.find("cart")
    assert [found.lines("cart")[0][name] for name in ("copy", "creative", "coupon")] == ["sofas", "", "ALL"]


def test_what_is_sold_out_is_said(make: Make, tmp_path: Path) -> None:
    """Of a cart, what cannot be bought is not shown but named; a viewed product gives its place to what comes closest."""
    looked = [event("bert", "gone-1", at=ago(minutes=25))]
    found = Worker(make(*LEFT, *GONE, *looked).engine(), tmp_path)
    found.find("cart")
    [cart] = found.lines("cart")
    assert cart["anchors"] == ["gone-1", "sofa-1"]
    assert cart["slate"]["items"][0]["item_id"] == "sofa-1"
    assert cart["slate"]["notices"] == ["'gone-1' cannot be bought at the moment"]
    found.find("browse")
    [browse] = found.lines("browse")
    first = browse["slate"]["items"][0]
    assert browse["anchors"] == ["gone-1"]
    assert first["item_id"] != "gone-1"
    assert first["reason"] == {
        "code": "substitute",
        "text": "Sold out ist ausverkauft; dies kommt am nächsten",
        "because_item_id": "gone-1",
    }
    assert browse["slate"]["notices"] == ["'gone-1' cannot be bought at the moment"]


def test_what_comes_first_stands_for_what_is_sold_out_only_if_it_is_like_it(make: Make, tmp_path: Path) -> None:
    """A complement of a cart does not come closest, nor does what a campaign put there, which is named."""
    engine = make(GONE[0], event("bert", "gone-1", at=ago(minutes=25))).engine()
    pin = {"placements": ["pdp"], "actions": [{"pin": {"item_id": "soap-1", "place": 1}}]}
    engine.campaigns.put({"soap": msgspec.convert(pin, Campaign)})
    found = Worker(engine, tmp_path)
    firsts = {}
    for kind in ("cart", "browse"):
        found.find(kind)
        [line] = found.lines(kind)
        assert line["slate"]["notices"] == ["'gone-1' cannot be bought at the moment"]
        firsts[kind] = line["slate"]["items"][0]["reason"]
    assert "substitute" not in {reason["code"] for reason in firsts.values()}
    assert firsts["browse"]["campaign"] == "soap"


def test_a_limit_leaves_the_rest_for_the_next_poll(make: Make, tmp_path: Path) -> None:
    """A poll finds at most so many; those beyond are found by the next ones, none twice."""
    carts = [event(f"user-{n}", "lamp-3", "cart_add", ago(minutes=40 + n)) for n in range(30)]
    found = Worker(make(*carts).engine(), tmp_path)
    assert [found.find("cart", limit=12) for _ in range(4)] == [12, 12, 6, 0]
    assert sorted(line["user_id"] for line in found.lines("cart")) == sorted(f"user-{n}" for n in range(30))


# ---- what stands against it


@pytest.mark.parametrize(
    ("consents", "more", "notified"),
    [
        ({"consent_email": True}, "", True),
        ({"consent_email": False}, "", False),
        ({"consent_email": None}, "", False),
        ({"consent_email": None}, '[moments]\nconsent = "assumed"\n', True),
        ({"consent_email": False}, '[moments]\nconsent = "assumed"\n', False),
        ({"consent_email": False, "consent_sms": True}, "", True),
    ],
)
def test_nobody_hears_who_did_not_consent(
    make: Make, tmp_path: Path, consents: dict[str, bool | None], more: str, notified: bool
) -> None:
    """A consent to any channel is needed; where it is assumed, no word at all will do, but not a no."""
    found = Worker(make(*LEFT, people=[user("cara", **consents), user("bert")], more=more).engine(), tmp_path)
    assert found.find("cart") == notified
    if notified:
        assert found.lines("cart")[0]["channels"] == [name.removeprefix("consent_") for name, yes in consents.items() if yes]


@pytest.mark.parametrize("word", ["nein", "unsubscribed", "opt-out", "no", "?", "yes please"])
def test_a_consent_that_cannot_be_read_is_none(make: Make, tmp_path: Path, word: str) -> None:
    """Where consent is assumed, only people with no word on it at all are silent; whatever else is not plainly yes is a no."""
    shop = make(*LEFT, people=[user("cara")], more='[moments]\nconsent = "assumed"\n')
    shop.toml = shop.toml.replace("users.parquet", "users.csv")
    shop.write()
    (tmp_path / "users.csv").write_text(f"user_id,consent_email\ncara,{word}\nbert,\n")
    engine = Engine(fit(shop.settings, now=NOW).snapshot(), shop.settings)
    assert [engine.snapshot.people.of(name).channels for name in ("cara", "bert")] == [(), ()]
    found = Worker(engine, tmp_path)
    found.post(event("bert", "lamp-1", "cart_add", ago(minutes=40)))
    assert found.users("cart") == ["bert"]


def test_channels_come_in_the_shops_order(make: Make, tmp_path: Path) -> None:
    """Push goes before e-mail, e-mail before text messages, those before WhatsApp."""
    every = {f"consent_{name}": True for name in ("whatsapp", "sms", "email", "push")}
    found = Worker(make(*LEFT, people=[user("cara", **every)]).engine(), tmp_path)
    found.find("cart")
    assert found.lines("cart")[0]["channels"] == ["push", "email", "sms", "whatsapp"]


def test_without_a_user_table_everybody_may_hear_where_that_is_assumed(tmp_path: Path) -> None:
    """Shops that have no user table list whoever is due, newcomers too; where consent is required, nobody."""
    shop = MomentShop(tmp_path, *LEFT)
    shop.toml = shop.toml.replace('[data.users]\npaths = ["users.parquet"]\n', "")
    engine = shop.engine()
    assert Worker(engine, tmp_path).find("cart") == 0
    found = Worker(with_settings(engine, consent="assumed"), tmp_path)
    found.post(event("newcomer", "lamp-1", "cart_add", ago(minutes=50)))
    assert found.users("cart") == ["newcomer", "cara"]
    found.post(event("another", "lamp-1", "cart_add", ago(minutes=50)))
    assert found.users("cart")[2:] == ["another"]
    assert found.lines("cart")[0]["channels"] == []


def test_one_message_a_day(make: Make, tmp_path: Path) -> None:
    """Whoever was told one kind today hears of another one tomorrow, tomorrow being their own."""
    twice = [event("cara", "sofa-1", at=ago(minutes=200)), *LEFT]
    found = Worker(with_settings(make(*twice).engine(), kinds=("cart", "editorial")), tmp_path)
    assert (found.find("cart"), found.find("editorial")) == (1, 0)
    berlin_midnight = datetime(2026, 3, 31, 22, tzinfo=UTC)
    assert found.find("editorial", berlin_midnight - timedelta(seconds=1)) == 0
    assert found.find("editorial", berlin_midnight + timedelta(minutes=5)) == 1


def test_a_full_day_is_seen_without_writing(worker: Worker) -> None:
    """Whoever had today's message is kept back by a mere look too, and no line is made."""
    before = worker.finder.look("cart", ["cara"], micros(NOW))
    assert [each.moment.user_id for each in before if each.moment] == ["cara"]
    worker.find("cart")
    assert worker.finder.look("cart", ["cara"], micros(NOW))[0].why == "not due"
    worker.post(event("cara", "sofa-2", "cart_add", NOW + timedelta(seconds=1)))
    assert worker.finder.look("cart", ["cara"], micros(NOW + timedelta(minutes=32)))[0].why == "later"


def test_the_most_urgent_kind_goes_first(make: Make, tmp_path: Path) -> None:
    """Somebody due for two kinds is left to the first of the order, and not lost to the second when a day may have two."""
    engine = make(*LEFT).engine()
    order = ("editorial", "cart")
    reversed_order = Worker(with_settings(engine, kinds=order, per_day=2), tmp_path)
    assert reversed_order.find("cart") == 0
    assert reversed_order.find("editorial") == 1
    later = NOW + timedelta(minutes=10)
    assert reversed_order.find("cart", later) == 1
    assert reversed_order.find("editorial", later) == 0


def test_a_kind_that_is_off_keeps_nobody_back(make: Make, tmp_path: Path) -> None:
    """Only kinds that are on can be more urgent."""
    assert Worker(with_settings(make(*LEFT).engine(), kinds=("editorial",)), tmp_path).find("editorial") == 1


def test_the_forgotten_hear_nothing(make: Make, tmp_path: Path) -> None:
    """Who was forgotten is never due, what they were told is deleted, and nothing of them is found again."""
    erasure_keys = ErasureKeys(["s" * 32])
    engine = make(*LEFT).engine()
    state = log_in(tmp_path / "state")
    serving = ServingState(engine, state, erasure_keys)
    finder = Finder(serving, state, lambda query: serving.answer(query).slate)
    assert finder.find("cart", micros(NOW), 9, 1) == 1
    assert state.forget([Erased(erasure_keys.sign("cara"), "cara")], micros(NOW))["moments"] == 1
    assert finder.find("cart", micros(NOW) + 1, 9, 1) == 0
    again = Event(event_id="new", user_id="cara", event_type="cart_add", timestamp=micros(NOW) + 1, item_id="sofa-1")
    state.add_events([again], 1)
    assert finder.find("cart", micros(NOW + timedelta(hours=1)), 9, 1) == 0
    assert state.moments.lines("cart", 0, 9) == []


def test_a_search_gives_way_before_each_person(make: Make, tmp_path: Path) -> None:
    """Nobody waits for the interpreter longer than one person takes, however many are looked at."""
    engine, state = make(*LEFT).engine(), log_in(tmp_path / "state")
    serving, ways = ServingState(engine, state, None), []
    finder = Finder(serving, state, lambda query: serving.answer(query).slate, lambda: ways.append(1))
    looked = len(finder.candidates("cart", micros(NOW)))
    assert finder.find("cart", micros(NOW), 9, 1) == 1
    assert len(ways) >= 3 * looked > 0, "as it is read, by each rule, and as its line is made"


def test_one_search_goes_on_where_another_ended(make: Make, tmp_path: Path) -> None:
    """A second poll at the same time waits for the first, and finds nothing of it again."""
    begun, second, found = threading.Event(), list[threading.Thread](), list[int]()

    def give_way() -> None:
        if not second:
            second.append(threading.Thread(target=lambda: found.append(poll())))
            second[0].start()
            assert not begun.wait(0.2)
        elif threading.current_thread() is second[0]:
            begun.set()

    engine, state = make(*LEFT).engine(), log_in(tmp_path / "state")
    serving = ServingState(engine, state, None)
    finder = Finder(serving, state, lambda query: serving.answer(query).slate, give_way)

    def poll() -> int:
        return finder.find("cart", micros(NOW), 100, micros(NOW))

    assert poll() == 1
    second[0].join()
    assert found == [0]


def test_who_is_forgotten_as_a_line_is_made_is_not_written_down(make: Make, tmp_path: Path) -> None:
    """By another worker, after the look at the shopper; the others who were found with them are written down."""
    carts = [event("ann", "sofa-2", "cart_add", ago(minutes=50))]
    engine, keys, forgot = make(*LEFT, *carts).engine(), ErasureKeys(["o" * 32]), list[str]()
    state, other = log_in(tmp_path / "state"), log_in(tmp_path / "state")
    serving = ServingState(engine, state, keys)

    def ask(query: Query) -> Slate:
        if not forgot:
            forgot.append("cara")
            other.forget([Erased(keys.sign("cara"), "cara", until=micros(NOW))], micros(NOW))
        return serving.answer(query).slate

    assert Finder(serving, state, ask).find("cart", micros(NOW), 9, micros(NOW)) == 1
    assert [decoded(line)["user_id"] for _, line in state.moments.lines("cart", 0, 9)] == ["ann"]
    assert Finder(serving, state, ask).find("cart", micros(NOW), 9, micros(NOW)) == 0


def test_nobody_is_written_to_about_what_they_said_no_to(worker: Worker) -> None:
    """An item that is hidden everywhere is no reason for a message either; other items, and other people, are."""
    worker.state.dislikes.say([Dislike("bert", "brand", "Oakly", micros(NOW) - 1, micros(NOW) * 2)], micros(NOW))
    assert worker.users("browse") == []
    assert worker.users("cart") == ["cara"]


@pytest.mark.parametrize(
    ("hit", "refused"),
    [
        (TriggerHit(1, "k", brand="Oakly"), True),
        (TriggerHit(1, "k", brand="Norr"), False),
        (TriggerHit(1, "k", category="Home > Sofas"), True),
        (TriggerHit(1, "k", category="Homes"), False),
        (TriggerHit(1, "k"), False),
    ],
)
def test_a_moment_is_not_about_a_brand_or_category_that_was_refused(hit: TriggerHit, refused: bool) -> None:
    """Also where it names no item: what is new from a brand, an article on a category."""
    assert _is_refused(hit, [("brand", "Oakly"), ("category", "Home"), ("item", "Norr")]) == refused


def test_joined_accounts_are_one_person(worker: Worker) -> None:
    """The account that the history belongs to hears of it, of what the other one did too, and of no more in a day than one; once they
    part, each for itself again."""
    assert worker.users("browse") == ["bert"]
    worker.state.joins.add(Join("bert", "cara", micros(NOW)), micros(NOW))
    worker.post(event("bert", "sofa-2", "cart_add", ago(minutes=1)))
    assert worker.users("cart", NOW + timedelta(hours=1)) == []
    tomorrow = NOW + timedelta(hours=12)
    assert worker.users("cart", tomorrow) == ["cara"]
    assert {"sofa-1", "sofa-2"} & {item["item_id"] for item in worker.lines("cart")[0]["slate"]["items"][:2]}
    worker.state.joins.undo("bert", micros(tomorrow))
    assert worker.users("cart", tomorrow + timedelta(minutes=1)) == ["cara", "bert"]


def test_an_account_that_was_told_is_not_told_again_when_it_is_joined(worker: Worker) -> None:
    """The same cart, found under the id of then, is not spoken of under the one that keeps the history."""
    assert worker.users("cart") == ["cara"]
    worker.state.joins.add(Join("cara", "bert", micros(NOW)), micros(NOW))
    assert worker.users("cart", NOW + timedelta(hours=12)) == ["cara"]


def test_an_anonymous_id_is_written_to_under_its_user(tmp_path: Path) -> None:
    """Where consent is assumed and there is no user table: linked before the first look, it is no person of its own."""
    shop = MomentShop(
        tmp_path, event("tablet", "sofa-1", "cart_add", ago(minutes=50)), event("ada", "lamp-1", at=ago(days=2))
    )
    shop.toml = shop.toml.replace('[data.users]\npaths = ["users.parquet"]\n', "")
    worker = Worker(with_settings(shop.engine(), consent="assumed"), tmp_path)
    worker.state.add_links([Link("tablet", "ada", micros(ago(minutes=40)))], 1)
    assert worker.users("cart") == ["ada"]


def test_nothing_to_show_is_no_moment(make: Make, tmp_path: Path) -> None:
    """Of a brand of which nothing can be bought no message is made, and the day is left to another; once it can be, it is told."""
    loved = [event("cara", "lamp-1", at=ago(minutes=120 - k)) for k in range(4)]
    worker = Worker(with_settings(make(*loved).engine(), kinds=("brand_trending",)), tmp_path)
    brand = worker.engine.catalog.item(worker.engine.catalog.row("lamp-1"))["brand"]
    code = worker.engine.catalog.brands.row(brand)
    items = [worker.engine.catalog.item_id(row) for row in worker.engine.catalog.brand_items(code).tolist()]
    worker.state.add_items(
        [ItemUpdate(each, available=False) for each in items],
        micros(NOW),
        Standing(worker.engine.catalog, worker.state.last(), micros(NOW)),
    )
    assert worker.users("brand_trending") == []
    worker.state.add_items(
        [ItemUpdate("lamp-1", available=True)],
        micros(NOW),
        Standing(worker.engine.catalog, worker.state.last(), micros(NOW)),
    )
    assert worker.users("brand_trending", NOW + timedelta(minutes=1)) == ["cara"]
    [line] = worker.lines("brand_trending")
    assert (line["brand"], line["category"]) == (brand, None)


def test_people_with_two_accounts_have_one_birthday(make: Make, tmp_path: Path) -> None:
    """The user table has both, with the same day; one letter goes out, by the consent of the account that stands."""
    people = [user(name, birthday=birth(3, 31)) for name in ("user-0", "user-1")]
    worker = Worker(make(people=people).engine(), tmp_path)
    worker.state.joins.add(Join("user-1", "user-0", micros(NOW)), micros(NOW))
    assert worker.users("birthday") == ["user-0"]


def test_what_the_last_sends_showed_is_not_recommended(worker: Worker) -> None:
    """Items of the last sends are left out of what is recommended; what the moment is about stays."""
    worker.find("cart")
    shown = [item["item_id"] for item in worker.lines("cart")[0]["slate"]["items"]]
    places = tuple(PinnedItem(item, 1.0, Reason("x", "x"), "x") for item in (shown[0], shown[1]))
    pin = PinnedSlate(
        send_id="w", user_id="bert", recommendation_id="r", snapshot="s", strategy="s", personalized=True, items=places
    )
    worker.state.pins.pin(pin, 1)
    worker.post(event("bert", shown[0], "cart_add", ago(minutes=20)))
    worker.find("cart", NOW + timedelta(minutes=20))
    items = [item["item_id"] for item in worker.lines("cart")[1]["slate"]["items"]]
    assert items[0] == shown[0]
    assert shown[1] not in items


# ---- once, whoever asks


def test_two_workers_find_it_once(make: Make, tmp_path: Path) -> None:
    """Of two workers over one log, the second finds nothing, of this or of another kind on the same day."""
    engine = make(*LEFT, *LOOKED).engine()
    one, other = Worker(engine, tmp_path), Worker(engine, tmp_path)
    assert (one.find("cart"), other.find("cart"), other.find("browse"), one.find("browse")) == (1, 0, 1, 0)
    assert [line["user_id"] for line in other.lines("cart")] == ["cara"]


def test_a_restart_and_a_training_find_nothing_anew(make: Make, tmp_path: Path) -> None:
    """A new worker, over a snapshot that has other rows and a moment's later events in it, finds nothing again."""
    Worker(make(*LEFT, *LOOKED).engine(), tmp_path).find("cart")
    Worker(make(*LEFT, *LOOKED).engine(), tmp_path).find("browse")
    shop = make(*LEFT, *LOOKED, event("zoe", "sofa-3", at=ago(minutes=21)), event("aaa", "lamp-1", at=ago(days=3)))
    shop.items.insert(0, {"item_id": "new", "title": "New", "category": "Home > Beds", "brand": "Oakly", "price": 5.0})
    trained = Worker(shop.engine(), tmp_path)
    assert (trained.find("cart"), trained.users("browse")) == (0, ["bert", "zoe"])


def test_live_events_count(worker: Worker) -> None:
    """A purchase since the snapshot ends a cart; a cart left since is found; what one looks at again is another visit."""
    worker.post(event("cara", "lamp-2", "purchase", ago(minutes=1)), event("user-1", "bag-1", "cart_add", ago(minutes=31)))
    assert worker.users("cart") == ["user-1"]
    assert worker.users("browse") == ["bert"]
    worker.post(event("bert", "bag-1", at=NOW + timedelta(minutes=40)))
    assert worker.users("browse", NOW + timedelta(minutes=61)) == ["bert"]  # today's message was sent
    tomorrow = NOW + timedelta(days=1)
    worker.post(event("bert", "bag-1", at=tomorrow))
    assert worker.users("browse", tomorrow + timedelta(minutes=21)) == ["bert", "bert"]


def test_who_was_not_due_is_looked_at_again_once_they_do_something(worker: Worker) -> None:
    """Looked at in vain a minute ago, due now for what they did since."""
    worker.post(event("user-7", None, "home_view", ago(minutes=21)))
    assert worker.users("browse") == ["bert"]
    worker.post(event("user-7", "bag-1", at=ago(minutes=20, seconds=30)))
    assert worker.users("browse", NOW + timedelta(minutes=1)) == ["bert", "user-7"]


def test_events_that_come_late_change_no_past(worker: Worker, tmp_path: Path) -> None:
    """An event from before, that moves a visit's beginning or a cart's last change, does not make it due again."""
    assert (worker.find("browse"), worker.find("cart")) == (1, 1)
    free = Worker(with_settings(worker.engine, per_day=9), tmp_path)
    free.post(event("bert", "sofa-3", at=ago(minutes=50)), event("cara", "lamp-2", "cart_add", ago(minutes=42)))
    assert (free.find("browse"), free.find("cart")) == (0, 0)
    free.post(event("user-2", "lamp-2", "cart_add", ago(minutes=90)))
    assert free.find("cart") == 1


def test_what_an_anonymous_visitor_does_is_the_users(worker: Worker) -> None:
    """Before the link nobody hears of it; once linked, the user does, and later events under the id are theirs at once."""
    worker.post(event("cookie", "bag-1", "cart_add", ago(minutes=60)))
    assert worker.users("cart") == ["cara"]
    worker.state.add_links([Link("cookie", "user-3", micros(ago(minutes=59)))], 1)
    assert worker.users("cart") == ["cara", "user-3"]
    worker.state.add_links([Link("phone", "user-4", micros(ago(days=1)))], 1)
    assert worker.find("cart") == 0
    worker.post(event("phone", "bag-1", "cart_add", ago(minutes=35)))
    assert worker.users("cart") == ["cara", "user-3", "user-4"]


def test_items_that_are_back_are_found_by_who_looked(worker: Worker) -> None:
    """A change since, of an item seen in the snapshot or live, finds its people, whenever they were last looked at."""
    assert worker.find("back_in_stock") == 0
    worker.post(event("user-5", "gone-1", at=ago(days=2)))
    assert worker.find("back_in_stock") == 0
    back(worker, "gone-1", ago(minutes=1))
    assert worker.users("back_in_stock") == ["user-5"]
    assert worker.find("back_in_stock") == 0


def test_other_items_have_everybody_looked_at_again(worker: Worker) -> None:
    """Somebody who was not due for one item that is back is due for the next one, with no event of theirs between."""
    worker.post(
        event("user-6", "gone-1", at=ago(days=3)),
        event("user-6", "gone-1", "purchase", ago(days=2)),
        event("user-6", "lamp-2", at=ago(days=2)),
    )
    back(worker, "gone-1", ago(minutes=3))
    assert worker.find("back_in_stock") == 0
    worker.state.add_items([ItemUpdate("lamp-2", available=False)], micros(ago(minutes=2)))
    worker.serving.catch_up()
    back(worker, "lamp-2", ago(minutes=1))
    assert "user-6" in worker.users("back_in_stock")


def test_an_item_that_flickers_is_told_of_once_in_a_week(worker: Worker) -> None:
    """A stock that comes and goes each day is one piece of news for a week, also where the day's limit would allow another message."""
    worker.post(event("user-5", "gone-1", at=ago(days=2)))
    days_told = []
    for day in range(10):
        now = NOW + timedelta(days=day)
        back(worker, "gone-1", now - timedelta(minutes=1))
        if worker.find("back_in_stock", now):
            days_told.append(day)
        gone(worker, "gone-1", now + timedelta(hours=1))
    assert days_told == [0, 7]


def test_an_urgent_kind_with_nothing_to_show_keeps_no_other_back(make: Make, tmp_path: Path) -> None:
    """Who would be told of a brand that is sold out is told of a category; as long as it can be shown they wait for it."""
    shop = make(*[event("cara", "lamp-1", at=ago(minutes=120 - n)) for n in range(4)])
    worker = Worker(with_settings(shop.engine(), kinds=("brand_trending", "category_bestsellers")), tmp_path)
    catalog = worker.engine.catalog
    assert [each.why for each in worker.finder.look("category_bestsellers", ["cara"], micros(NOW))] == ["later"]
    for row in catalog.brand_items(catalog.brands.row(catalog.item(catalog.row("lamp-1"))["brand"] or "")).tolist():
        gone(worker, catalog.item_id(row), NOW)
    assert [each.why for each in worker.finder.look("category_bestsellers", ["cara"], micros(NOW))] == ["due"]


def test_a_rise_is_known_as_long_as_the_drop_after_it(worker: Worker) -> None:
    """A price that was raised eight days ago and put back two days later is no news while the drop would be, also on its last day."""
    worker.post(event("user-5", "sofa-1", at=ago(days=10)))
    for price, days in ((2400.0, 8), (900.0, 6)):
        at = micros(ago(days=days))
        worker.state.add_items([ItemUpdate("sofa-1", price=price)], at, Standing(worker.engine.catalog, 0, at))
    worker.serving.catch_up()
    assert worker.find("price_drop") == 0


def test_whom_nothing_can_be_shown_keeps_nobody_back(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A brand that is sold out gives no moment; who waits for it takes up neither a poll of one line nor a search of a few people."""
    loved = [event("cara", "lamp-1", at=ago(minutes=200 - n)) for n in range(4)]
    other = [event("zed", "sofa-1", at=ago(minutes=120 - n)) for n in range(4)]
    worker = Worker(with_settings(make(*loved, *other).engine(), kinds=("brand_trending",)), tmp_path)
    catalog = worker.engine.catalog
    brand = catalog.brands.row(catalog.item(catalog.row("lamp-1"))["brand"] or "")
    for row in catalog.brand_items(brand).tolist():
        gone(worker, catalog.item_id(row), NOW)
    monkeypatch.setattr("recsys.moments.finder.MAX_LOOKED_AT", 1)
    assert [worker.find("brand_trending", NOW + timedelta(minutes=minute), limit=1) for minute in range(3)] == [0, 1, 0]
    assert [line["user_id"] for line in worker.lines("brand_trending")] == ["zed"]


def gone(worker: Worker, item: str, at: datetime) -> None:
    """The shop says that an item is sold out."""
    worker.state.add_items([ItemUpdate(item, available=False)], micros(at))
    worker.serving.catch_up()


def back(worker: Worker, item: str, at: datetime) -> None:
    """The shop says that an item can be bought again."""
    standing = Standing(worker.engine.catalog, worker.state.last(), micros(at))
    worker.state.add_items([ItemUpdate(item, available=True)], micros(at), standing)


def test_what_runs_low_is_found(worker: Worker) -> None:
    """When stock falls below what the lead time wants, those who want the item hear of it."""
    catalog = worker.engine.catalog
    assert worker.find("low_stock") == 0
    worker.state.add_items([ItemUpdate("sofa-1", stock=1.0)], 1)
    assert catalog.sold[catalog.row("sofa-1")] > 2
    worker.finder.find("cart", micros(NOW), 9, 1)
    assert worker.users("low_stock", NOW + timedelta(hours=2)) == ["bert"]  # cara's day had its message
    assert worker.lines("low_stock")[0]["slate"]["items"][0]["reason"]["text"] == "Nur noch 1 Stück"


def test_contents_are_told_once_a_visit_and_never_twice(make: Make, tmp_path: Path) -> None:
    """A visit calls for the newest content that the user was not told of; the next visit for the next one, then none."""
    shop = make(event("eva", "lamp-1", at=ago(minutes=40)))
    shop.contents = [content("old", "Home > Lamps", 9), content("new", "Home > Lamps", 2)]
    found = Worker(with_settings(shop.engine(), kinds=("editorial",), per_day=9), tmp_path)
    assert found.find("editorial") == found.find("editorial", NOW + timedelta(hours=1)) + 1
    for days in (1, 2):
        found.post(event("eva", "lamp-1", at=NOW + timedelta(days=days)))
        found.find("editorial", NOW + timedelta(days=days, hours=1))
    notified = [line["content"] for line in found.lines("editorial") if line["user_id"] == "eva"]
    assert [each["content_id"] for each in notified] == ["new", "old"]
    assert notified[0] == {"content_id": "new", "title": "new", "url": "https://shop.example/new"}


def test_birthdays_are_found(make: Make, tmp_path: Path) -> None:
    """Also of somebody who was never seen, in their own time zone or the shop's, once a year."""
    people = [
        user("ann", birthday=birth(3, 31)),
        user("tom", birthday=birth(4, 1), timezone="Pacific/Auckland"),
        user("tim", birthday=birth(4, 1)),
        user("sam", birthday=birth(3, 31), timezone=None),
    ]
    found = Worker(make(people=people).engine(), tmp_path)
    assert sorted(found.users("birthday")) == ["ann", "sam", "tom"]
    assert found.find("birthday", NOW + timedelta(days=1)) == 1
    assert found.find("birthday", NOW.replace(year=2027)) == 3


# ---- nobody is passed over


def everybody(worker: Worker, kind: Any) -> set[str]:
    """Whoever the rule of a kind holds for, all people looked at one by one."""
    trigger_context = worker.finder._trigger_context(micros(NOW))
    people = worker.engine.snapshot.people
    names = [people.users.text(row) for row in range(len(people))]
    serving = worker.serving
    shoppers = [UserContext(name, serving.person(name), serving.history(name), trigger_context) for name in names]
    return {one.user_id for one in shoppers if any(KINDS[kind].rule(one))}


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Worker:
    """Two hundred people of all sorts, half of whose last day is live."""
    folder = tmp_path_factory.mktemp("crowded")
    rng = np.random.default_rng(20)
    items = ["sofa-1", "sofa-2", "lamp-1", "lamp-2", "soap-1", "soap-2", "gone-1", "bag-1"]
    rows = []
    for number in range(200):
        for _ in range(int(rng.integers(1, 12))):
            days = float(rng.choice([rng.uniform(0, 0.05), rng.uniform(0, 4), rng.uniform(0, 30), rng.uniform(0, 500)]))
            kind = str(rng.choice(["view", "cart_add", "cart_remove", "purchase", "refund"], p=[0.5, 0.2, 0.05, 0.2, 0.05]))
            more = {"price": 10.0 * number} if kind == "purchase" else {}
            rows.append(event(f"p{number}", str(rng.choice(items)), kind, ago(days=days), **more))
        rows.append(event(f"soap-{number % 20}", "soap-1", "purchase", ago(days=200 - number)))
        rows += [
            event(f"back-{number % 20}", "bag-1", kind, ago(days=days)) for kind, days in (("purchase", 40), ("view", 2.2))
        ]
    live = [row for row in rows if row["timestamp"] > ago(days=1) and len(row["user_id"]) % 2]
    people = [user(name, birthday=birth(3, 31 - n % 9)) for n, name in enumerate(sorted({row["user_id"] for row in rows}))]
    shop = MomentShop(folder, *(row for row in rows if row not in live), people=people)
    worker = Worker(shop.engine(), folder)
    worker.post(*live)
    back(worker, "gone-1", ago(days=2))
    cheaper = [ItemUpdate("lamp-1", price=5.0), ItemUpdate("sofa-1", stock=1.0)]
    worker.state.add_items(
        cheaper, micros(ago(days=2)), Standing(worker.engine.catalog, worker.state.last(), micros(ago(days=2)))
    )
    return worker


@pytest.mark.parametrize("kind", list(KINDS))
def test_candidates_hold_everybody_who_is_due(crowded: Worker, kind: Any) -> None:
    """Whoever a rule holds for is among those worth a look, and those are fewer than all."""
    due, candidates = everybody(crowded, kind), crowded.finder.candidates(kind, micros(NOW))
    assert due <= set(candidates)
    assert len(candidates) == len(set(candidates))
    assert len(due) > 0
