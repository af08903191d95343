"""What a configuration needs of this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import attrs
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import (
    HeaderCredentials,
    OriginCredentials,
    Secret,
    SeveralCredentials,
)
from corsgate.config.toml.lines import key_lines
from corsgate.errors import BadValue, ConfigError
from corsgate.gate.startup_checks import (
    check_access_log,
    check_endpoint_here,
    check_oauth2_here,
    listener_path,
    preflight,
)
from tests.certificates import Authority
from tests.config.test_diff_oauth2 import FIRST
from tests.support import LISTEN, parse

AUTHORITY = Authority.make()
REST = '[upstreams.a]\nservers = ["http://10.0.0.1"]\n[routes."/"]\nupstream = "a"\n'


class AccessLogTests(SynchronousTestCase):
    """`check_access_log`."""

    def refused(self, path: str) -> str:
        """Return why a path is refused."""
        return str(self.assertRaises(BadValue, check_access_log, path))

    def test_fine(self) -> None:
        """What is no path, a file that is there, and one that can be made; none is made here."""
        directory = Path(self.mktemp())
        directory.mkdir()
        there = directory / "there.log"
        there.touch()
        for name in (None, "-", "off", str(there), str(directory / "new.log"), "/dev/null"):
            check_access_log(name)
        self.assertEqual(list(directory.iterdir()), [there])

    def test_refused(self) -> None:
        """A directory, and what has none."""
        directory = Path(self.mktemp())
        directory.mkdir()
        self.assertIn("Is a directory", self.refused(str(directory)))
        self.assertIn("does not exist", self.refused(str(directory / "no" / "a.log")))
        self.assertIn("Not a directory", self.refused(f"{os.devnull}/a.log"))


class EndpointTests(SynchronousTestCase):
    """`check_endpoint_here`."""

    def test_fine(self) -> None:
        """What Twisted can listen on, and a socket that systemd will have."""
        for text in ("tcp:8080", "unix:/run/corsgate.sock", "systemd:domain=INET:index=0"):
            check_endpoint_here(text, MemoryReactorClock())

    def test_refused(self) -> None:
        """What it can't, with its own reason."""
        for text in ("tcp:eighty", "carrier-pigeon:1", "ssl:1:privateKey=/none"):
            error = self.assertRaises(BadValue, check_endpoint_here, text, MemoryReactorClock())
            self.assertIn(f"can't listen on {text!r}", str(error))


class OAuth2Tests(SynchronousTestCase):
    """`check_oauth2_here`."""

    def refused(self, **changes: Any) -> str:
        """Return why credentials are refused; empty if they aren't."""
        made = attrs.evolve(FIRST, **changes)
        try:
            check_oauth2_here(made)
        except BadValue as error:
            return str(error)
        return ""

    def test_token_file(self) -> None:
        """A file that is there, or can be made, is fine; a folder is not, nor one in no folder."""
        directory = Path(self.mktemp()).resolve()
        directory.mkdir()
        (directory / "kept").touch()
        for name in (None, str(directory / "kept"), str(directory / "new")):
            self.assertEqual(self.refused(token_file=name), "")
        self.assertIn("is not a file", self.refused(token_file=str(directory)))
        self.assertIn("directory /none does not exist", self.refused(token_file="/none/kept"))

    def test_certificate(self) -> None:
        """A certificate that OpenSSL refuses is a fault before a token is needed."""
        weak = AUTHORITY.issue("gate", key=ec.generate_private_key(ec.SECP192R1()))
        self.assertIn("is refused by OpenSSL", self.refused(client_certificate=weak.certified))

    def test_preflight(self) -> None:
        """The fault has the place of the credentials."""
        config = parse(f"{LISTEN}{REST}")
        credentials = attrs.evolve(FIRST, token_file="/none/kept")
        key = HeaderCredentials(name="X-Key", value=Secret("k"))
        places: tuple[dict[str, Any], ...] = (
            {"credentials": credentials},
            {"credentials": SeveralCredentials(parts=(key, credentials))},
            {
                "credentials_by_origin": (
                    OriginCredentials(origin="http://a", credentials=credentials),
                )
            },
        )
        for place in places:
            upstream = attrs.evolve(config.upstreams["a"], **place)
            changed = attrs.evolve(config, upstreams={"a": upstream})
            error = self.assertRaises(
                ConfigError, preflight, changed, reactor=MemoryReactorClock(), file="f", lines={}
            )
            self.assertEqual([each.key for each in error.faults], ["upstreams.a.credentials"])


class PreflightTests(SynchronousTestCase):
    """`preflight` and `listener_path`."""

    def test_all_at_once(self) -> None:
        """All faults are reported, each with its line, in their order."""
        text = f'listen = ["tcp:eighty"]\naccess_log = "/none/a.log"\n{REST}'
        config = attrs.evolve(parse(f"{LISTEN}{REST}"), access_log="/none/a.log")
        (listener,) = config.listeners
        config = attrs.evolve(
            config, listeners=(attrs.evolve(listener, endpoint="carrier-pigeon:1"),)
        )
        error = self.assertRaises(
            ConfigError,
            preflight,
            config,
            reactor=MemoryReactorClock(),
            file="gate.toml",
            lines=key_lines(text),
        )
        self.assertEqual(
            [(each.line, each.key) for each in error.faults], [(1, "listen[0]"), (2, "access_log")]
        )

    def test_ciphers(self) -> None:
        """Ciphers that this machine's OpenSSL can't use are a fault of their own key."""
        text = f"{LISTEN}[upstreams.a]\nservers = ['https://10.0.0.1']\n" + (
            'tls = { min_version = "1.3", ciphers = "DEFAULT:@SECLEVEL=9" }\n'
            '[routes."/"]\nupstream = "a"\n'
        )
        error = self.assertRaises(
            ConfigError,
            preflight,
            parse(text),
            reactor=MemoryReactorClock(),
            file="gate.toml",
            lines=key_lines(text),
        )
        (fault,) = error.faults
        self.assertEqual(fault.key, "upstreams.a.tls.ciphers")
        self.assertIn("ciphers", text.splitlines()[(fault.line or 0) - 1])

    def test_options(self) -> None:
        """Without a file, the command's options are what is at fault."""
        config = attrs.evolve(parse(f"{LISTEN}{REST}"), access_log="/none/a.log")
        error = self.assertRaises(
            ConfigError, preflight, config, reactor=MemoryReactorClock(), file="-"
        )
        self.assertEqual([each.key for each in error.faults], ["access_log"])

    def test_listener_path(self) -> None:
        """Those of ``listen`` come first, then the tables."""
        lines = key_lines('listen = ["a", "b"]\n[[listener]]\nendpoint = "c"\n')
        self.assertEqual(listener_path(lines, 1), ("listen", 1))
        self.assertEqual(listener_path(lines, 2), ("listener", 0))
        self.assertEqual(listener_path({}, 2), ("listen", 2))
