"""The files in ``etc/``: each is loaded, and does what its comments promise."""

from __future__ import annotations

import configparser
import os
import re
from pathlib import Path

import attrs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.balancing import Balancing, Ejection, HealthCheck
from corsgate.config.model.credentials import parts_of
from corsgate.config.model.endpoint import DEFAULT_BACKLOG, check_endpoint, handed_over
from corsgate.config.model.upstream_tls import UpstreamTls
from corsgate.config.model.values import (
    Admin,
    AwsCredentials,
    BasicCredentials,
    BearerCredentials,
    Config,
    Cors,
    DigestCredentials,
    HeaderCredentials,
    Limits,
    Listener,
    PoolLimits,
    QueryCredentials,
)
from corsgate.config.parse import parse_config
from corsgate.config.sections.credential_keys import KINDS
from corsgate.cors.check import CORS_RULES
from corsgate.gate.log_style import Place, line_format
from tests.certificates import Authority
from tests.programs import require
from tests.tree import ROOT, files, run

ETC = ROOT / "etc"
BOX = "http://localhost:8000"
AUTHORITY = Authority.make()
ISSUED = AUTHORITY.issue("api.example.com")
FILES = {
    "/etc/corsgate/client.pem": ISSUED.pem,
    "/etc/corsgate/client-key.pem": ISSUED.key_pem,
    "/etc/corsgate/fullchain.pem": ISSUED.pem,
    "/etc/corsgate/key.pem": ISSUED.key_pem,
    "/etc/corsgate/metrics-token": b"token-of-metrics\n",
    "/etc/corsgate/printer-password": b"password-of-printer\n",
    "/etc/corsgate/search-ca.pem": AUTHORITY.pem,
    "/run/credentials/corsgate.service/ml-password": b"password-of-ml\n",
}
ENVIRON = {
    "BOX_PASSWORD": "password-of-box",
    "CLOUD_SECRET": "secret-of-cloud",
    "INTRANET_PASSWORD": "password-of-intranet",
    "CREDENTIALS_DIRECTORY": "/run/credentials/corsgate.service",
    "SEARCH_PASSWORD": "password-of-search",
    "SHOP_SECRET": "secret-of-the-shop",
    "VENDOR_KEY": "key-of-vendor",
    "WEATHER_KEY": "key-of-weather",
    "PHOTOS_ACCESS_KEY": "id-of-photos",
    "PHOTOS_SECRET_KEY": "key-of-photos",
}


def read_file(path: str) -> bytes:
    """Return one of `FILES`, as if the machine were set up."""
    try:
        return FILES[path]
    except KeyError:
        raise FileNotFoundError(2, "No such file or directory", path) from None


def load(text: str, file: str = "etc/corsgate.toml") -> Config:
    """Return a configuration as it loads on a machine that is set up."""
    return parse_config(
        text,
        file=file,
        environ=ENVIRON,
        read_file=read_file,
        cors_rules=CORS_RULES,
        has_spnego=True,
    )


def text_of(name: str) -> str:
    """Return the text of a file in ``etc/``."""
    return (ETC / name).read_text(encoding="utf-8")


class EveryFileTests(SynchronousTestCase):
    """A test loads every file in ``etc/``."""

    def test_all_are_known(self) -> None:
        """This is the complete list; a new file needs a test below."""
        self.assertEqual(
            [path.name for path in files("etc")],
            [
                "alerts.yml",  # tests/admin/test_metrics_alerts.py
                "corsgate.schema.json",
                "corsgate.service",
                "corsgate.socket",
                "corsgate.toml",
                "demo.toml",
                "minimal.toml",
            ],
        )


class MinimalTests(SynchronousTestCase):
    """``minimal.toml``: the least that is useful."""

    def test_loads(self) -> None:
        """One digest upstream behind one prefix, open to one app."""
        config = load(text_of("minimal.toml"))
        (route,) = config.routes
        self.assertEqual(route.prefix, "/v1")
        self.assertEqual([server.origin for server in route.upstream.servers], [BOX])
        credentials = route.upstream.credentials
        assert isinstance(credentials, DigestCredentials)
        self.assertEqual(credentials.password.reveal(), "password-of-box")
        assert route.cors is not None
        self.assertEqual(route.cors.allow_origins, ("http://localhost:4200",))

    def test_is_short(self) -> None:
        """It is read at a glance."""
        self.assertEqual(len(text_of("minimal.toml").splitlines()), 11)


class DemoTests(SynchronousTestCase):
    """``demo.toml``: the gate of ``make run``."""

    def test_loads(self) -> None:
        """The gate is on loopback alone, between the page and the box."""
        config = load(text_of("demo.toml"))
        self.assertEqual(
            [listener.endpoint for listener in config.listeners],
            ["tcp:5555:interface=127.0.0.1"],
        )
        (route,) = config.routes
        self.assertEqual([server.origin for server in route.upstream.servers], [BOX])
        assert route.cors is not None
        self.assertEqual(route.cors.allow_origins, ("http://localhost:4200",))
        self.assertEqual(route.cors.allow_methods, ("GET", "PUT"))
        self.assertEqual(route.cors.allow_headers, ("Content-Type",))
        self.assertEqual(config.admin, Admin(listen="tcp:0:interface=127.0.0.1"))

    def test_is_the_one_in_the_package(self) -> None:
        """An installed package, which has no ``etc/``, runs the same demo."""
        packaged = (ROOT / "corsgate" / "demo" / "demo.toml").read_text(encoding="utf-8")
        self.assertEqual(packaged, text_of("demo.toml"))


class ExampleTests(SynchronousTestCase):
    """``corsgate.toml``: an example of everything."""

    def test_loads(self) -> None:
        """Each secret comes from where the file says, and each kind of credentials is shown."""
        upstreams = load(text_of("corsgate.toml")).upstreams
        digest = upstreams["marklogic"].credentials
        basic = upstreams["search"].credentials
        bearer = upstreams["metrics"].credentials
        header, query = parts_of(upstreams["vendor"].credentials)
        aws = upstreams["photos"].credentials
        assert isinstance(digest, DigestCredentials)
        assert isinstance(basic, BasicCredentials)
        assert isinstance(bearer, BearerCredentials)
        assert isinstance(header, HeaderCredentials)
        assert isinstance(query, QueryCredentials)
        assert isinstance(aws, AwsCredentials)
        self.assertEqual(
            [
                secret.reveal()
                for secret in (
                    *(digest.password, basic.password, bearer.token, header.value, query.value),
                    *(aws.access_key, aws.secret_key),
                )
            ],
            [
                *("password-of-ml", "password-of-search", "token-of-metrics", "key-of-vendor"),
                *("key-of-weather", "id-of-photos", "key-of-photos"),
            ],
        )
        self.assertEqual([server.weight for server in upstreams["marklogic"].servers], [1, 2, 1])
        self.assertEqual(upstreams["search"].ca_pem, AUTHORITY.pem)

    def test_commented_credentials(self) -> None:
        """The commented credentials work; with the others, every kind is shown."""
        text = text_of("corsgate.toml")
        used = [each.credentials for each in load(text).upstreams.values()]
        for commented in re.finditer(r"(?m)^# \[credentials\.(\w+)\]\n(?:# \w.*\n)+", text):
            table = re.sub(r"(?m)^# ", "", commented[0])
            changed = text.replace(commented[0], table).replace(
                'credentials = ["vendor", "weather"]', f'credentials = "{commented[1]}"'
            )
            used.append(load(changed).upstreams["vendor"].credentials)
        self.assertEqual({part.kind for each in used for part in parts_of(each)}, {*KINDS})

    def test_nothing_is_doubtful(self) -> None:
        """No example file produces a warning."""
        for name in ("corsgate.toml", "minimal.toml", "demo.toml"):
            self.assertEqual(load(text_of(name)).warnings, (), name)

    def test_limits_are_the_defaults(self) -> None:
        """The values given as defaults are the defaults."""
        limits = load(text_of("corsgate.toml")).limits
        self.assertEqual(attrs.evolve(limits, max_body_bytes=None, timeout_s=None), Limits())
        for upstream in load(text_of("corsgate.toml")).upstreams.values():
            self.assertEqual(upstream.pool, PoolLimits())
            self.assertEqual(upstream.balancing.eject, Ejection())
            self.assertEqual(upstream.balancing.retries, Balancing().retries)
            self.assertEqual(upstream.balancing.retry_on, Balancing().retry_on)
            self.assertEqual(upstream.balancing.slow_start_s, Balancing().slow_start_s)
            if upstream.balancing.health is not None:
                self.assertEqual(upstream.balancing.health, HealthCheck(path="/"))

    def test_log_has_reasons(self) -> None:
        """The example's access log has the format with the reason for refusals."""
        config = load(text_of("corsgate.toml"))
        self.assertEqual(line_format(config.log_format, Place.FILE), "json")

    def test_other_listeners(self) -> None:
        """The commented form of listeners works in place of the other."""
        text = text_of("corsgate.toml")
        block = re.search(r"(?m)^# \[\[listener\]\]\n(?:# .*\n)+", text)
        assert block is not None
        table = re.sub(r"(?m)^# ", "", block[0])
        without = re.sub(r"(?m)^listen = .*\n", "", text)
        config = load(without.replace(block[0], table))
        (listener,) = config.listeners
        self.assertEqual(listener.endpoint, "tcp:8443")
        self.assertEqual([one.names for one in listener.certificates], [("api.example.com",)])
        self.assertEqual(
            [str(network) for network in listener.trusted_proxies], ["10.0.0.0/8", "fd00::/8"]
        )

    def test_shows_every_key(self) -> None:
        """A key that is added to the model is added here, too."""
        text = text_of("corsgate.toml")
        names = [
            field.name.removesuffix("_s")
            for values in (Limits, PoolLimits, Cors, Listener)
            for field in attrs.fields(values)
        ]
        # It is written as the value of expose_headers.
        names.remove("expose_auto")
        names += ["hosts", "log_format", "access_log", "preserve_host", "ca", "weight"]
        names += ["server_name", "client_certificate", "verify", "tls"]
        names += ["cors_report_only", "methods", "strip_prefix", "allow_framing", "limits"]
        names += ["backup", "drain", "balance", "hash_on"]
        names += ["sticky", "slow_start", "health", "eject", "retries", "retry_on", "on_down"]
        names += ["resolver", "file"]
        names += ["max_requests", "cookie", "secret", "failures", "time", "on", "content_type"]
        names += [field.name.removesuffix("_s") for field in attrs.fields(HealthCheck)]
        names += [field.name for field in attrs.fields(UpstreamTls)]
        missing = [name for name in names if not re.search(rf"(?m)\b{name} = ", text)]
        missing = [name for name in missing if f"[{name}]" not in text]
        self.assertEqual(missing, [])


def unit(text: str) -> configparser.ConfigParser:
    """Return a unit's sections; of a key that is there twice, the last value counts."""
    parsed = configparser.ConfigParser(interpolation=None, delimiters="=", strict=False)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]  # as configparser's docs
    parsed.read_string(text)
    return parsed


class ServiceTests(SynchronousTestCase):
    """``corsgate.service``: how systemd runs the gate."""

    def setUp(self) -> None:
        """Read the unit."""
        self.text = text_of("corsgate.service")
        self.service = unit(self.text)["Service"]

    def seconds(self, name: str) -> float:
        """Return a time of the service."""
        return float(self.service[name].removesuffix("s"))

    def test_command(self) -> None:
        """The gate stays in the foreground, without a pid file, and says when it is ready."""
        self.assertEqual(self.service["Type"], "notify")
        command = "bin/twistd --nodaemon --pidfile= corsgate --config /etc/corsgate/corsgate.toml"
        self.assertEqual(self.service["ExecStart"], f"/opt/corsgate/{command}")
        # The comment for the system's Python has the same one.
        self.assertIn(f"#   ExecStart=\n#   ExecStart=/usr/local/{command}\n", self.text)

    def test_stops_after_the_drain(self) -> None:
        """systemd waits for longer than the gate lets requests end."""
        timeout_s = self.seconds("TimeoutStopSec")
        drain_s = load(text_of("corsgate.toml")).limits.drain_timeout_s
        self.assertGreater(timeout_s, drain_s)
        self.assertGreater(timeout_s, Limits().drain_timeout_s)
        self.assertNotIn("KillSignal", self.service)

    def test_reloads(self) -> None:
        """A reload sends the signal that the gate reloads by."""
        self.assertEqual(self.service["ExecReload"], "/bin/kill -HUP $MAINPID")

    def test_restarts(self) -> None:
        """A gate that fails comes back, unless its configuration has faults."""
        self.assertEqual(self.service["Restart"], "on-failure")
        self.assertEqual(self.service["RestartPreventExitStatus"], str(os.EX_CONFIG))

    def test_tries_for_ever(self) -> None:
        """There is no limit of starts."""
        self.assertEqual(unit(self.text)["Unit"]["StartLimitIntervalSec"], "0")

    def test_watchdog(self) -> None:
        """A hang is noticed; a traceback is written before the end, but no core dump."""
        self.assertGreater(self.seconds("WatchdogSec"), 10)
        self.assertEqual(self.service["Environment"], "PYTHONFAULTHANDLER=1")
        self.assertEqual(self.service["LimitCORE"], "0")

    def test_credentials(self) -> None:
        """The comment provides the credential that the example takes from systemd."""
        asked = re.findall(r'systemd = "([^"]+)"', text_of("corsgate.toml"))
        self.assertEqual(re.findall(r"(?m)^#LoadCredential=(.*):", self.text), asked)
        # One that is missing would stop the start of every other configuration.
        self.assertNotIn("LoadCredential", self.service)

    def test_places(self) -> None:
        """The only places that the unit may write to hold the example's access log."""
        access_log = load(text_of("corsgate.toml")).access_log
        assert access_log is not None
        self.assertEqual(self.service["ProtectSystem"], "strict")
        self.assertEqual(Path(access_log).parent, Path("/var/log") / self.service["LogsDirectory"])
        for name in ("Configuration", "Logs", "Runtime", "State"):
            self.assertEqual(self.service[f"{name}Directory"], "corsgate")

    def test_confined(self) -> None:
        """The gate has no user, no rights and no files to lose."""
        for name in ("DynamicUser", "NoNewPrivileges", "PrivateTmp", "ProtectHome"):
            self.assertEqual(self.service[name], "yes", name)
        for name in ("CapabilityBoundingSet", "AmbientCapabilities"):
            self.assertEqual(self.service[name], "", name)

    def test_exposure(self) -> None:
        """systemd counts little that the gate could do to the machine."""
        analyze = require("systemd-analyze", "systemd")
        service = str(ETC / "corsgate.service")
        command = [analyze, "security", "--offline=true", "--no-pager", service]
        done = run([*command, "--threshold=15"], ROOT)
        self.assertEqual(done.returncode, 0, done.stdout)
        found = re.search(r"Overall exposure level for corsgate.service: ([0-9.]+)", done.stdout)
        assert found is not None, done.stdout
        self.assertLessEqual(float(found[1]), 1.5)


class SocketTests(SynchronousTestCase):
    """``corsgate.socket``: the listening socket, kept by systemd."""

    def setUp(self) -> None:
        """Read the unit."""
        self.text = text_of("corsgate.socket")
        self.socket = unit(self.text)["Socket"]

    def test_endpoint(self) -> None:
        """The endpoint that its comment gives is valid and has its name."""
        found = re.search(r'listen = \["(systemd:[^"]*)"\]', self.text)
        assert found is not None
        check_endpoint(found[1])
        self.assertEqual(handed_over(found[1]).name, self.socket["FileDescriptorName"])

    def test_address(self) -> None:
        """It is where the example listens, with the same queue."""
        address, port = self.socket["ListenStream"].split(":")
        listeners = load(text_of("corsgate.toml")).listeners
        self.assertIn(f"tcp:{port}:interface={address}", [one.endpoint for one in listeners])
        self.assertEqual(self.socket["Backlog"], str(DEFAULT_BACKLOG))


class VerifyTests(SynchronousTestCase):
    """What systemd says of both units."""

    def test_nothing(self) -> None:
        """It finds no unknown key, no bad value, and has nothing else to say."""
        analyze = require("systemd-analyze", "systemd")
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        units = [f"{directory}/{name}" for name in ("corsgate.service", "corsgate.socket")]
        for path in map(Path, units):
            # It asks for a program that is there, wherever the tests run.
            text = text_of(path.name).replace("/opt/corsgate/bin/twistd", "/bin/sh")
            path.write_text(text, encoding="utf-8")
        # Without this machine's own units, whose faults it would report too.
        environ = {"SYSTEMD_UNIT_PATH": f"{directory}:/lib/systemd/system"}
        done = run([analyze, "verify", "--man=no", *units], directory, environ)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_something(self) -> None:
        """A key that it doesn't know is reported, so that the silence above means something."""
        analyze = require("systemd-analyze", "systemd")
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        (directory / "odd.service").write_text("[Service]\nExecStart=/bin/sh\nOdd=yes\n")
        done = run([analyze, "verify", "--man=no", directory / "odd.service"], directory)
        self.assertIn("Odd", done.stderr)
