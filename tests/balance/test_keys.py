"""The keys by which requests are balanced."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.balance.keys import key_reader
from corsgate.message.headers import index_headers

INDEX = index_headers([(b"X-Tenant", b"blue"), (b"Cookie", b"a=1; session=s7")])


class KeyTests(SynchronousTestCase):
    def test_kinds(self) -> None:
        """Each kind reads its own part of a request."""
        table = {
            "client": b"192.0.2.1",
            "target": b"/v1/x?y",
            "header:x-tenant": b"blue",
            "cookie:session": b"s7",
        }
        found = {on: key_reader(on)(INDEX, b"/v1/x?y", "192.0.2.1") for on in table}
        self.assertEqual(found, table)

    def test_without(self) -> None:
        """Without the field or cookie, the key is the client's address."""
        for hash_on in ("header:X-Tenant", "cookie:session"):
            self.assertEqual(key_reader(hash_on)({}, b"/", "192.0.2.1"), b"192.0.2.1")

    def test_all_values(self) -> None:
        """Repeated fields are joined to one key."""
        index = index_headers([(b"X-Tenant", b"a"), (b"X-Tenant", b"b")])
        self.assertEqual(key_reader("header:X-Tenant")(index, b"/", "c"), b"a, b")
