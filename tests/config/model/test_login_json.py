"""Tests of `corsgate.config.model.login_json`."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.login_json import (
    MAX_BYTES,
    MAX_DEPTH,
    JsonObject,
    JsonValue,
    encoded,
    leaves,
)
from corsgate.config.model.secret import Secret, secrets_of, with_secrets
from corsgate.config.model.session import SessionCredentials
from corsgate.errors import BadValue

PASSWORD = Secret('p\u00e4ss \U0001f511"\\')
RPC: JsonObject = JsonObject(
    (
        ("method", Secret("login")),
        ("params", (1, 2.5, True, (), JsonObject(()), JsonObject((("a.b", PASSWORD),)))),
    )
)


def login(*members: tuple[str, JsonValue]) -> SessionCredentials:
    """Return credentials that log in with JSON."""
    return SessionCredentials(login_url="/", json=members)


def nested(levels: int) -> JsonValue:
    """Return arrays in each other."""
    value: JsonValue = 1
    for _ in range(levels):
        value = (value,)
    return value


class JsonTests(SynchronousTestCase):
    """The JSON of a login."""

    def test_encoded(self) -> None:
        """Arrays, objects, numbers and any characters arrive as they are written."""
        body = encoded(RPC.members)
        wanted = {
            "method": "login",
            "params": [1, 2.5, True, [], {}, {"a.b": PASSWORD.reveal()}],
        }
        self.assertEqual(json.loads(body), wanted)
        self.assertIn(b"[1, 2.5, true, [], {}, ", body)

    def test_leaves(self) -> None:
        """Each leaf has its place."""
        places = [place for place, _ in leaves(RPC.members)]
        inside = [("params", 0), ("params", 1), ("params", 2), ("params", 3), ("params", 4)]
        self.assertEqual(places, [("method",), *inside, ("params", 5, "a.b")])

    def test_types_differ(self) -> None:
        """JSON that differs only in a type is different, or a reload would ignore the change."""
        values: tuple[Any, ...] = (True, 1, 1.0, (), JsonObject(()), (1,), JsonObject((("0", 1),)))
        for value in values:
            equal = [each for each in values if login(("a", (value,))) == login(("a", (each,)))]
            self.assertEqual([repr(each) for each in equal], [repr(value)])
            self.assertEqual(hash(login(("a", value))), hash(login(("a", value))))
        forms = [SessionCredentials(login_url="/", form=(("a", each),)) for each in (True, 1)]
        self.assertNotEqual(*forms)

    def test_secrets(self) -> None:
        """All text is secret at any depth: it is found, replaced and not shown."""
        credentials = login(*RPC.members)
        self.assertEqual(list(secrets_of(credentials)), [Secret("login"), PASSWORD])
        changed = with_secrets(credentials, lambda each: Secret(f"new {each.reveal()}"))
        self.assertIn(b'"a.b": "new p', encoded(changed.json))
        self.assertNotEqual(changed, credentials)
        for shown in (repr(credentials), repr(RPC), f"{credentials.json}"):
            self.assertNotIn('login"', shown)
            self.assertNotIn("ss ", shown)

    def test_bounds(self) -> None:
        """JSON that is too deep, too large or can't be sent is not made, nor by a new secret."""
        login(("a", nested(MAX_DEPTH - 1)))
        credentials = login(("a", Secret("x")))
        for value in (
            nested(MAX_DEPTH),
            (JsonObject((("", 1),)),),
            JsonObject((("\n", 1),)),
            (float("nan"),),
            (float("-inf"),),
            (Secret(""),),
            Secret("x" * MAX_BYTES),
        ):
            self.assertRaises(BadValue, login, ("a", value))
        self.assertRaises(BadValue, login, ("", 1))
        huge = Secret("x" * MAX_BYTES)
        self.assertRaises(BadValue, with_secrets, credentials, lambda each: huge)
