"""express-pouchdb, which has CouchDB's API; PouchDB in Chromium replicates with it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tests.boxes.box import Box
from tests.boxes.case import JSON, BoxTestCase, direct, from_json
from tests.boxes.installed import node
from tests.boxes.recipes import blocks

PASSWORD = "password-of-couch"
DATABASE = "/couch/mydb"


class PouchDbServer(Box):
    """express-pouchdb over databases in memory, for one user."""

    def command(self, port: int) -> Sequence[str]:
        """Return what starts it."""
        return [*node("pouchdb.cjs"), str(port), PASSWORD]


class CouchDbTests(BoxTestCase):
    """CouchDB's API."""

    def setUp(self) -> None:
        """Start the server, and the gate before it."""
        super().setUp()
        box = self.start(PouchDbServer)
        self.assertEqual(direct(box.port, "PUT", "/x", {}).status, 401)
        self.open("couchdb", {5984: box.port}, {"COUCHDB_PASSWORD": PASSWORD})

    def test_replication(self) -> None:
        """A page's PouchDB pushes to the server, pulls from it, and follows its changes."""
        browser = self.browser("pouchdb.js")
        seen = self.run_script(
            browser,
            """
            const remote = new PouchDB(args[0]);
            const here = new PouchDB("here");
            for (let n = 0; n < 120; n++) await here.put({_id: `doc-${n}`, n});
            await here.put({_id: "file", _attachments: {
              "a.txt": {content_type: "text/plain", data: btoa("attached")}}});
            const pushed = await here.replicate.to(remote);
            const other = new PouchDB("other");
            const pulled = await other.replicate.from(remote);
            const attachment = await other.getAttachment("file", "a.txt");
            // Not "now": the server may read that only after it has the document below.
            const since = (await remote.info()).update_seq;
            const change = new Promise((resolve) => {
              const feed = remote.changes({since, live: true});
              feed.on("change", (change) => { feed.cancel(); resolve(change.id); });
            });
            await remote.put({_id: "late"});
            const changed = await change;
            const conflict = await remote.put({_id: "late"}).catch((error) => error.status);
            return [pushed.docs_written, pulled.docs_written, await attachment.text(), changed,
                    conflict];
            """,
            f"{self.url}{DATABASE}",
        )
        self.assertEqual(seen, [121, 121, "attached", "late", 409])

    def test_documents(self) -> None:
        """Locations name the gate, COPY names a document, and errors can be read."""
        made = self.check(self.send("PUT", DATABASE), 201)
        self.assertIn(made.headers["Location"], (f"{self.url}{DATABASE}", DATABASE))
        self.write("PUT", f"{DATABASE}/one", {"n": 1}, 201)
        self.check_preflight(f"{DATABASE}/one", "COPY", "Destination")
        self.check(self.send("COPY", f"{DATABASE}/one", {"Destination": "two"}), 201)
        self.assertEqual(from_json(self.read(f"{DATABASE}/two"))["n"], 1)
        missing = self.read(f"{DATABASE}/none", 404)
        self.assertEqual(from_json(missing)["error"], "not_found")
        self.check_stranger("GET", f"{DATABASE}/one")
        self.check_stranger("PUT", f"{DATABASE}/three", b"{}")
        self.read(f"{DATABASE}/three", 404)


class SessionTests(BoxTestCase):
    """The same with CouchDB's own session."""

    def setUp(self) -> None:
        """Start the server."""
        super().setUp()
        self.box = self.start(PouchDbServer)

    def start_gate(self, password: str = PASSWORD, *, as_json: bool = False) -> None:
        """Start the gate with the recipe."""
        _, text = blocks("couchdb")
        if as_json:
            text = text.replace("form = {", "json = {")
        self.open_text(text, {5984: self.box.port}, {"COUCHDB_PASSWORD": password})

    def configure(self, section: str, value: str) -> None:
        """Change the server's configuration, as its administrator."""
        form = json.dumps({"name": "replicator", "password": PASSWORD}).encode()
        session = direct(self.box.port, "POST", "/_session", JSON, form).headers["Set-Cookie"]
        fields = {**JSON, "Cookie": str(session).partition(";")[0]}
        target = f"/_config/{section}"
        done = direct(self.box.port, "PUT", target, fields, json.dumps(value).encode())
        self.assertEqual(done.status, 200)

    def test_session(self) -> None:
        """Documents are written and followed, also when the session has ended; no cookie leaks."""
        self.start_gate()
        mine = {**JSON, "Cookie": "AuthSession=mine; theme=dark"}
        made = self.check(self.send("PUT", DATABASE, mine), 201)
        for name in ("one", "two", "three"):
            sent = self.send("PUT", f"{DATABASE}/{name}", mine, b'{"n": 1}')
            done = self.check(sent, 201)
            # The server prolongs its session with each response.
            self.assertIsNone(done.headers["Set-Cookie"])
            # That ends all sessions.
            self.configure("couch_httpd_auth/secret", f"another secret {name}")
        self.assertIsNone(made.headers["Set-Cookie"])
        feed = f"{DATABASE}/_changes?feed=longpoll&since=2"
        self.assertEqual([each["id"] for each in from_json(self.read(feed))["results"]], ["three"])
        self.check_stranger("PUT", f"{DATABASE}/four", b"{}")
        self.read(f"{DATABASE}/four", 404)
        # A page's own logout, and a login that fails, don't end the gate's session.
        self.check(self.send("DELETE", "/couch/_session", mine))
        self.check(self.send("POST", "/couch/_session", mine, b'{"name": "a"}'), 401)
        self.assertEqual(from_json(self.read(f"{DATABASE}/two"))["n"], 1)
        self.assertNotIn(PASSWORD, self.close_gate())

    def test_new_password(self) -> None:
        """A new password ends the session; two logins fail, and no more are tried."""
        self.start_gate(as_json=True)
        self.check(self.send("PUT", DATABASE), 201)
        self.configure("admins/replicator", "another")
        for _ in range(4):
            refused = self.read(DATABASE, 502)
        self.assertIn("Retry-After", refused.headers)
        # The first two are the gate's at the start, and the one of `configure`.
        self.assertEqual(self.box.count("POST /_session", 4, "log.txt"), 4)
        self.assertIn("it responded 401", self.close_gate())
