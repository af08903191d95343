"""A stand-in for Elasticsearch: what its reference says of credentials, bodies and errors."""

from __future__ import annotations

import base64
import json

from tests.boxes.case import BoxTestCase, from_json
from tests.boxes.stand_in import Asked, Reply, StandIn

PASSWORD = "password-of-search"
EXPECTED = "Basic " + base64.b64encode(f"reader:{PASSWORD}".encode()).decode()
FIELDS = {"Content-Type": "application/json", "X-elastic-product": "Elasticsearch"}


def reply(asked: Asked) -> Reply:
    """Answer as Elasticsearch does."""
    if asked.headers.get("authorization") != EXPECTED:
        fields = {**FIELDS, "WWW-Authenticate": 'Basic realm="security", charset="UTF-8"'}
        return _error(401, "security_exception", fields)
    if asked.target.startswith("/_bulk"):
        if asked.headers.get("content-type") != "application/x-ndjson":
            return _error(406, "media_type_header_exception", FIELDS)
        lines = asked.body.decode().splitlines()
        result: object = {"errors": False, "items": [json.loads(line) for line in lines[::2]]}
    else:
        query = json.loads(asked.body or b"{}")
        if "query" not in query:
            return _error(400, "parsing_exception", FIELDS)
        result = {"hits": {"total": {"value": 1}, "hits": [{"_source": query}]}}
    return Reply(headers=FIELDS, pieces=(json.dumps(result).encode(),))


def _error(status: int, kind: str, fields: dict[str, str]) -> Reply:
    error = {"error": {"type": kind}, "status": status}
    return Reply(status=status, headers=fields, pieces=(json.dumps(error).encode(),))


class SearchTests(BoxTestCase):
    """Search behind the gate."""

    def test_page(self) -> None:
        """An app searches and indexes, reads errors, and never sees the challenge."""
        box = StandIn(reply)
        self.addCleanup(box.stop)
        self.open("elasticsearch", {9200: box.port}, {"SEARCH_PASSWORD": PASSWORD})
        search = "/products/_search?typed_keys=true"
        self.check_preflight(search, "POST", "Content-Type", "X-Elastic-Client-Meta")
        found = self.write("POST", search, {"query": {"match_all": {}}})
        self.assertEqual(from_json(found)["hits"]["total"]["value"], 1)
        self.assertEqual(found.headers["X-elastic-product"], "Elasticsearch")
        failed = self.write("POST", search, {"wrong": 1}, 400)
        self.assertEqual(from_json(failed)["error"]["type"], "parsing_exception")
        lines = b'{"index": {"_id": "1"}}\n{"name": "\xc3\xa9"}\n'
        ndjson = {"Content-Type": "application/x-ndjson"}
        indexed = self.check(self.send("POST", "/_bulk", ndjson, lines))
        self.assertFalse(from_json(indexed)["errors"])
        self.write("POST", "/_bulk", {}, 406)
        seen = len(box.asked)
        self.check_stranger("POST", search, b"{}")
        self.assertEqual(self.send("GET", "/_cat/indices").status, 404)
        self.assertEqual(len(box.asked), seen)

    def test_wrong_password(self) -> None:
        """A wrong password is a 401 that the app can read, without a challenge to a browser."""
        box = StandIn(reply)
        self.addCleanup(box.stop)
        self.open("elasticsearch", {9200: box.port}, {"SEARCH_PASSWORD": "another"})
        answer = self.write("POST", "/products/_search", {}, 401)
        self.assertEqual(from_json(answer)["error"]["type"], "security_exception")
        self.assertIsNone(answer.headers["WWW-Authenticate"])
