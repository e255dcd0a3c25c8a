"""People among the ids of events: who is nobody, which ids are machines, and what is said of ids that are no person's."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from recsys.ids.user_ids import NullUsers
from recsys.popularity import allowance
from recsys.settings.tables import DataSettings
from recsys.tables.checks.matching import alike
from recsys.tables.checks.survey import BY_HAND, NOBODY, Survey
from recsys.tables.validation import Finding, Level
from recsys.tables.values.examples import shown
from recsys.tables.values.nobody import is_nobody, nobody_in

MIN_FLOOD, FLOOD_FACTOR = 20, 3
"""So many ids that did one thing, all with one item, are a flood if they are so many times what is in keeping with the shop."""
MOST_NAMED = 5
"""Most ids, and items, that are named one by one."""


@dataclass(frozen=True, slots=True)
class Machines:
    """Ids that did more in a minute or a day than a hand can: user_id and the larger excess, as words."""

    ids: pl.DataFrame

    def without(self, events: pl.LazyFrame) -> pl.LazyFrame:
        """Leave out what they did by hand; what they bought stays."""
        return events.filter(~self._theirs()) if self.ids.height else events

    def count(self, events: pl.LazyFrame) -> int:
        """Rows that are left out."""
        if not self.ids.height:
            return 0
        return int(events.filter(self._theirs()).select(pl.len()).collect(engine="streaming").item())

    def _theirs(self) -> pl.Expr:
        by_hand = pl.col("event_type").is_in(BY_HAND)
        return (by_hand & pl.col("user_id").is_in(self.ids["user_id"].implode())).fill_null(False)


def by_their_other_name(events: pl.LazyFrame, null_users: NullUsers) -> pl.LazyFrame:
    """Give events of nobody to the anonymous id that stands beside, where that names somebody."""

    def each(ids: pl.Series) -> pl.Series:
        user_id, other = (ids.struct.field(name) for name in ("user_id", "anonymous_id"))
        nobody = nobody_in(user_id, null_users) & user_id.is_not_null()
        return other.zip_with(nobody & ~nobody_in(other, null_users), user_id) if nobody.any() else user_id

    ids = pl.struct("user_id", "anonymous_id").map_batches(each, return_dtype=pl.String(), is_elementwise=True)
    return events.with_columns(ids.alias("user_id"))


def without_nobody(events: pl.LazyFrame, null_users: NullUsers) -> pl.LazyFrame:
    """Take the user away from events of nobody (null), and keep the word that stood there in `NOBODY`."""
    nobody = is_nobody("user_id", null_users)
    word = pl.when(nobody).then(pl.col("user_id").fill_null(""))
    return events.with_columns(pl.when(~nobody).then("user_id").alias("user_id"), word.alias(NOBODY))


def find_machines(events: pl.LazyFrame, seen: Survey, data: DataSettings) -> Machines:
    """Find the ids with an inhuman rate; days and minutes are looked at of ids that are busy enough."""
    busy = seen.users.filter(pl.col("by_hand") > data.max_events_a_minute)["user_id"]
    days = _busiest(events, busy, "1d", "by_hand").filter(pl.col("by_hand") > data.max_events_a_minute)
    minutes = _busiest(events, days["user_id"], "1m", "in_minute")
    fast, many = pl.col("in_minute") > data.max_events_a_minute, pl.col("by_hand") > data.max_events_a_day
    minute, day = pl.format("{} in one minute", pl.col("in_minute")), pl.format("{} in one day", pl.col("by_hand"))
    found = days.join(minutes, on="user_id").filter(fast | many)
    return Machines(found.select("user_id", pl.when(fast).then(minute).otherwise(day).alias("said")).sort("user_id"))


def _busiest(events: pl.LazyFrame, user_ids: pl.Series, span: str, name: str) -> pl.DataFrame:
    """The most that each of these ids did by hand in a span of time: user_id and a column of that name."""
    theirs = events if len(user_ids) else events.head(0)
    theirs = theirs.filter(pl.col("event_type").is_in(BY_HAND) & pl.col("user_id").is_in(user_ids.implode()))
    spans = theirs.group_by("user_id", pl.col("timestamp").dt.truncate(span)).agg(pl.len().alias(name))
    return spans.group_by("user_id").agg(pl.col(name).max()).collect(engine="streaming")


def findings_on_people(seen: Survey, machines: Machines, crowds: pl.DataFrame, left_out: int, file: str) -> list[Finding]:
    """Say what of the ids of plausible events is no person's; `left_out` rows are the machines', `crowds` as of `find_crowds`."""
    rows = int(seen.whole["plausible"][0])
    users = seen.users
    of_users = [_of_nobody(seen), _of_machines(machines, left_out), *_of_crowds(crowds), _of_spellings(users)]
    parts = [("user_id", each) for each in of_users if each] + [("item_id", each) for each in _of_floods(users, seen.items)]
    return [
        Finding("events", file, column, rule, count, count / max(rows, 1), example, advice, level)
        for column, (rule, count, example, advice, level) in parts
    ]


_Part = tuple[str, int, str, str, Level]
"""Rule, rows, example, advice and level of a finding."""


def _of_nobody(seen: Survey) -> _Part | None:
    if not seen.nobody.height:
        return None
    words = seen.nobody.sort("rows", NOBODY, descending=[True, False]).head(MOST_NAMED).rows()
    example = ", ".join(f"{word or 'no id'}: {count:,} events" for word, count in words)
    advice = "nothing, if those rows are guests' or a till's; `data.null_users` lists the words that mean nobody"
    return "names somebody", int(seen.nobody["rows"].sum()), example, advice, "note"


def _of_machines(machines: Machines, rows: int) -> _Part | None:
    if not machines.ids.height:
        return None
    user_id, said = machines.ids.row(0)
    example = f"{_named(user_id)}: {said}" + _among(machines.ids.height)
    advice = "nothing, if these are crawlers; else raise `data.max_events_a_minute` or `data.max_events_a_day`"
    return "does no more than a hand can", rows, example, advice, "left_out"


def _of_crowds(crowds: pl.DataFrame) -> list[_Part]:
    """Ids with more events than a person has, the busiest first."""
    advice = "put it into `data.null_users`, if it stands for many people, such as guests, a till or a test"
    return [
        (f"has no more events than a person ({said})", count, f"{_named(user_id)}: {count:,} events", advice, "note")
        for user_id, count, said in crowds.rows()
    ]


def _of_floods(users: pl.DataFrame, items: pl.DataFrame) -> list[_Part]:
    """Items that many ids touched and nothing else, beyond what is in keeping with the shop."""
    once = users.drop_nulls("item").group_by("item").agg(pl.len().alias("ids"), pl.col("rows").sum().alias("theirs"))
    items = items.join(once, left_on="item_id", right_on="item", how="left").fill_null(0)
    singles, others = items["theirs"].to_numpy().astype(float), (items["rows"] - items["theirs"]).to_numpy().astype(float)
    beyond = pl.Series(singles > FLOOD_FACTOR * allowance(others, singles, 1.0))
    flooded = items.filter(beyond & (pl.col("ids") >= MIN_FLOOD))
    advice = "look where they come from; they count for next to nothing in what is popular"
    return [
        (
            "is no flood of ids that did one thing",
            theirs,
            f"{ids:,} ids with {'one event' if ids == theirs else 'events of one item'}, all of {item_id}",
            advice,
            "note",
        )
        for item_id, ids, theirs in flooded.sort("ids", descending=True)
        .select("item_id", "ids", "theirs")
        .head(MOST_NAMED)
        .rows()
    ]


def _of_spellings(users: pl.DataFrame) -> _Part | None:
    """Ids that are one but for blanks, signs that nobody sees, `.0`, leading zeros, or the writing of a mail address (never named)."""
    mail = pl.col("user_id").str.contains("@", literal=True)
    trimmed = alike(pl.col("user_id"), ("trim",))
    one = pl.when(mail).then(trimmed.str.to_lowercase()).otherwise(alike(trimmed, ("whole", "unpad")))
    several = users.with_columns(one.alias("one"), mail.alias("mail")).filter(pl.len().over("one") > 1)
    if several.is_empty():
        return None
    named = several.filter(~pl.col("mail")).group_by("one", maintain_order=True).agg(pl.col("user_id").sort())
    example = ", ".join(repr(each) for each in named["user_id"][0]) if named.height else "two spellings of one mail address"
    rules = "" if named.height else ', or set `data.ids.user = ["trim", "lower"]`'
    advice = f"if they are one customer each, export the ids as text and in one spelling{rules}"
    return (
        "is not the same id as another but for blanks, signs that nobody sees, `.0`, zeros, case or `mailto:`",
        int(several["rows"].sum()),
        example,
        advice,
        "note",
    )


def _named(user_id: str) -> str:
    """An id that is no person's, so that it can be looked for and listed; of what may be somebody's address the shape only."""
    return shown("id", user_id) if "@" in user_id else user_id


def _among(count: int) -> str:
    return f" (and {count - 1:,} more)" if count > 1 else ""
