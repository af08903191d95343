"""Tests of `corsgate.config.diff_signing`: a change of credentials, in words."""

from __future__ import annotations

import tomllib

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.diff import differences
from corsgate.config.diff_signing import credentials_text, part_pairs
from corsgate.config.model.values import (
    Credentials,
    HeaderCredentials,
    QueryCredentials,
    Secret,
    Server,
    SeveralCredentials,
    Upstream,
)
from tests.config.support import ROUTE, TOP, UPSTREAM, parse

OLD, NEW = Secret("old-secret"), Secret("new-secret")


def key(value: Secret = OLD) -> HeaderCredentials:
    """Return a header."""
    return HeaderCredentials(name="X-Key", value=value)


def upstream_with(credentials: Credentials | None) -> Upstream:
    """Return an upstream."""
    server = Server(scheme="http", host="h", port=1)
    return Upstream(name="a", servers=(server,), credentials=credentials)


def tenant(value: Secret = OLD) -> QueryCredentials:
    """Return a parameter."""
    return QueryCredentials(name="tenant", value=value)


class TextTests(SynchronousTestCase):
    """`credentials_text`."""

    def test_names(self) -> None:
        """Names are listed; a table that stands there has none."""
        several = SeveralCredentials(parts=(key(), tenant()))
        for written, credentials, text in (
            ("b", key(), "b (header)"),
            (["b", "c"], several, "b, c (header and query)"),
            (["b", {"type": "query"}], several, "b (header and query)"),
            ({"type": "header"}, key(), "header"),
            ([{"type": "header"}], key(), "header"),
        ):
            document = {"upstreams": {"a": {"credentials": written}}}
            found = credentials_text(document, upstream_with(credentials))
            self.assertEqual(found, text)
        self.assertEqual(credentials_text({}, upstream_with(None)), "")


class PairsTests(SynchronousTestCase):
    """`part_pairs`, and what is said of them."""

    def test_pairs(self) -> None:
        """Parts are compared one by one while their kinds stay."""
        old = SeveralCredentials(parts=(key(), tenant()))
        new = SeveralCredentials(parts=(key(), tenant(NEW)))
        self.assertEqual(part_pairs(old, new), [(key(), key()), (tenant(), tenant(NEW))])
        self.assertEqual(part_pairs(key(), key(NEW)), [(key(), key(NEW))])
        self.assertEqual(part_pairs(None, None), [])
        self.assertIsNone(part_pairs(key(), new))

    def words(self, old: str, new: str) -> list[str]:
        """Return the differences between two tables ``[credentials.b]``."""
        texts = [
            f'{TOP}{UPSTREAM}credentials = "b"\n{ROUTE}[credentials.b]\n{table}\n'
            for table in (old, new)
        ]
        before, after = map(parse, texts)
        return [str(each) for each in differences(before, after, *map(tomllib.loads, texts))]

    def test_words(self) -> None:
        """A changed secret, and another number of headers, are reported without the secret."""
        one = 'type = "header"\nheaders = { X-Key = "old-secret" }'
        two = 'type = "header"\nheaders = { X-Key = "old-secret", X-B = "old-secret" }'
        renewed = two.replace('X-B = "old', 'X-B = "new')
        self.assertEqual(
            self.words(two, renewed), ["~ upstreams.a, credentials b (header): value changed"]
        )
        self.assertEqual(
            self.words(one, two),
            ["~ upstreams.a: the credentials b (header) have other parts"],
        )
        (changed,) = self.words(one, 'type = "query"\nname = "X-Key"\nvalue = "old-secret"')
        self.assertIn("it uses the credentials b (query), previously b (header)", changed)
