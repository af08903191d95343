"""Tests of `corsgate.config.model.request_rules`: what an upstream is shown of who asks."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.request_rules import (
    ORIGIN_MODES,
    RequestRules,
    check_forwarded,
    check_origin,
)
from corsgate.errors import BadValue
from corsgate.message.identity import FORWARDED_FIELDS

GOOD = (
    *ORIGIN_MODES,
    "https://box.example",
    "http://10.0.0.11:8000",
    "http://[::1]:8000",
    "http://localhost",
)
BAD = {
    "": '"" is unknown; write "server", "gate", "drop" or "keep", or an origin, such as'
    ' "https://box.example"',
    "sever": '"sever" is unknown; write "server", "gate", "drop" or "keep", or an origin, such as'
    ' "https://box.example"',
    "ws://box": '"ws://box" is unknown; write "server", "gate", "drop" or "keep", or an origin,'
    ' such as "https://box.example"',
    "https://Box": '"https://Box" has upper-case letters; write "https://box"',
    "HTTPS://box": '"HTTPS://box" has upper-case letters; write "https://box"',
    "https://u:hunter2@box": "it has a user name or password before the host; leave out everything"
    " up to the '@'",
    "https://box/": '"https://box/" has a path; write "https://box"',
    "https://box/a/b": '"https://box/a/b" has a path; write "https://box"',
    "https://box:443": '"https://box:443" has the default port, which browsers leave out; write'
    ' "https://box"',
    "http://box:80": '"http://box:80" has the default port, which browsers leave out; write'
    ' "http://box"',
    "http://box:0": '"http://box:0" has a bad port; write a port from 1 to 65535',
    "http://box:080": '"http://box:080" has a port with a leading zero; leave out the zero',
    "http://a b": '"a b" is not a host name; write a host name or an IP address',
    "http://box\r\nx": '"box\\u000d\\u000ax" is not a host name; write a host name or an IP'
    " address",
    "http://": '"" is not a host name; write a host name or an IP address',
}


class ForwardedTests(SynchronousTestCase):
    """`check_forwarded`."""

    def test_names(self) -> None:
        """The five fields are known in any case, and no others."""
        for name in (*FORWARDED_FIELDS, "Forwarded", "X-Forwarded-Prefix"):
            check_forwarded(name)
        for name in ("", "X-Real-IP", "x-forwarded-port", "Via"):
            with self.assertRaises(BadValue):
                check_forwarded(name)
            with self.assertRaises(BadValue):
                RequestRules(forwarded=(name,))


class OriginTests(SynchronousTestCase):
    """`check_origin`."""

    def test_good(self) -> None:
        """The words and origins as browsers write them are valid."""
        for text in GOOD:
            check_origin(text)
            self.assertEqual(RequestRules(origin=text).origin, text)
        self.assertIsNone(RequestRules().origin)

    def test_bad(self) -> None:
        """Anything else is rejected, with the fix."""
        for text, wanted in BAD.items():
            with self.assertRaises(BadValue) as caught:
                check_origin(text)
            error = caught.exception
            self.assertEqual(f"{error.problem}; {error.fix}", wanted)
