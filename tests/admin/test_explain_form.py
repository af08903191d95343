"""``/api/explain``."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from corsgate.admin.explain_form import MAX_BODY_BYTES, MAX_HEADERS, explained, from_query
from corsgate.admin.resource import JSON
from corsgate.admin.tree import populate
from corsgate.errors import BadValue
from tests.admin.support import ADMIN, AdminTestCase, port_of, view_of
from tests.admin.test_turns import TurnByTurn
from tests.cli.commands import corsgate
from tests.gate.test_refusal_fix import CONFIG, TOML
from tests.peers import Message, reactor, request

ASKED = {
    "origin": "http://app.example",
    "method": "PUT",
    "url": "http://localhost:5555/v1/x",
    "headers": ["X-App", "Content-Type: application/json"],
    "credentials": True,
}
EXPLAIN = b"/api/explain"


class ExplainedTests(SynchronousTestCase):
    """`explained`."""

    def test_same_as_the_command(self) -> None:
        """It is what ``corsgate explain`` prints for the file, as text and as JSON."""
        path = self.mktemp()
        with open(path, "w", encoding="utf-8") as file:
            file.write(TOML)
        arguments = ["explain", "--config", path, "--origin", "http://app.example"]
        arguments += ["--method", "PUT", "--header", "X-App", "--credentials"]
        arguments += ["--header", "Content-Type: application/json", "http://localhost:5555/v1/x"]
        found = explained(CONFIG, path, ASKED)
        self.assertEqual(corsgate(*arguments).out, found["text"])
        printed = json.loads(corsgate(*arguments, "--json").out)
        self.assertEqual({key: found[key] for key in printed}, printed)
        self.assertFalse(found["allowed"])

    def test_defaults(self) -> None:
        """Only the page and the URL are required."""
        found = explained(CONFIG, "", {"origin": "https://app.example", "url": ASKED["url"]})
        self.assertEqual((found["allowed"], found["method"], found["file"]), (True, "GET", None))

    def test_faults(self) -> None:
        """What is wrong is named, and how to do it right."""
        for asked, words in (
            ([], "not a JSON object"),
            ({}, "origin is missing"),
            ({**ASKED, "origin": ""}, "origin is missing"),
            (
                {**ASKED, "origin": "localhost:4200"},
                'origin: "localhost:4200" has no scheme; did you mean "http://localhost:4200"?',
            ),
            ({**ASKED, "url": 7}, "url has a wrong type: it must be str"),
            ({**ASKED, "url": "/v1"}, "not an http or https URL"),
            ({**ASKED, "url": "http://127.0.0.1:1/x"}, "bypass the gate"),
            ({**ASKED, "method": "A B"}, "is not a method"),
            ({**ASKED, "headers": "X-App"}, "headers has a wrong type: it must be list"),
            ({**ASKED, "headers": [1]}, "headers is not a list"),
            ({**ASKED, "headers": ["a"] * (MAX_HEADERS + 1)}, "headers is not a list"),
            ({**ASKED, "headers": ["a b: c"]}, "is not a header name"),
            ({**ASKED, "credentials": "yes"}, "credentials has a wrong type: it must be bool"),
            ({**ASKED, "origin": "h" * 10_000}, "longer than"),
            ({**ASKED, "orgin": ""}, '"orgin" is not a key'),
            ({**ASKED, "url": "http://localhost/\ud800"}, "half of a surrogate pair"),
            ({**ASKED, "method": "\udfff"}, "half of a surrogate pair"),
            ({**ASKED, "headers": ["X-A: \ud800"]}, "half of a surrogate pair"),
        ):
            with self.subTest(words=words):
                error = self.assertRaises(BadValue, explained, CONFIG, "", asked)
                self.assertIn(words, str(error))

    def test_query(self) -> None:
        """A query says the same."""
        query = (
            b"origin=http://app.example&method=PUT&url=http://localhost:5555/v1/x"
            b"&header=X-App&header=Content-Type:%20application/json&credentials=true"
        )
        self.assertEqual(from_query(query), ASKED)
        self.assertRaises(BadValue, from_query, b"&".join([b"a=1"] * 1000))


class ExplainTests(AdminTestCase):
    """`Explain`, over sockets."""

    async def explain(self, body: bytes | None, *headers: Any, method: bytes = b"POST") -> Message:
        """Send a request to a gate's admin listener; return the response."""
        gate = self.front(await self.upstream(), rest=ADMIN)
        self.config = gate.service.config
        service = self.admin(gate, partial(populate, view=view_of(gate), reactor=reactor))
        data = request(method, EXPLAIN, headers, body, host=b"localhost:9901")
        return await self.send_to(port_of(service), data)

    async def test_in_turns(self) -> None:
        """Of many questions at once each has a turn of the reactor, so others have theirs."""
        gate = self.front(await self.upstream(), rest=ADMIN)
        turns = TurnByTurn()
        service = self.admin(gate, partial(populate, view=view_of(gate), reactor=turns.itself))
        client = await self.connect_to(port_of(service))
        fields = [(b"Content-Type", JSON)]
        client.send(
            request(b"POST", EXPLAIN, fields, json.dumps(ASKED).encode(), host=b"localhost") * 3
        )
        for _ in range(3):
            await turns.when(lambda: turns.waiting == 1)
            self.assertEqual(client.data, b"")
            turns.turn()
            self.assertEqual((await client.response()).status, 200)

    async def test_post(self) -> None:
        """An explanation is JSON."""
        answer = await self.explain(json.dumps(ASKED).encode(), (b"Content-Type", JSON))
        self.assertEqual((answer.status, answer.one(b"Content-Type")), (200, JSON))
        self.assertEqual(json.loads(answer.body), explained(self.config, "gate.toml", ASKED))

    async def test_refused(self) -> None:
        """So is what is wrong with the question."""
        of_type = (b"Content-Type", JSON)
        for status, words, body, headers in (
            (400, "the body is not JSON", b"{", (of_type,)),
            (400, "the body is not JSON", b"[" * 10_000, (of_type,)),
            (400, "the body is not JSON", None, (of_type,)),
            (400, "origin is missing", b"{}", (of_type,)),
            (413, "the body is longer", b" " * (MAX_BODY_BYTES + 1), (of_type,)),
            (415, "Content-Type", b"{}", ((b"Content-Type", b"text/plain"),)),
            (415, "Content-Type", b"{}", ()),
        ):
            with self.subTest(words=words):
                answer = await self.explain(body, *headers)
                self.assertEqual(answer.status, status, answer.body)
                self.assertIn(words, json.loads(answer.body)["error"])

    async def test_foreign_page(self) -> None:
        """A page of another origin gets nothing, not even by a request without preflight."""
        body = json.dumps(ASKED).encode()
        answer = await self.explain(
            body, (b"Content-Type", JSON), (b"Origin", b"http://evil.example")
        )
        self.assertEqual(answer.status, 403)

    async def test_get(self) -> None:
        """A GET has the question in its query."""
        answer = await self.explain(None, method=b"GET")
        self.assertEqual(answer.status, 400)
        self.assertIn("origin is missing", json.loads(answer.body)["error"])
