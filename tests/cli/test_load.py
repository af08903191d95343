"""Tests of `corsgate.cli.load`: a configuration without its secrets and certificates."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from corsgate.cli.load import Loaded, load
from corsgate.config.model.oauth2 import OAuth2Credentials
from corsgate.config.model.values import BearerCredentials, Config
from corsgate.errors import ConfigError
from tests.certificates import Authority
from tests.cli.commands import CommandTestCase

TOP = 'listen = ["tcp:0:interface=127.0.0.1"]\n'
UPSTREAM = '[upstreams.@]\nservers = ["https://h"]\ncredentials = { type = "bearer", token = # }\n'
ROUTE = '[routes."/"]\nupstream = "a"\n'
UNSET, OTHER = "CORSGATE_TEST_UNSET_A", "CORSGATE_TEST_UNSET_B"
CERTIFIED = '[[listener]]\nendpoint = "tcp:0"\ncertificates = [#]\n' + (
    '[upstreams.a]\nservers = ["https://h"]\n' + ROUTE
)


def tokens(config: Config) -> list[str]:
    """Return the token of each upstream, in order."""
    found = []
    for upstream in config.upstreams.values():
        assert isinstance(upstream.credentials, BearerCredentials)
        found.append(upstream.credentials.token.reveal())
    return found


class LoadTests(CommandTestCase):
    """What this machine lacks has a stand-in; every other fault stays one."""

    def with_secrets(self, *sources: str) -> Loaded:
        """Load a file with an upstream for each source of a secret."""
        upstreams = "".join(
            UPSTREAM.replace("@", name).replace("#", source)
            for name, source in zip("abcdef", sources, strict=False)
        )
        return load(self.file(TOP + upstreams + ROUTE))

    def test_what_is_there_is_used(self) -> None:
        """A secret that this machine has is read as the daemon would read it."""
        os.environ[UNSET] = "from-environment"
        self.addCleanup(os.environ.pop, UNSET)
        path = self.file("from-file\n", "secret")
        loaded = self.with_secrets(f'{{ env = "{UNSET}" }}', f'{{ file = "{path}" }}', '"literal"')
        self.assertEqual(tokens(loaded.config), ["from-environment", "from-file", "literal"])

    def test_commands_are_not_run(self) -> None:
        """To look at a configuration of somebody else's must not run anything."""
        ran = Path(self.mktemp()).absolute()
        command = f'{{ command = ["touch", "{ran}"] }}'
        first, again, other = tokens(
            self.with_secrets(command, command, '{ command = ["touch", "/x"] }').config
        )
        self.assertFalse(ran.exists())
        self.assertEqual((first, first == other), (again, False))

    def test_stand_ins_differ_by_name(self) -> None:
        """So a change of a secret's source shows, and no change shows none."""
        first, again, other, file = tokens(
            self.with_secrets(
                f'{{ env = "{UNSET}" }}',
                f'{{ env = "{UNSET}" }}',
                f'{{ env = "{OTHER}" }}',
                '{ file = "/no/such/secret" }',
            ).config
        )
        self.assertEqual(first, again)
        self.assertEqual(len({first, other, file}), 3)

    def test_an_empty_variable_is_one_that_is_not_set(self) -> None:
        """Its secret can't be looked at here either way."""
        (unset,) = tokens(self.with_secrets(f'{{ env = "{UNSET}" }}').config)
        os.environ[UNSET] = ""
        self.addCleanup(os.environ.pop, UNSET)
        self.assertEqual(tokens(self.with_secrets(f'{{ env = "{UNSET}" }}').config), [unset])

    def test_stand_ins_are_never_the_secret_of_another_file(self) -> None:
        """systemd's directory is not set here, and no file is looked for at its place."""
        (found,) = tokens(self.with_secrets('{ systemd = "passwd" }').config)
        self.assertRegex(found, "^[0-9a-f]{64}$")

    def test_certificates(self) -> None:
        """Missing ones stand in, each with a name of its own; those that are there are read."""
        pairs = ", ".join(f'{{ chain = "/no/{n}.pem", key = "/no/{n}.key" }}' for n in "ab")
        (listener,) = load(self.file(CERTIFIED.replace("#", pairs))).config.listeners
        first, second = listener.certificates
        self.assertEqual((len(first.names), len(second.names)), (1, 1))
        self.assertNotEqual(first.names, second.names)
        issued = Authority.make().issue("a.example")
        chain = Path(self.file(issued.pem.decode(), "chain.pem"))
        key = Path(self.file(issued.key_pem.decode(), "key.pem"))
        pair = f'{{ chain = "{chain}", key = "{key}" }}'
        (listener,) = load(self.file(CERTIFIED.replace("#", pair))).config.listeners
        self.assertEqual(listener.certificates[0].names, ("a.example",))

    def test_private_key(self) -> None:
        """A missing private key has a stand-in, whatever it is to sign with."""
        source = UPSTREAM.replace("@", "a").replace(
            '{ type = "bearer", token = # }',
            '{ type = "oauth2", grant = "client_credentials", token_url = "https://l.example/t",'
            ' client_id = "a", private_key = { file = "/no/such/key" }, algorithm = "PS256" }',
        )
        found = load(self.file(TOP + source + ROUTE)).config.upstreams["a"].credentials
        assert isinstance(found, OAuth2Credentials)
        self.assertEqual(found.auth_method, "private_key_jwt")

    def test_http2_needs_no_library(self) -> None:
        """What the gate has installed is not known on this machine, so it counts as there."""
        pair = '{ chain = "/no/a.pem", key = "/no/a.key" }'
        text = CERTIFIED.replace("#", pair)
        for given in (text, text.replace("[upstreams", "http2 = true\n[upstreams", 1)):
            (listener,) = load(self.file(given)).config.listeners
            self.assertTrue(listener.http2)

    def test_other_faults_stay(self) -> None:
        """What is wrong on every machine is wrong here."""
        broken = self.file("no certificate", "chain.pem")
        for text, fault in (
            (TOP + ROUTE, "there is no [upstreams.a]"),
            (TOP + 'x = "\n', "the text has no closing quote"),
            (
                CERTIFIED.replace("#", f'{{ chain = "{broken}", key = "/no/a.key" }}'),
                "it contains no certificate",
            ),
            (
                TOP + UPSTREAM.replace("@", "a").replace("#", r'{ file = "/a\u0000" }') + ROUTE,
                "it is not a path",
            ),
            (CERTIFIED.replace("#", '{ chain = "", key = "/no/a.key" }'), "it is not a path"),
            (TOP + '[upstreams.a]\nservers = { file = "/no/such" }\n' + ROUTE, "can't be read"),
        ):
            error = self.assertRaises(ConfigError, load, self.file(text))
            self.assertIn(fault, str(error))
        self.assertRaises(ConfigError, load, "/no/such/file.toml")

    def test_document(self) -> None:
        """The document is the file's own, for the names that a configuration no longer has."""
        text = TOP + UPSTREAM.replace("@", "a").replace("#", '"t"') + ROUTE
        path = self.file(text)
        loaded = load(path)
        self.assertEqual((loaded.file, loaded.document), (path, tomllib.loads(text)))
