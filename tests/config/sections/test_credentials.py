"""Tests of `corsgate.config.sections.credentials`: credentials, as they are read."""

from __future__ import annotations

from corsgate.config.model.credentials import parts_of
from corsgate.config.model.secret import Secret
from corsgate.config.model.values import (
    AutoCredentials,
    AwsCredentials,
    BasicCredentials,
    BearerCredentials,
    Credentials,
    DigestCredentials,
    HeaderCredentials,
    NtlmCredentials,
    QueryCredentials,
    SessionCredentials,
    SeveralCredentials,
)
from corsgate.config.sections.credentials import (
    CREDENTIALS_USED,
    read_credentials,
    resolve_credentials,
)
from corsgate.config.toml.reader import Named
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
    'type = "header"\nheaders = { X-Key = "hunter2" }': HeaderCredentials(
        name="X-Key", value=SECRET
    ),
    'type = "query"\nname = "api key"\nvalue = "hunter2"': QueryCredentials(
        name="api key", value=SECRET
    ),
    'type = "aws_sigv4"\nregion = "eu-central-1"\nservice = "s3"\naccess_key = "hunter2"\n'
    'secret_key = "hunter2"\nsession_token = "hunter2"': AwsCredentials(
        region="eu-central-1",
        service="s3",
        access_key=SECRET,
        secret_key=SECRET,
        session_token=SECRET,
    ),
    'type = "ntlm"\nusername = "a"\npassword = "hunter2"': NtlmCredentials(
        username="a", password=SECRET
    ),
    'type = "ntlm"\nusername = "a"\npassword = "hunter2"\ndomain = "D"\n'
    'workstation = "W"': NtlmCredentials(
        username="a", password=SECRET, domain="D", workstation="W"
    ),
}


OPTIONAL = (
    *("allow", "dangerously_allow_basic_in_clear", "min_algorithm", "require_qop", "headers"),
    *("session_token", "domain", "workstation"),
)


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

    def test_auto_of_nothing(self) -> None:
        """An empty list of schemes is a fault, not the default."""
        source = 'type = "auto"\nusername = "a"\npassword = "hunter2"\nallow = []'
        _, (fault,) = self.read(source)
        self.assertEqual(
            fault,
            'c.toml:4: allow: nothing is allowed; write allow = ["digest"], or remove the key',
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
        self.assertIn(": domain: the user name already has a domain", recorded[0])

    def test_ntlm_without_pyspnego(self) -> None:
        """The extra is named."""
        table = table_of('type = "ntlm"\nusername = "a"\npassword = "hunter2"')
        read_credentials(table, sources(has_spnego=False))
        (fault,) = noted(table)
        self.assertIn("pip install 'corsgate[ntlm]'", fault)


class HeadersTests(TableTestCase):
    """``headers`` of the kind ``header``."""

    def read(self, source: str) -> tuple[Credentials | None, list[str]]:
        """Return what a table is read as, and what was recorded, in a file that others can read."""
        table = table_of(f'type = "header"\n{source}')
        return read_credentials(table, sources(read_by="everybody")), noted(table)

    def test_several(self) -> None:
        """Several headers are several credentials; what stands beside a secret is no secret."""
        found, recorded = self.read('headers = { X-Api-Key = { env = "NAME" }, X-Tenant = "7" }')
        parts = (
            HeaderCredentials(name="X-Api-Key", value=Secret("from environment")),
            HeaderCredentials(name="X-Tenant", value=Secret("7")),
        )
        self.assertEqual((found, recorded), (SeveralCredentials(parts=parts), []))

    def test_exposed(self) -> None:
        """A secret in the file itself produces a warning."""
        for written, warned in (
            ('X-Tenant = "7"', ["headers.X-Tenant"]),
            ('X-Tenant = "7", X-Api-Key = "k"', ["headers.X-Tenant", "headers.X-Api-Key"]),
            ('X-Tenant = "7", X-Key = { env = "NAME" }', []),
            ('X-Token = "7", X-Key = { env = "NAME" }', ["headers.X-Token"]),
        ):
            recorded = self.read(f"headers = {{ {written} }}")[1]
            self.assertEqual([each.split(": ")[1] for each in recorded], warned)

    def test_faults(self) -> None:
        """Each fault is recorded at its header, and none shows a secret."""
        for written, faults in (
            ("headers = 5", ["headers: it is an integer"]),
            ("headers = {}", ["headers: there are no headers"]),
            (
                'name = "X-A"\nvalue = { env = "NAME" }\nheaders = { X-B = { env = "NAME" } }',
                [
                    "name: it can't be combined with headers",
                    "value: it can't be combined with headers",
                ],
            ),
            (
                'headers = { Host = "hunter2", "X Y" = "hunter2", X-A = { env = "NO" }, X-B = 5 }',
                [
                    'headers.Host: "Host" is set by the gate itself',
                    'headers."X Y": "X Y" is not a header name',
                    'headers.X-A: environment variable "NO" is not set',
                    "headers.X-B: it does not say where the secret is",
                ],
            ),
            (
                'headers = { X-A = { env = "NAME" }, x_a = { env = "NAME" } }',
                ['headers: the header "x-a" is sent twice'],
            ),
        ):
            recorded = [each.partition(": ")[2] for each in self.read(written)[1]]
            faults_only = [each for each in recorded if "is written in this file" not in each]
            self.assertEqual([each.partition(";")[0] for each in faults_only], faults)
            self.assertNotIn("hunter2", "".join(recorded))


class SeveralTests(TableTestCase):
    """``credentials = ["b", "dev"]``."""

    def resolve(self, source: str) -> tuple[Credentials | None, list[str]]:
        """Return what a value is read as, and what was recorded."""
        table = table_of(f"credentials = {source}")
        known: dict[str, Credentials | None] = {
            "key": HeaderCredentials(name="X-Key", value=SECRET),
            "query": QueryCredentials(name="k", value=SECRET),
            "other": QueryCredentials(name="K[]", value=SECRET),
            "session": SessionCredentials(
                login_url="/", json=(("p", SECRET),), token_path="t", query="k"
            ),
            "basic": BasicCredentials(username="a", password=SECRET),
            "digest": DigestCredentials(username="a", password=SECRET),
            "auth": HeaderCredentials(name="authorization", value=SECRET),
            "faulty": None,
        }
        named: Named[Credentials] = Named(
            section="credentials",
            entries=known,
            inline=lambda inside: read_credentials(inside, sources()),
        )
        item = table.item(CREDENTIALS_USED)
        assert item is not None
        found = resolve_credentials(item, named)
        self.used = named.used
        return found, noted(table)

    def test_combined(self) -> None:
        """Names and tables are combined into one value, those of several headers too."""
        found, recorded = self.resolve(
            '["key", "digest", { type = "header", headers = { X-A = "hunter2", X-B = "hunter2" } }]'
        )
        self.assertEqual(recorded, [])
        self.assertIsInstance(found, SeveralCredentials)
        self.assertEqual(
            [part.kind for part in parts_of(found)], ["header", "digest", "header", "header"]
        )
        self.assertEqual(self.used, {"key", "digest"})

    def test_one(self) -> None:
        """A single one is what it is without the array."""
        self.assertEqual(self.resolve('["basic"]'), self.resolve('"basic"'))

    def test_faults(self) -> None:
        """What can't be combined is refused; a name that is not there may be a password."""
        for source, fault in (
            ("[]", "credentials: there are no credentials; add a name, or remove the key"),
            ('["basic", "digest"]', "credentials: basic and digest can't sign the same request"),
            ('["basic", "auth"]', 'credentials: the header "authorization" is sent twice'),
            ('["key", "key"]', 'credentials: the header "x-key" is sent twice'),
            ('["query", "query"]', 'credentials: the parameter "k" is sent twice'),
            ('["query", "other"]', 'credentials: the parameter "k" is sent twice'),
            ('["query", "session"]', 'credentials: the parameter "k" is sent twice'),
            ('["hunter2"]', "credentials[0]: there is no such name under [credentials]"),
            ('["key", "baisc"]', "credentials[1]: there is no such name under [credentials]; did"),
            ("[5]", "credentials[0]: it is an integer; write a name"),
        ):
            found, recorded = self.resolve(source)
            self.assertIsNone(found, source)
            (only,) = recorded
            self.assertTrue(only.partition(":1: ")[2].startswith(fault), only)
            self.assertNotIn("hunter2", only)
        self.assertEqual(self.resolve('["key", "faulty"]'), (None, []))
