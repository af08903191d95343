"""Boxes that are recognized."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.adopt.known import known_box, more_targets
from corsgate.adopt.probes import Look, Reply
from corsgate.explain.url import Url
from tests.adopt.play import reply
from tests.tree import ROOT

SIGNS: dict[str, Reply] = {
    "Transmission": reply(409, X_Transmission_Session_Id="x"),
    "Syncthing": reply(200, Set_Cookie="CSRF-Token-ABCDE=x"),
    "CouchDB": reply(200, b'{"couchdb":"Welcome","version":"3.3"}'),
    "MarkLogic": reply(401, Server="MarkLogic"),
    "Elasticsearch": reply(200, b'{"tagline" : "You Know, for Search"}'),
    "OpenSearch": reply(401, WWW_Authenticate='Basic realm="OpenSearch Security"'),
    "InfluxDB": reply(404, X_Influxdb_Version="1.8"),
    "Ollama": reply(200, b"Ollama is running"),
    "Grafana": reply(401, b'{"message":"Unauthorized"}'),
    "Prometheus": reply(302, Location="/graph"),
    "Jenkins": reply(403, X_Jenkins="2.4"),
    "a server with S3's API": reply(403, b"<Error><Code>AccessDenied</Code></Error>"),
    "a WebDAV server": reply(200, DAV="1,2"),
    "a web server": reply(200, Server="nginx/1.22"),
    "a camera": reply(200, Content_Type="multipart/x-mixed-replace; boundary=x"),
    "corsgate": reply(403, Corsgate_Reason="origin"),
}


class KnownTests(SynchronousTestCase):
    """Signs."""

    def test_signs(self) -> None:
        """Each box has its sign, and a recipe that is there."""
        for name, seen in SIGNS.items():
            found = known_box([reply(404), seen])
            self.assertEqual(found and found.name, name)
            if found and found.recipe:
                page = ROOT / "docs" / "recipes" / f"{found.recipe}.md"
                self.assertTrue(page.exists(), page)

    def test_nothing(self) -> None:
        """An ordinary API is not taken for anything."""
        for seen in (
            reply(200, b'{"items": []}', Content_Type="application/json"),
            reply(401, WWW_Authenticate='Basic realm="api"'),
            reply(403, b'{"message": "Forbidden"}'),
            reply(200, Server="gunicorn"),
        ):
            self.assertIsNone(known_box([seen]))

    def test_more_targets(self) -> None:
        """Where to look next depends on the sign."""
        url = Url.parse("http://box/")
        seen = {"page": SIGNS["CouchDB"]}
        self.assertEqual(list(more_targets(Look(url=url, replies=seen))), ["/_all_dbs"])
        self.assertEqual(list(more_targets(Look(url=url, replies={"page": reply(200)}))), [])
