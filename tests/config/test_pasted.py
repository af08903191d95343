"""Tests of `corsgate.config.pasted`: only the text of a configuration is read."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.certificates import CertifiedKey, Unread
from corsgate.config.model.values import BearerCredentials, Config
from corsgate.config.pasted import read_pasted
from corsgate.cors.check import CORS_RULES
from corsgate.errors import BadValue, ConfigError
from tests.tree import ROOT

TOP = 'listen = ["tcp:5555:interface=127.0.0.1"]\n'
UPSTREAM = '[upstreams.a]\nservers = ["https://h"]\ncredentials = { type = "bearer", token = # }\n'
ROUTE = '[routes."/"]\nupstream = "a"\n'
CERTIFIED = '[[listener]]\nendpoint = "tcp:5555"\ncertificates = [@]\n'
PLAIN = '[upstreams.a]\nservers = ["http://h"]\n' + ROUTE


def config_of(source: str) -> Config:
    """Read a text."""
    return read_pasted(source, CORS_RULES)[0]


def token_of(source: str) -> str:
    """Return the token that an upstream has by a source of secrets."""
    found = config_of(TOP + UPSTREAM.replace("#", source) + ROUTE).upstreams["a"].credentials
    assert isinstance(found, BearerCredentials)
    return found.token.reveal()


class PastedTests(SynchronousTestCase):
    """Text that comes from anywhere."""

    def faults_of(self, source: str) -> list[str]:
        """Return the faults of a text."""
        error = self.assertRaises(ConfigError, config_of, source)
        return [str(fault) for fault in error.faults]

    def test_files_are_not_read(self) -> None:
        """Neither a secret's file, nor one of servers, nor a certificate's is opened."""
        path = Path(self.mktemp()).absolute()
        path.write_text('servers = ["http://from-the-file"]\n')
        self.assertNotIn("from-the-file", token_of(f'{{ file = "{path}" }}'))
        servers = config_of(
            TOP + f'[upstreams.a]\nservers = {{ file = "{path}" }}\n' + ROUTE
        ).upstreams["a"]
        self.assertNotIn("from-the-file", repr(servers))

    def test_the_environment_is_not_read(self) -> None:
        """A variable that is set has a stand-in too."""
        os.environ["CORSGATE_TEST_PASTED"] = "from-environment"
        self.addCleanup(os.environ.pop, "CORSGATE_TEST_PASTED")
        self.assertNotEqual(token_of('{ env = "CORSGATE_TEST_PASTED" }'), "from-environment")
        self.assertTrue(token_of('{ systemd = "token" }'))

    def test_nothing_is_run(self) -> None:
        """A command has a stand-in for what it would print."""
        ran = Path(self.mktemp()).absolute()
        token_of(f'{{ command = ["touch", "{ran}"] }}')
        self.assertFalse(ran.exists())

    def test_certificates_are_unread(self) -> None:
        """Listeners have as many certificates as the text says, and nothing is known of them."""
        two = '{ chain = "/a", key = "/b" }, { chain = "/c", key = "/d" }'
        (listener,) = config_of(CERTIFIED.replace("@", two) + PLAIN).listeners
        first, second = listener.certificates
        self.assertIsInstance(first, Unread)
        self.assertEqual((second.chain_file, second.key_file), ("/c", "/d"))
        self.assertEqual((first.chain, first.lapse(0.0)), ((), None))

    def test_faults(self) -> None:
        """Everything else is checked as in a file."""
        self.assertEqual(len(self.faults_of('listen = "x"\nlisten2 = 3\n')), 3)
        same = ", ".join(['{ chain = "/a", key = "/b" }'] * 2)
        self.assertIn(
            "this certificate would never be used",
            "".join(self.faults_of(CERTIFIED.replace("@", same) + PLAIN)),
        )
        bad = '{ chain = "", key = "/b" }'
        self.assertIn("is not a path", "".join(self.faults_of(CERTIFIED.replace("@", bad) + PLAIN)))

    def test_many_parts(self) -> None:
        """A key with very many parts, on which tomllib spends minutes, is refused at once."""
        for key in (".".join("a" * 30_000), " . ".join(['"a"'] * 10_000)):
            for text in (f"{key} = 1\n", f"[{key}]\n", f"x = {{ {key} = 1 }}\n"):
                (fault,) = self.faults_of(text)
                self.assertIn("a key has more than 100 parts", fault)

    def test_every_example(self) -> None:
        """The files that come with corsgate can be pasted."""
        names = [path for path in (ROOT / "etc").glob("*.toml") if b"[routes" in path.read_bytes()]
        self.assertGreater(len(names), 2)
        for path in names:
            self.assertTrue(config_of(path.read_text(encoding="utf-8")).routes, path)

    def test_a_gate_reads_them(self) -> None:
        """Without `reads_pem = false`, a certificate that isn't one stays a fault."""
        with self.assertRaises(BadValue):
            CertifiedKey(chain_file="/a", key_file="/b", chain_pem=b"", key_pem=b"")
