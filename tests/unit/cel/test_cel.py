"""Expressions as Kubernetes evaluates them: the language, its libraries, what goes wrong."""

# ruff: noqa: E501  (messages are shown as they are)

from __future__ import annotations

from typing import Any

import pytest

from sealane.kube.cel.environment import CelError, compiled, duration, timestamp
from sealane.kube.cel.names import escaped

SELF = (("self", "dyn"),)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("self.a == 1 && !has(self.b)", {"a": 1}),
        ("self.all(x, x > 0) && self.exists(x, x == 2) && self.exists_one(x, x == 1)", [1, 2]),
        ("self.all(k, v, k == 'a' && v == 1)", {"a": 1}),
        ("self.map(x, x * 2) == [2, 4] && self.filter(x, x > 1).size() == 1", [1, 2]),
        ("self.?a.?b.orValue(3) == 3 && self[?'a'].orValue(1) == 1", {}),
        ("optional.none().hasValue() == false", None),
        ("self.isSorted() && self.sum() == 6 && self.min() == 1 && self.max() == 3", [1, 2, 3]),
        ("self.find('[0-9]+') == '12' && self.findAll('[a-z]') == ['a', 'b'] && self.findAll('.', 1) == ['a']", "ab12"),
        ("isURL(self) && url(self).getHostname() == 'a.b' && url(self).getPort() == '80'", "http://u@a.b:80/x%20y?q=1"),
        ("url(self).getScheme() == 'http' && url(self).getEscapedPath() == '/x%20y'", "http://a.b:80/x%20y?q=1"),
        ("url(self).getQuery()['q'] == ['1', '2'] && url(self).getHost() == 'a.b:80'", "http://a.b:80/?q=1&q=2"),
        ("quantity(self).isGreaterThan(quantity('1000Mi')) && quantity(self).asInteger() == 1073741824", "1Gi"),
        (
            "quantity('1k') == quantity('1000') && quantity('1500m').add(quantity('0.5')).compareTo(quantity('2')) == 0",
            0,
        ),
        ("quantity(self).sub(1).asApproximateFloat() == 0.5 && quantity('-1').sign() == -1", "1500m"),
        ("isQuantity('1Ki') && !isQuantity('1K') && quantity('1').isInteger() && !quantity('1m').isInteger()", 0),
        ("isIP(self) && ip(self).family() == 4 && ip(self).isGlobalUnicast() && ip.isCanonical(self)", "10.2.3.4"),
        ("ip('::1').isLoopback() && ip('fe80::1').isLinkLocalUnicast() && ip('224.0.0.1').isLinkLocalMulticast()", 0),
        ("!isIP('1.2.3') && !isIP('::ffff:1.2.3.4') && ip('::').isUnspecified()", 0),
        ("cidr(self).containsIP('10.2.3.4') && cidr(self).containsIP(ip('10.0.0.1'))", "10.0.0.0/8"),
        ("cidr(self).containsCIDR('10.1.0.0/16') && cidr('10.1.2.3/8').masked() == cidr(self)", "10.0.0.0/8"),
        ("cidr(self).ip() == ip('10.0.0.0') && cidr(self).prefixLength() == 8 && isCIDR(self)", "10.0.0.0/8"),
        ("!format.dns1123Label().validate('a').hasValue() && format.dns1123Label().validate(self).hasValue()", "A"),
        ("format.named('uuid').value().validate(self).orValue([]) == ['does not match the UUID format']", "x"),
        ("!format.named('nothing').hasValue()", 0),
        ("semver(self).isLessThan(semver('v2', true)) && semver(self).minor() == 2 && isSemver('1.0.0-rc.1')", "1.2.3"),
        ("semver('1.0.0-rc.1').compareTo(semver('1.0.0')) == -1 && !isSemver('v1')", 0),
        ("sets.contains(self, [1]) && sets.equivalent(self, [2, 1]) && sets.intersects(self, [1, 9])", [1, 2]),
        ("self.lowerAscii() == 'abc' && self.split('').size() == 3 && '%s-%d'.format([self, 2]) == 'aBc-2'", "aBc"),
        ("self.replace('b', 'x').substring(1) == 'xc' && self.charAt(0) == 'a' && ' x '.trim() == 'x'", "abc"),
        ("jsonpatch.escapeKey(self) == 'a~1b~0'", "a/b~"),
        ("duration('90m') == duration('1h30m') && timestamp('2026-01-01T00:00:00Z').getFullYear() == 2026", 0),
        ('self.matches(r"""^a\\.b$""")', "a.b"),
        ("self.x < 1.5 && self.x < 2", {"x": 1}),
    ],
)
def test_holds(expression: str, value: Any) -> None:
    assert compiled(expression, SELF).holds({"self": value})


@pytest.mark.parametrize(
    ("expression", "value", "why"),
    [
        ("self.a == 1", {}, "no such key: a"),
        ("self[3] == 1", [], "index out of bounds: 3"),
        ("1 / self == 1", 0, "division by zero"),
        ("self + 1 == 2", "x", "no such overload"),
        ("self + 9223372036854775807 > 0", 1, "integer overflow"),
        ("ip(self).family() == 4", "x", "does not appear to be an IPv4 or IPv6 address"),
        ("self.max() == 1", [], "max called on empty list"),
    ],
)
def test_has_no_value(expression: str, value: Any, why: str) -> None:
    with pytest.raises(CelError, match=why):
        compiled(expression, SELF).holds({"self": value})


@pytest.mark.parametrize(
    ("expression", "type_", "why"),
    [
        ("self == x", "dyn", "ERROR: <input>:1:9: undeclared reference to 'x'"),
        ("self.size() > 'a'", "list<dyn>", "found no matching overload for '_>_' applied to '(int, string)'"),
        ("self + 1 == 2", "string", "found no matching overload for '_+_' applied to '(string, int)'"),
        ("self ==", "dyn", "Syntax error"),
    ],
)
def test_does_not_compile(expression: str, type_: str, why: str) -> None:
    with pytest.raises(CelError) as refused:
        compiled(expression, (("self", type_),))
    assert why in str(refused.value)


def test_times_of_objects() -> None:
    program = compiled("self.t > timestamp('2026-01-01T00:00:00Z') && self.d < duration('2h')", SELF)
    assert program.holds({"self": {"t": timestamp("2026-01-02"), "d": duration("1h59m59.9s")}})
    with pytest.raises(ValueError, match="no duration"):
        duration("soon")


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        ("plain", "plain"),
        ("a.b-c/d", "a__dot__b__dash__c__slash__d"),
        ("a__b", "a__underscores__b"),
        ("namespace", "__namespace__"),
        ("int", "int"),
        ("1a", None),
        ("a b", None),
        ("", None),
    ],
)
def test_names(name: str, identifier: str | None) -> None:
    assert escaped(name) == identifier
