"""Tests of `corsgate.config.sections.credentials`: credentials, as they are read."""

from __future__ import annotations

from corsgate.config.model.secret import Secret
from corsgate.config.model.values import (
    AutoCredentials,
    BasicCredentials,
    BearerCredentials,
    Credentials,
    DigestCredentials,
    HeaderCredentials,
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
    'type = "auto"\nusername = "a"\npassword = "hunter2"': AutoCredentials(
        username="a", password=SECRET
    ),
    'type = "auto"\nusername = "a:b"\npassword = "hunter2"\nallow = ["digest"]\n'
    'min_algorithm = "SHA-256"\nrequire_qop = true': AutoCredentials(
        username="a:b",
        password=SECRET,
        allow=("digest",),
        min_algorithm="SHA-256",
        require_qop=True,
    ),
    'type = "auto"\nusername = "a"\npassword = "hunter2"\nallow = ["basic", "digest"]\n'
    "dangerously_allow_basic_in_clear = true": AutoCredentials(
        username="a",
        password=SECRET,
        allow=("basic", "digest"),
        dangerously_allow_basic_in_clear=True,
    ),
    'type = "bearer"\ntoken = "hunter2"': BearerCredentials(token=SECRET),
    'type = "header"\nname = "X-Key"\nvalue = "hunter2"': HeaderCredentials(
        name="X-Key", value=SECRET
    ),
}


OPTIONAL = ("allow", "dangerously_allow_basic_in_clear", "min_algorithm", "require_qop")


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
                if key in OPTIONAL:
                    continue
                found, recorded = self.read("\n".join(each for each in lines if each != line))
                self.assertIsNone(found, line)
                self.assertEqual(
                    [f"c.toml: {key}: it is missing"], [r.partition(";")[0] for r in recorded]
                )

    def test_auto_may_use_basic(self) -> None:
        """Where Basic is allowed, the user name can't have a colon; other schemes are unknown."""
        start = 'type = "auto"\nusername = "a:b"\npassword = "hunter2"\n'
        _, (colon,) = self.read(start)
        self.assertTrue(colon.startswith("c.toml:2: username: "), colon)
        _, (unknown,) = self.read(start.replace("a:b", "a") + 'allow = ["digest", "ntlm"]')
        self.assertEqual(
            unknown, 'c.toml:4: allow[1]: "ntlm" is unknown; write "digest" or "basic"'
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
