"""express-pouchdb, which has CouchDB's API; PouchDB in Chromium replicates with it."""

from __future__ import annotations

from collections.abc import Sequence

from tests.boxes.box import Box
from tests.boxes.case import BoxTestCase, direct, from_json
from tests.boxes.installed import node

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
