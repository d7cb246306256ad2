"""What expressions cost: kube-apiserver's units, what an estimate says, and evaluations that end where it is too much."""

# ruff: noqa: E501  (messages are shown as they are)

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.cel.test_cel import SELF, test_holds

from sealane.kube.cel import budget
from sealane.kube.cel.environment import CelError, compiled, tracked_value

HOLD = next(mark.args[1] for mark in test_holds.pytestmark if mark.name == "parametrize")  # type: ignore[attr-defined]
OTHERS: list[tuple[str, Any]] = [
    ("self.a.all(x, self.b.exists(y, x == y)) || self.a[9] == 1", {"a": [1, 2], "b": [2, 1]}),
    ("self.a.exists(x, x.b == 1) && self.c == 1", {"a": [{}, {"b": 1}], "c": 1}),
    ("self.a.map(x, x > 1, x * 2) == [4, 6] && self.a.filter(x, x != 2) == [1, 3]", {"a": [1, 2, 3]}),
    ("self.a.map(x, self.a.map(y, x * y)) == [[1, 2], [2, 4]]", {"a": [1, 2]}),
    ("self.all(k, v, k == 'a' && v == 1) && self.transformList(k, v, k) == ['a']", {"a": 1}),
    ("self.all(i, v, i + 1 == v) && cel.bind(n, self.size(), n * n == 9)", [1, 2, 3]),
    ("self.?a.optMap(x, x + 1).orValue(0) == 2 && self.?b.optMap(x, x.c).orValue(7) == 7", {"a": 1}),
    ("self.?a.orValue([1, 2]).all(x, x > 0) && has(self.b.c) && !has(self.b.d)", {"b": {"c": 1}}),
    ("{'x': self.a.map(x, x + 'b')}['x'][0] == 'ab' && [self.a.exists(x, x == 'a')][0]", {"a": ["a"]}),
    ("self.replace('a', self).replace('b', 'cc') == 'ccacc' || self.replace('b', 'x').size() == 3", "bab"),
    ("self.a == null || self.a.size() > 0", {"a": None}),
    (
        "self.sort() == [1, 2] && self.distinct().size() == 2 && self.sortBy(x, -x) == [2, 1] && [self].flatten() == self",
        [2, 1],
    ),
    ("(self.a > 0 ? self.b : self.c) == 'x' && !(self.b in ['y']) && 'b' in self", {"a": 1, "b": "x"}),
    ("self.a.exists_one(x, x == 1.0) && self.a.exists(x, x in [2u]) && self.a[0] != '1'", {"a": [1, 2]}),
    ("timestamp(self) + duration('1h') == timestamp('2026-01-01T01:00:00Z')", "2026-01-01T00:00:00Z"),
]


@pytest.mark.parametrize(("expression", "value"), [*HOLD, *OTHERS])
def test_step_by_step_is_the_same(expression: str, value: Any) -> None:
    program = compiled(expression, SELF)
    assert program.value({"self": value}) is True
    assert tracked_value(program, {"self": value}) is True


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("self.a.b == 1", {"a": {}}),
        ("self.a.all(x, x.b == 1)", {"a": [{}]}),
        ("self.a.exists(x, x.b == 1) && self.c", {"a": [{}], "c": 1}),
        ("self.a + 1 == 2", {"a": "x"}),
        ("self.all(x, x)", 3),
        ("1 / self == 1", 0),
        ("self[3].contains('x')", [1]),
        ("!self", "x"),
    ],
)
def test_errors_are_the_same(expression: str, value: Any) -> None:
    program = compiled(expression, SELF)
    with pytest.raises(CelError) as one:
        program.value({"self": value})
    with pytest.raises(CelError) as two:
        tracked_value(program, {"self": value})
    assert str(one.value) == str(two.value)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("self.all(x, self.all(y, x >= 0 && y >= 0))", list(range(1000))),
        ("self.all(x, x in self)", list(range(5000))),
        ("self.exists_one(x, sets.contains(self, self))", list(range(500))),
        ("lists.range(100000000).size() > 0", None),
        ("self.all(x, !self[0].matches('(a|b)*c(d|e)*'))", ["a" * 10_000] * 1000),
        ("self.map(x, self.map(y, self.map(z, x + y + z))).size() > 0", list(range(200))),
    ],
)
def test_too_much_is_refused(expression: str, value: Any) -> None:
    with pytest.raises(CelError, match="operation cancelled: actual cost limit exceeded"):
        compiled(expression, SELF).holds({"self": value})


def test_what_kube_apiserver_allows_is_evaluated() -> None:
    """More than 10,000 iterations, at which the runtime ends by itself."""
    names = [{"name": f"n{index}"} for index in range(150)]
    assert compiled("self.all(x, self.exists_one(y, x.name == y.name))", SELF).holds({"self": names})
    assert compiled("self.map(x, x + 1).filter(x, x > 0).size() == 30000", SELF).holds({"self": list(range(30_000))})


def test_a_budget_is_for_all_of_a_request() -> None:
    names = list(range(150))
    rule = compiled("self.all(x, self.exists_one(y, x == y))", SELF)

    def judged(times: int) -> int:
        return sum(rule.holds({"self": names}) for _ in range(times))

    assert budget.within(10_000_000, lambda: judged(3), judged, 3, key=1) == 3
    with pytest.raises(CelError, match="running out of cost budget"):
        budget.within(200_000, lambda: judged(3), judged, 3, key=1)
