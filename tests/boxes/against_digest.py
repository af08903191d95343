"""Servers with digest credentials that others have written: Apache, lighttpd, wsgidav and Flask."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

from tests.apache import ApacheDigest
from tests.boxes.box import Box
from tests.boxes.case import BoxTestCase
from tests.boxes.installed import SERVERS, python
from tests.boxes.webdav import Lighttpd as LighttpdDav
from tests.programs import require
from tests.running import Answer

PASSWORD = "s3cret-of-the-box"
FOREIGN = "J\u00e4s\u00f8n"
MANY = 16
LARGE = b"large" * 100_000

CONFIG = """\
listen = ["tcp:5555:interface=127.0.0.1"]
[upstreams.box]
servers = ["http://127.0.0.1:8000"]
credentials = { type = "@TYPE@", username = "@USER@", password = { env = "BOX_PASSWORD" }@MORE@ }
[cors.app]
allow_origins = ["http://localhost:4200"]
allow_methods = ["GET", "PUT", "POST"]
[routes."/"]
upstream = "box"
cors = "app"
"""


class Lighttpd(LighttpdDav):
    """lighttpd, which offers SHA-256 and MD5, and announces UTF-8."""

    configuration = """\
server.modules = ("mod_auth", "mod_authn_file")
server.bind = "127.0.0.1"
server.port = @PORT@
server.username = "@USER@"
server.groupname = "@USER@"
server.document-root = "@HOME@/files"
mimetype.assign = (".txt" => "text/plain")
auth.backend = "htdigest"
auth.backend.htdigest.userfile = "@HOME@/users"
auth.require = ("/" => ("method" => "digest", "realm" => "lighttpd", "require" => "valid-user",
    "algorithm" => "SHA-256|MD5"))
"""

    def prepare(self) -> None:
        """Write its users and a file."""
        super().prepare()
        texts = [f"{user}:lighttpd:{PASSWORD}" for user in ("admin", FOREIGN)]
        # Its file has one line for each user, for one algorithm.
        hashed = [sha256(text.encode()).hexdigest() for text in texts]
        lines = [text.replace(PASSWORD, h) + "\n" for text, h in zip(texts, hashed, strict=True)]
        (self.home / "users").write_text("".join(lines), "utf-8")
        (self.files / "x.txt").write_text("from lighttpd")

    def command(self, port: int) -> Sequence[str]:
        """Return what starts it."""
        return [require("lighttpd", "lighttpd"), "-D", "-f", self.configured(port)]


class WsgiDav(Box):
    """wsgidav, whose digest is its own."""

    def prepare(self) -> None:
        """Write its file."""
        (self.home / "files").mkdir()
        (self.home / "files" / "x.txt").write_text("from wsgidav")

    def command(self, port: int) -> Sequence[str]:
        """Return what starts it."""
        users = {"admin": {"password": PASSWORD}, FOREIGN: {"password": PASSWORD}}
        config = {
            "host": "127.0.0.1",
            "port": port,
            "provider_mapping": {"/": str(self.home / "files")},
            "http_authenticator": {
                "accept_basic": False,
                "accept_digest": True,
                "default_to_digest": True,
            },
            "simple_dc": {"user_mapping": {"*": users}},
        }
        path = self.home / "wsgidav.json"
        path.write_text(json.dumps(config), "utf-8")
        return [python(), "-m", "wsgidav.server.server_cli", "--config", str(path)]


class Flask(Box):
    """Flask-HTTPAuth, whose nonce is good only with the session cookie of its challenge."""

    def command(self, port: int) -> Sequence[str]:
        """Return what starts it."""
        return [python(), str(SERVERS / "flask_digest.py"), str(port)]


class DigestTests(BoxTestCase):
    """The gate logs in to each."""

    def begin(
        self, port: int, *, kind: str = "digest", user: str = "admin", more: str = ""
    ) -> None:
        """Open the gate in front of a box."""
        text = CONFIG.replace("@TYPE@", kind).replace("@USER@", user).replace("@MORE@", more)
        self.open_text(text, {8000: port}, {"BOX_PASSWORD": PASSWORD})

    def burst(self, target: str) -> list[Answer]:
        """Return the responses to many requests at once."""
        with ThreadPoolExecutor(MANY) as pool:
            return list(pool.map(lambda _: self.send("GET", target), range(MANY)))

    def check_reads(self, target: str, body: bytes) -> None:
        """Assert that a file can be read: at once by many, and then again."""
        for _ in range(2):
            for answer in self.burst(target):
                self.assertEqual((answer.status, answer.body), (200, body))
                self.assertIsNone(answer.headers["WWW-Authenticate"])
        self.check(self.send("GET", target), 200)

    def test_apache(self) -> None:
        """Apache, also with a name in UTF-8."""
        users = {"admin": PASSWORD, FOREIGN: PASSWORD}
        with ApacheDigest(users=users, files={"x.txt": b"from Apache"}) as box:
            for user in users:
                self.begin(box.port, user=user)
                self.check_reads("/x.txt", b"from Apache")
            self.check(self.send("PUT", "/new.txt", body=b"new"), 201)

    def test_lighttpd(self) -> None:
        """lighttpd with SHA-256, also with a name in UTF-8."""
        box = self.start(Lighttpd)
        for user in ("admin", FOREIGN):
            self.begin(box.port, user=user, more=', min_algorithm = "SHA-256"')
            self.check_reads("/x.txt", b"from lighttpd")

    def test_wsgidav(self) -> None:
        """wsgidav."""
        box = self.start(WsgiDav)
        self.begin(box.port)
        self.check_reads("/x.txt", b"from wsgidav")
        self.check(self.send("PUT", "/new.txt", body=b"new"), 201)
        self.check(self.send("PUT", "/large.txt", body=LARGE), 201)

    def test_auto(self) -> None:
        """Digest is chosen where it is offered."""
        box = self.start(Lighttpd)
        self.begin(box.port, kind="auto", more=', allow = ["digest", "basic"]')
        self.check_reads("/x.txt", b"from lighttpd")

    def test_flask(self) -> None:
        """The challenge's cookie goes with its answer, and no client sees one."""
        box = self.start(Flask)
        self.begin(box.port)
        for _ in range(2):
            for answer in self.burst("/who"):
                self.check(answer)
                self.assertEqual(json.loads(answer.body)["user"], "admin")
                self.assertNotIn("auth_nonce", str(answer.headers))
                self.assertIsNone(answer.headers["Set-Cookie"])
        answer = self.check(self.send("POST", "/who", body=b"a body"))
        self.assertEqual(json.loads(answer.body)["body"], "a body")

    def test_flask_uploads(self) -> None:
        """Large uploads get a challenge of their own, though 100 Continue comes before it."""
        box = self.start(Flask)
        self.begin(box.port)
        for _ in range(3):
            answer = self.check(self.send("POST", "/who", body=LARGE))
            self.assertEqual(json.loads(answer.body)["body"], LARGE.decode())

    def test_sessions_of_clients(self) -> None:
        """Each client's own session stays its own, though the challenge's cookie has its name."""
        box = self.start(Flask)
        self.begin(box.port)
        cookies = {name: self.session(name) for name in ("anna", "ben")}

        def mine(name: str) -> object:
            answer = self.send("GET", "/who", {"Cookie": cookies[name]} if name else {})
            return json.loads(answer.body)["mine"]

        names = ["anna", "ben", ""] * 4
        with ThreadPoolExecutor(len(names)) as pool:
            self.assertEqual(list(pool.map(mine, names)), ["anna", "ben", None] * 4)

    def session(self, name: str) -> str:
        """Return the cookie of a new session that keeps a name."""
        answer = self.check(self.send("GET", f"/begin?mine={name}"))
        return str(answer.headers["Set-Cookie"]).partition(";")[0]

    def test_wrong_password(self) -> None:
        """A wrong password is a 401 that browsers show no dialog for."""
        headers: Mapping[str, str] = {}
        with ApacheDigest(users={"admin": "another"}, files={"x.txt": b""}) as box:
            self.begin(box.port)
            answer = self.check(self.send("GET", "/x.txt", headers), 401)
            self.assertIsNone(answer.headers["WWW-Authenticate"])
