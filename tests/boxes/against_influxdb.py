"""InfluxDB 1.x of Debian, which lets every page read what it sends."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from tests.boxes.box import Box
from tests.boxes.case import BoxTestCase, direct, from_json
from tests.boxes.stand_in import Reply, StandIn
from tests.ports import free_port
from tests.programs import require

PASSWORD = "password-of-influx"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

CONFIGURATION = """\
reporting-disabled = true
bind-address = "127.0.0.1:@OTHER@"
[meta]
  dir = "@HOME@/meta"
[data]
  dir = "@HOME@/data"
  wal-dir = "@HOME@/wal"
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:@PORT@"
  auth-enabled = true
  log-enabled = false
"""


class InfluxDb(Box):
    """InfluxDB that wants credentials."""

    ready = "/ping"

    def command(self, port: int) -> Sequence[str]:
        """Return what starts it."""
        path = self.home / "influxdb.conf"
        text = CONFIGURATION.replace("@HOME@", str(self.home)).replace("@PORT@", str(port))
        path.write_text(text.replace("@OTHER@", str(free_port())), "utf-8")
        return [require("influxd", "influxdb"), "-config", str(path)]

    def create_user(self) -> None:
        """Make the user, which is all that one without credentials may do."""
        statement = f"CREATE USER app WITH PASSWORD '{PASSWORD}' WITH ALL PRIVILEGES"
        body = urlencode({"q": statement}).encode()
        assert direct(self.port, "POST", "/query", FORM, body).status == 200


class InfluxDbTests(BoxTestCase):
    """InfluxDB."""

    def test_page(self) -> None:
        """An app writes points and reads them, whole and chunked; a stranger does neither."""
        box = self.start(InfluxDb)
        box.create_user()
        ping = direct(box.port, "GET", "/ping", {"Origin": self.app.stranger})
        self.assertEqual(ping.headers["Access-Control-Allow-Origin"], self.app.stranger)
        self.open("influxdb", {8086: box.port}, {"INFLUX_PASSWORD": PASSWORD})
        self.query("POST", "CREATE DATABASE weather")
        points = b"".join(b"temp,place=hall value=%d %d\n" % (n, n) for n in range(1, 5001))
        self.check(self.send("POST", "/write?db=weather&precision=s", {}, points), 204)
        found = self.query("GET", "SELECT COUNT(value) FROM temp")
        self.assertIn(b"5000", found)
        chunked = self.query("GET", "SELECT value FROM temp", chunked="true", chunk_size="1000")
        self.assertEqual(len(chunked.splitlines()), 5)
        failed = self.read("/query?q=SELECT", 400)
        self.assertIn("error parsing query", from_json(failed)["error"])
        self.check(self.send("POST", "/write?db=none", {}, b"a b=1"), 404)
        self.check_preflight("/write", "POST", "Content-Type")
        self.check_stranger("GET", "/query?q=SHOW+DATABASES")
        self.check_stranger("POST", "/write?db=weather", b"a b=1")

    def query(self, method: str, statement: str, **more: str) -> bytes:
        """Return what the app gets for a statement."""
        fields = urlencode({"db": "weather", "q": statement, **more})
        if method == "GET":
            return self.read(f"/query?{fields}").body
        return self.check(self.send("POST", "/query", FORM, fields.encode())).body

    def test_token_of_version_2(self) -> None:
        """The second recipe sends the token with its own scheme, in place of the page's."""
        box = StandIn(lambda asked: Reply())
        self.addCleanup(box.stop)
        secret = {"INFLUX_AUTHORIZATION": "Token abc"}
        self.open("influxdb", {8086: box.port}, secret, number=1)
        self.check(self.send("POST", "/api/v2/query?org=o", {"Authorization": "Token page"}, b""))
        self.assertEqual(box.asked[-1].headers["authorization"], "Token abc")
