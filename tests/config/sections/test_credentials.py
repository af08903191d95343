"""Tests of `corsgate.config.sections.credentials`: credentials, as they are read."""

from __future__ import annotations

import importlib.util

from corsgate.config.model.secret import Secret
from corsgate.config.model.values import (
    BasicCredentials,
    BearerCredentials,
    Credentials,
    DigestCredentials,
    HeaderCredentials,
    NtlmCredentials,
)
from corsgate.config.sections.credentials import read_credentials
from tests.config.support import TableTestCase, noted, sources, table_of

SECRET = Secret("hunter2")
KINDS: dict[str, Credentials] = {
    'type = "basic"\nusername = "a"\npassword = "hunter2"': BasicCredentials(
        username="a", password=SECRET
    ),
    'type = "digest"\nusername = "a:b"\npassword = "hunter2"': DigestCredentials(
        username="a:b", password=SECRET
    ),
    'type = "digest"\nusername = ""\npassword = "hunter2"\nmin_algorithm = "SHA-256"\n'
    "require_qop = true": DigestCredentials(
        username="", password=SECRET, min_algorithm="SHA-256", require_qop=True
    ),
    'type = "bearer"\ntoken = "hunter2"': BearerCredentials(token=SECRET),
    'type = "header"\nname = "X-Key"\nvalue = "hunter2"': HeaderCredentials(
        name="X-Key", value=SECRET
    ),
    'type = "ntlm"\nusername = "a"\npassword = "hunter2"': NtlmCredentials(
        username="a", password=SECRET
    ),
    'type = "ntlm"\nusername = "a"\npassword = "hunter2"\ndomain = "D"\n'
    'workstation = "W"': NtlmCredentials(
        username="a", password=SECRET, domain="D", workstation="W"
    ),
}


class CredentialTests(TableTestCase):
    """``[credentials.NAME]``."""

    def read(self, source: str) -> tuple[Credentials | None, list[str]]:
        """Return what a table is read as, and what was recorded."""
        table = table_of(source)
        return read_credentials(table, sources()), noted(table)

    def test_kinds(self) -> None:
        """Each kind has its keys, and nothing is recorded."""
        found = {source: self.read(source) for source in KINDS}
        self.assertEqual(found, {source: (value, []) for source, value in KINDS.items()})

    def test_a_missing_key(self) -> None:
        """Without any key that it needs there are no credentials, and that key is named."""
        for source in KINDS:
            lines = source.split("\n")
            for line in lines:
                key = line.partition(" ")[0]
                if key in ("min_algorithm", "require_qop", "domain", "workstation"):
                    continue
                found, recorded = self.read("\n".join(each for each in lines if each != line))
                self.assertIsNone(found, line)
                self.assertEqual(
                    [f"c.toml: {key}: it is missing"], [r.partition(";")[0] for r in recorded]
                )

    def test_keys_of_another_kind(self) -> None:
        """A key that belongs to another kind is unknown, and the value stays."""
        found, recorded = self.read('type = "bearer"\ntoken = "hunter2"\nusername = "a"')
        self.assertEqual(found, BearerCredentials(token=SECRET))
        (fault,) = recorded
        self.assertTrue(fault.startswith("c.toml:3: username: the key is unknown; "), fault)

    def test_an_unknown_kind(self) -> None:
        """The kinds that there are are named."""
        (fault,) = self.read('type = "x"')[1]
        self.assertTrue(
            fault.startswith('c.toml:1: type: "x" is unknown; write "basic", "digest",'), fault
        )

    def test_one_domain(self) -> None:
        """The domain stands before the user name, or has its own key."""
        source = 'type = "ntlm"\nusername = "D\\\\a"\npassword = "hunter2"'
        self.assertEqual(self.read(source)[1], [])
        _, recorded = self.read(source + '\ndomain = "E"')
        self.assertEqual(len(recorded), 1)
        self.assertIn(": domain: the user name has a domain already", recorded[0])

    def test_ntlm_without_pyspnego(self) -> None:
        """The extra is named."""
        self.patch(importlib.util, "find_spec", lambda name: None)
        _, recorded = self.read('type = "ntlm"\nusername = "a"\npassword = "hunter2"')
        self.assertEqual(len(recorded), 1)
        self.assertIn("pip install 'corsgate[ntlm]'", recorded[0])
