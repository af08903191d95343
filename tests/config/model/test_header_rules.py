"""Tests of `corsgate.config.model.header_rules`: fields that an operator sets, adds or removes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.header_rules import (
    PLACEHOLDERS,
    HeaderField,
    HeaderRules,
    check_request_name,
    check_response_name,
    check_sent_name,
    check_value,
    looks_secret,
    parse_value,
)
from corsgate.config.model.secret import Secret
from corsgate.errors import BadValue


class ValueTests(SynchronousTestCase):
    """`parse_value`."""

    def test_parts(self) -> None:
        """Literal text and placeholders alternate; doubled braces are braces."""
        for text, wanted in (
            ("a b", [("a b", "")]),
            ("{host}", [("", "host")]),
            ("for={client_ip};a", [("for=", ""), ("", "client_ip"), (";a", "")]),
            ("{{host}}", [("{", ""), ("host", ""), ("}", "")]),
            ("{{{host}}}", [("{", ""), ("", "host"), ("}", "")]),
        ):
            self.assertEqual(list(parse_value(text)), wanted, text)

    def test_bad(self) -> None:
        """What can't be sent, or names something else, is rejected."""
        for text, wanted in (
            ("", "can't be the value of a header"),
            (" a", "can't be the value of a header"),
            ("a\r\nX: 1", "can't be the value of a header"),
            ("a\0", "can't be the value of a header"),
            ("\xe9", "it can't be the value of a header"),
            ("{", "it has a single brace"),
            ("a}b", "has a single brace"),
            ("{}", '"{}" is unknown'),
            ("{clientip}", '"{clientip}" is unknown'),
            ("{host!r}", '"{host!r}" is unknown'),
        ):
            with self.assertRaises(BadValue) as caught:
                check_value(text)
            self.assertIn(wanted, caught.exception.problem)

    @given(st.text(alphabet=st.characters(max_codepoint=255), max_size=12))
    def test_anything(self, text: str) -> None:
        """Whatever is accepted is one line of ASCII without spaces at its ends."""
        try:
            parts = list(parse_value(text))
        except BadValue:
            return
        value = "".join(literal for literal, _ in parts)
        self.assertTrue(value.isascii() and value.isprintable())
        self.assertTrue(all(name in ("", *PLACEHOLDERS) for _, name in parts))


class NameTests(SynchronousTestCase):
    """Which fields are the operator's."""

    def test_request(self) -> None:
        """What the gate or CORS needs is not the operator's, however it is spelled."""
        for name in ("X-A", "Cookie", "X-Real-IP", "X-Forwarded-Prefix", "X-Forwarded-Port"):
            check_sent_name(name)
        check_request_name("Authorization")
        for name, fix in (
            ("Authorization", "set credentials on the upstream"),
            ("Origin", "set origin on the upstream instead"),
            ("referer", "set origin on the upstream instead"),
            ("Sec_Fetch-Site", "set origin on the upstream instead"),
            ("Host", "set preserve_host instead"),
            ("X_Forwarded_For", "set forwarded instead"),
            ("Forwarded", "set forwarded instead"),
            ("Via", "set via = false to send no Via"),
            ("CDN-Loop", "set via = false to send no Via"),
            ("Content-Length", "remove it"),
            ("transfer_encoding", "remove it"),
            ("TE", "remove it"),
            ("Expect", "remove it"),
            ("Upgrade", "remove it"),
            ("Sec-WebSocket-Key", "remove it"),
            ("Access-Control-Request-Method", "remove it"),
            ("a b", 'write a name, such as "X-Api-Version"'),
            ("", 'write a name, such as "X-Api-Version"'),
        ):
            with self.assertRaises(BadValue, msg=name) as caught:
                check_sent_name(name)
            self.assertEqual(caught.exception.fix, fix)

    def test_response(self) -> None:
        """Neither are the fields of CORS, of framing, and those that the gate merges."""
        for name in ("X-Frame-Options", "Set-Cookie", "Location", "Origin-Agent-Cluster"):
            check_response_name(name)
        for name in (
            "Access-Control-Allow-Origin",
            "access_control-max-age",
            "Vary",
            "Date",
            "Content-Length",
            "Connection",
            "Sec-WebSocket-Accept",
            "a:b",
        ):
            with self.assertRaises(BadValue, msg=name):
                check_response_name(name)

    def test_looks_secret(self) -> None:
        """A field whose name says so is a secret, unless its value is another one each time."""
        for name in (
            *(
                "X-Api-Key",
                "x_api_key",
                "X-Auth-Token",
                "Cookie",
                "X-Session",
                "PassWord",
                "X-Auth",
            ),
            *("Ocp-Apim-Subscription-Key", "x-functions-key", "X-Pwd", "X-JWT", "X-Credentials"),
        ):
            self.assertTrue(looks_secret(name, "text"))
            self.assertFalse(looks_secret(name, "{request_id}"))
        for name in ("X-Api-Version", "Accept", "X-Key"):
            self.assertFalse(looks_secret(name, "text"))


class RulesTests(SynchronousTestCase):
    """`HeaderRules`."""

    RULES = HeaderRules(
        set=(HeaderField("X-A", "1{{"), HeaderField("X_Key", Secret("hunter2"))),
        add=(HeaderField("X-B", "{host}"), HeaderField("X-A", "2")),
        remove=("Cookie",),
    )

    def test_dropped(self) -> None:
        """What is set or removed does not pass in any spelling; what is added does."""
        self.assertEqual(self.RULES.dropped, {b"x-a", b"x-key", b"cookie"})
        self.assertEqual(HeaderRules().dropped, frozenset())

    def test_constant(self) -> None:
        """Values without a placeholder are known, secrets only where they may be."""
        key = (b"X_Key", b"hunter2")
        self.assertEqual(self.RULES.constant(), [(b"X-A", b"1{"), key, (b"X-A", b"2")])
        self.assertNotIn(key, self.RULES.constant(secrets=False))

    def test_secret(self) -> None:
        """A secret is known as one, and is never shown."""
        self.assertEqual(len(self.RULES.secret_names), 1)
        self.assertFalse(HeaderRules(set=(HeaderField("X-A", "1"),)).secret_names)
        for shown in (repr(self.RULES), str(self.RULES), str(self.RULES.set[1])):
            self.assertNotIn("hunter2", shown)
        self.assertEqual(str(self.RULES.set[1]), "X_Key: a secret")

    def test_always_valid(self) -> None:
        """No instance holds what can't be sent."""
        for name, value in (("a b", "1"), ("X-A", "a\nb"), ("X-A", Secret("a\nb"))):
            with self.assertRaises(BadValue) as caught:
                HeaderField(name, value)
            self.assertNotIn("a\nb", str(caught.exception))
