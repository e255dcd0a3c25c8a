"""The figures of two nodes against one: what follows where cores allow."""

from __future__ import annotations

import pytest

from benchmarks.http.nodes import Spent, ratio


def test_two_nodes_answer_twice_as_much_where_a_request_costs_the_same() -> None:
    """Less by as much as a request costs more, the server's time counted as the service's."""
    one = Spent(rate=500.0, service=1.0, server=0.25)
    assert ratio(one, one._replace(rate=100.0)) == pytest.approx(2.0)
    assert ratio(one, Spent(500.0, service=2.0, server=0.5)) == pytest.approx(1.0)
    assert ratio(one, one._replace(server=0.5)) == pytest.approx(2 * 1.25 / 1.5)
