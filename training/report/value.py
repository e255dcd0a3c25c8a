"""The report's section on customer value: revenue so far and expected revenue of each customer group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from recsys.engine.pipeline import Engine
from recsys.types import Lifecycle, Mask
from training.job.customer_value import Fit

Worth: TypeAlias = Mapping[str, NDArray[np.float64]]
"""What is known of every customer, by the names of `training.job.customer_value.value_arrays`."""


@dataclass(frozen=True)
class CustomerGroup:
    """A part of the customers: its share of all and of the revenue so far, and the orders and money that it is expected to bring;
    None: not known of anybody."""

    name: str
    people: int
    share: float
    revenue_share: float | None
    orders: float | None
    money: float | None
    money_share: float | None


@dataclass(frozen=True)
class Value:
    """All customers, by lifecycle stage, and in tenths, those of whom most is expected first; `richest` is the tenth who brought
    most so far."""

    fit: Fit
    everybody: CustomerGroup
    stages: tuple[CustomerGroup, ...]
    tenths: tuple[CustomerGroup, ...]
    richest: CustomerGroup | None

    @property
    def of_stage(self) -> Mapping[str, CustomerGroup]:
        """Lifecycle stage = what is expected of those in it; empty where nothing is."""
        return {each.name: each for each in self.stages} if self.everybody.orders is not None else {}


def sum_up_value(engine: Engine, now: int) -> Value | None:
    """Sum up at `now` (microseconds) what the snapshot says of its customers; None if it holds no values, or nobody ordered."""
    group = engine.snapshot.groups.get("value")
    if not group:
        return None
    values = {name: array.astype(np.float64) for name, array in group.items()}
    customers = np.flatnonzero(values["orders"])
    if not len(customers):
        return None
    worth = _known({name: values[name][customers] for name in ("revenue", "expected_orders", "expected_value")})
    stages = _stages(engine, customers, now)
    named = [(name, stages == name) for name in get_args(Lifecycle)]
    tenths = _tenths(worth.get("expected_value", worth.get("expected_orders")))
    return Value(
        fit=Fit(*values["fit"].tolist()),
        everybody=_part("all", np.ones(len(customers), bool), worth),
        stages=tuple(_part(name, chosen, worth) for name, chosen in named if chosen.any()),
        tenths=tuple(_part(str(number), chosen, worth) for number, chosen in enumerate(tenths, 1)),
        richest=_part("richest", _tenths(worth["revenue"])[0], worth) if "revenue" in worth else None,
    )


def _known(values: Worth) -> Worth:
    """Return what is known of somebody and comes to something, with 0 for the others."""
    return {name: np.nan_to_num(each) for name, each in values.items() if np.nansum(each) > 0}


def _stages(engine: Engine, customers: NDArray[np.intp], now: int) -> NDArray[np.str_]:
    """Every customer's lifecycle stage, as the pipeline sees it."""
    histories, profile = engine.snapshot.histories, engine.profiler.profile
    return np.array([profile(None, histories.at(row), now).lifecycle for row in customers.tolist()])


def _tenths(values: NDArray[np.float64] | None) -> Sequence[Mask]:
    """Ten parts of the customers, as even as can be, the largest values first; none without values."""
    if values is None:
        return []
    parts = np.array_split(np.argsort(-values, kind="stable"), 10)
    return [np.isin(np.arange(len(values)), part) for part in parts if len(part)]


def _part(name: str, chosen: Mask, worth: Worth) -> CustomerGroup:
    sums = {key: float(values[chosen].sum()) for key, values in worth.items()}
    shares = {key: sums[key] / float(values.sum()) for key, values in worth.items()}
    return CustomerGroup(
        name=name,
        people=int(chosen.sum()),
        share=float(chosen.mean()),
        revenue_share=shares.get("revenue"),
        orders=sums.get("expected_orders"),
        money=sums.get("expected_value"),
        money_share=shares.get("expected_value"),
    )
