"""``corsgate adopt`` of every box of the recipes: its configuration is proven without a cross."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from unittest import mock

from corsgate.cli.load import load
from tests.apache import ApacheDigest
from tests.boxes import (
    against_cameras,
    against_couchdb,
    against_digest,
    against_django,
    against_influxdb,
    against_jupyter,
    against_local_models,
    against_maps,
    against_mlflow,
    against_prometheus,
    against_python_apps,
    against_realtime,
    against_s3,
    against_search,
    against_vault,
    camera,
    webdav,
)
from tests.boxes.box import Box
from tests.boxes.stand_in import Asked, Reply, Replying, StandIn
from tests.cli.commands import CommandTestCase, Done, corsgate
from tests.ports import free_port
from tests.programs import require

APP = "http://localhost:4200"
PASSWORD = "password-of-the-session"


class Transmission(Box):
    """transmission-daemon, whose RPC wants Basic and a token."""

    ready = "/transmission/rpc"

    def command(self, port: int) -> Sequence[str]:
        """Return what starts it."""
        return [
            *(require("transmission-daemon", "transmission-daemon"), "--foreground"),
            *("--config-dir", str(self.home), "--port", str(port)),
            *("--rpc-bind-address", "127.0.0.1", "--bind-address-ipv4", "127.0.0.1"),
            *("--peerport", str(free_port()), "--no-portmap", "--no-dht", "--no-lpd"),
            *self.access(),
        ]

    def access(self) -> Sequence[str]:
        """Return the arguments about its login."""
        return ("--auth", "--username", "gate", "--password", PASSWORD)


class OpenTransmission(Transmission):
    """transmission-daemon without a password."""

    def access(self) -> Sequence[str]:
        """Return the arguments about its login."""
        return ("--no-auth",)


class Syncthing(Box):
    """Syncthing with a GUI password."""

    gui: Sequence[str] = ("--gui-user=gate", f"--gui-password={PASSWORD}")

    def prepare(self) -> None:
        """Write its configuration."""
        program = require("syncthing", "syncthing")
        made = [program, "generate", f"--home={self.home}/s", "--no-default-folder", *self.gui]
        subprocess.run(made, check=True, capture_output=True, env={"HOME": str(self.home)})
        path = self.home / "s" / "config.xml"
        text = path.read_text("utf-8")
        for name in ("globalAnnounceEnabled", "localAnnounceEnabled", "relaysEnabled"):
            text = text.replace(f"<{name}>true", f"<{name}>false")
        for name in ("natEnabled", "crashReportingEnabled"):
            text = text.replace(f"<{name}>true", f"<{name}>false")
        text = text.replace("<listenAddress>default", "<listenAddress>tcp://127.0.0.1:0")
        path.write_text(text, "utf-8")

    def command(self, port: int) -> Sequence[str]:
        """Return what starts it."""
        return [
            *(require("syncthing", "syncthing"), "serve", f"--home={self.home}/s"),
            *(f"--gui-address=127.0.0.1:{port}", "--no-browser", "--no-restart"),
            *("--no-upgrade", "--no-default-folder"),
        ]


class OpenSyncthing(Syncthing):
    """Syncthing without a password."""

    gui = ()


class OpenMoto(against_s3.Moto):
    """moto's server as it is by default."""

    def environ(self, port: int) -> Mapping[str, str]:
        """Have it check no signatures."""
        return {}


class AdoptTestCase(CommandTestCase):
    """Adopts boxes."""

    def adopt(self, port: int, target: str, user: str = "", secret: str = "") -> tuple[Done, str]:
        """Return how the command ended, and the configuration."""
        output = self.output = Path(self.file("")).resolve()
        arguments = ["--output", str(output), "--port", str(free_port()), "--force"]
        arguments += ["--user", user] if user else []
        arguments += ["--auth-env", "ADOPT_SECRET"] if secret else []
        with mock.patch.dict(os.environ, {"ADOPT_SECRET": secret}):
            done = corsgate(
                "adopt", f"http://127.0.0.1:{port}{target}", "--origin", APP, *arguments
            )
        text = output.read_text("ascii") if output.exists() else ""
        if saved := os.environ.get("ADOPT_SAVED"):
            kept = Path(saved) / f"{self.id().rpartition('.')[2]}.txt"
            kept.write_text(f"{done.status}\n{done.out}\n{done.err}\n{text}", "utf-8")
        return done, text

    def check(
        self,
        port: int,
        target: str,
        recipe: str,
        user: str = "",
        secret: str = "",
        *,
        has: Sequence[str] = (),
    ) -> None:
        """Assert that a box is adopted and proven.

        Args:
            port: The box's port.
            target: The target that is adopted.
            recipe: The page that must be named; empty for none.
            user: The user.
            secret: The password or token.
            has: What else the configuration must have.
        """
        done, text = self.adopt(port, target, user, secret)
        shown = f"{done.out}\n{done.err}\n{text}"
        self.assertEqual((done.status, done.err), (0, ""), shown)
        self.assertIsNone(re.search(r"^ +NO ", done.out, re.M), shown)
        for line in ("ok preflight", "ok GET from another", f"ok GET from {APP}"):
            self.assertIn(line, done.out, shown)
        # Some boxes respond to an unknown path with 200.
        self.assertRegex(done.out, "ok an? (error|path that is unknown)", shown)
        self.assertIn(f"{recipe}.md" if recipe else "not recognized", done.out, shown)
        for each in has:
            self.assertIn(each, text)
        load(str(self.output))
        if secret:
            self.assertNotIn(secret, shown)

    def start(self, kind: type[Box]) -> int:
        """Start a box and return its port."""
        box = kind()
        self.addCleanup(box.stop)
        return box.port

    def stand_in(self, reply: Replying) -> int:
        """Start a stand-in and return its port."""
        box = StandIn(reply)
        self.addCleanup(box.stop)
        return box.port


class Passwords(AdoptTestCase):
    """Boxes with Basic or Digest."""

    def test_marklogic(self) -> None:
        """Apache's digest, as the recipe of MarkLogic has it."""
        with ApacheDigest(users={"u": PASSWORD}, files={"v1": b"in the box"}) as box:
            self.check(box.port, "/v1", "web-servers", "u", PASSWORD, has=['type = "digest"'])

    def test_lighttpd(self) -> None:
        """lighttpd with SHA-256."""
        port = self.start(against_digest.Lighttpd)
        self.check(port, "/x.txt", "web-servers", "admin", against_digest.PASSWORD)

    def test_wsgidav(self) -> None:
        """wsgidav with digest."""
        port = self.start(against_digest.WsgiDav)
        self.check(port, "/x.txt", "webdav", "admin", against_digest.PASSWORD)

    def test_flask(self) -> None:
        """A nonce that is bound to a cookie."""
        port = self.start(against_digest.Flask)
        self.check(port, "/who", "", "admin", against_digest.PASSWORD, has=['type = "digest"'])

    def test_couchdb(self) -> None:
        """express-pouchdb with Basic."""
        port = self.start(against_couchdb.PouchDbServer)
        secret = against_couchdb.PASSWORD
        self.check(port, "/", "couchdb", "replicator", secret, has=['type = "basic"', '"COPY"'])

    def test_elasticsearch(self) -> None:
        """The stand-in for Elasticsearch."""
        port = self.stand_in(against_search.reply)
        secret = against_search.PASSWORD
        self.check(port, "/products/_search", "elasticsearch", "reader", secret)

    def test_influxdb(self) -> None:
        """InfluxDB 1."""
        box = against_influxdb.InfluxDb()
        self.addCleanup(box.stop)
        box.create_user()
        secret = against_influxdb.PASSWORD
        self.check(box.port, "/query?q=SHOW+DATABASES", "influxdb", "app", secret,
                   has=['type = "basic"'])  # fmt: skip

    def test_motion(self) -> None:
        """Motion, with digest."""
        port = self.start(against_cameras.Motion)
        secret = camera.PASSWORD
        self.check(port, "/current", "cameras", "viewer", secret, has=['type = "digest"'])

    def test_motion_stream(self) -> None:
        """Motion's video, which has no end."""
        port = self.start(against_cameras.Motion)
        self.check(port, "/stream", "cameras", "viewer", camera.PASSWORD)

    def test_old_camera(self) -> None:
        """The stand-in for an old camera."""
        box = camera.Camera()
        self.addCleanup(box.stop)
        self.check(box.port, "/picture.gif", "cameras", camera.USERNAME, camera.PASSWORD)


class Sessions(AdoptTestCase):
    """Boxes with a token or a session."""

    def test_transmission(self) -> None:
        """Transmission with a password."""
        port = self.start(Transmission)
        self.check(port, "/transmission/rpc", "logins", "gate", PASSWORD,
                   has=["X-Transmission-Session-Id", "basic = true"])  # fmt: skip

    def test_open_transmission(self) -> None:
        """Transmission without a password."""
        port = self.start(OpenTransmission)
        self.check(port, "/transmission/rpc", "logins",
                   has=["X-Transmission-Session-Id", 'fetch = "GET '])  # fmt: skip

    def test_syncthing(self) -> None:
        """Syncthing with a GUI password."""
        port = self.start(Syncthing)
        self.check(port, "/rest/system/ping", "logins", "gate", PASSWORD)

    def test_open_syncthing(self) -> None:
        """Syncthing without a password."""
        self.check(self.start(OpenSyncthing), "/rest/system/ping", "logins")

    def test_jupyter(self) -> None:
        """Jupyter with a token."""
        port = self.start(against_jupyter.Jupyter)
        secret = against_jupyter.TOKEN
        self.check(port, "/api/contents", "jupyter", "", secret, has=['type = "bearer"'])

    def test_open_jupyter(self) -> None:
        """Jupyter without a token."""
        self.check(self.start(against_jupyter.OpenJupyter), "/api/contents", "jupyter")

    def test_grafana(self) -> None:
        """The stand-in for Grafana."""
        port = self.stand_in(against_prometheus.grafana)
        self.check(port, "/api/search", "prometheus", "", "token-of-grafana")

    def test_vault(self) -> None:
        """The stand-in for Vault."""
        port = self.stand_in(against_vault.vault)
        secret = against_vault.TOKEN["X-Vault-Token"]
        self.check(port, "/v1/secret/data/app", "vault", "", secret, has=["X-Vault-Token"])

    def test_django(self) -> None:
        """Django that compares with Host."""
        self.check(self.start(against_django.Django), "/token", "rails-django")

    def test_forwarded_django(self) -> None:
        """Django that compares with X-Forwarded-Host."""
        self.check(self.start(against_django.ForwardedDjango), "/token", "rails-django")


class Open(AdoptTestCase):
    """Boxes without a login."""

    def test_apache(self) -> None:
        """Apache's mod_dav."""
        self.check(self.start(webdav.Apache), "/sub/", "webdav", has=['"PROPFIND"'])

    def test_lighttpd(self) -> None:
        """lighttpd's WebDAV."""
        box = webdav.Lighttpd()
        self.addCleanup(box.stop)
        (box.files / "a.txt").write_text("from lighttpd", "utf-8")
        self.check(box.port, "/a.txt", "webdav")

    def test_nginx(self) -> None:
        """nginx."""
        box = webdav.Nginx()
        self.addCleanup(box.stop)
        (box.files / "sub" / "a.txt").write_text("from nginx", "utf-8")
        self.check(box.port, "/sub/a.txt", "web-servers")

    def test_wsgidav(self) -> None:
        """wsgidav without a login."""
        self.check(self.start(webdav.WsgiDav), "/sub/", "webdav")

    def test_ollama(self) -> None:
        """The stand-in for Ollama, which refuses other origins."""
        port = self.stand_in(against_local_models.ollama)
        self.check(port, "/api/tags", "")

    def test_mlflow(self) -> None:
        """MLflow."""
        port = self.start(against_mlflow.MlFlow)
        self.check(port, "/api/2.0/mlflow/experiments/search?max_results=1", "mlflow")

    def test_prometheus(self) -> None:
        """Prometheus."""
        port = self.start(against_prometheus.Prometheus)
        self.check(port, "/api/v1/query?query=1%2B1", "prometheus")

    def test_streamlit(self) -> None:
        """Streamlit."""
        self.check(self.start(against_python_apps.Streamlit), "/", "python-apps")

    def test_bokeh(self) -> None:
        """Bokeh."""
        self.check(self.start(against_python_apps.Bokeh), "/bokeh/sliders", "python-apps")

    def test_mapproxy(self) -> None:
        """MapProxy."""
        self.check(self.start(against_maps.MapProxy), "/geoserver/", "maps")

    def test_arcgis(self) -> None:
        """The stand-in for ArcGIS."""
        self.check(self.stand_in(against_maps.arcgis), "/arcgis/rest?f=json", "")

    def test_socketio(self) -> None:
        """socket.io."""
        port = self.start(against_realtime.SocketIo)
        self.check(port, "/socket.io/?EIO=4&transport=polling", "realtime")

    def test_graphql(self) -> None:
        """A GraphQL server."""
        port = self.start(against_realtime.GraphQl)
        done, _ = self.adopt(port, "/graphql")
        self.assertEqual(done.status, 0, done.out)
        for line in ("ok a WebSocket opens", "ok a WebSocket from another origin is refused"):
            self.assertIn(line, done.out)

    def test_tus(self) -> None:
        """A tus server."""
        self.check(self.start(against_realtime.Tus), "/files", "realtime")

    def test_moto(self) -> None:
        """moto, with S3's API, which checks no signatures here: else it fails without one."""
        self.check(self.start(OpenMoto), "/", "s3")

    def test_s3(self) -> None:
        """A stand-in for S3 that wants signatures."""

        def s3(asked: Asked) -> Reply:
            if asked.headers.get("authorization", "").startswith("AWS4-HMAC-SHA256 Credential=K"):
                return Reply(pieces=(b"<ListAllMyBucketsResult/>",))
            return Reply(status=403, pieces=(b"<Error><Code>AccessDenied</Code></Error>",))

        self.check(self.stand_in(s3), "/", "s3", "KEY", "s" * 40, has=['type = "aws_sigv4"'])
