"""``corsgate diff OLD NEW``."""

from __future__ import annotations

from tests.cli.commands import CommandTestCase, corsgate
from tests.config.test_diff import BASE


class DiffTests(CommandTestCase):
    """Its output and exit status."""

    def test_statuses(self) -> None:
        """As in diff, no difference is 0, a difference 1, and a fault 2."""
        old = self.file(BASE)
        new = self.file(BASE.replace("4200", "4201"))
        done = corsgate("diff", old, old)
        self.assertEqual((done.status, done.out, done.err), (0, "", ""))
        done = corsgate("diff", old, new)
        self.assertEqual((done.status, done.err, done.out.count("\n")), (1, "", 2))
        for files in ((old, self.file("x")), (self.file("x"), old), (old, "/no/such.toml"), (old,)):
            done = corsgate("diff", *files)
            self.assertEqual((done.status, done.out), (2, ""))
            self.assertNotEqual(done.err, "")

    def test_json(self) -> None:
        """With --json, differences are objects."""
        new = self.file(BASE.replace('["PUT"]', '["PUT", "PATCH"]'))
        self.assertEqual(
            corsgate("diff", "--json", self.file(BASE), new).json,
            [{"kind": "gives", "where": 'routes."/v1"', "words": "pages may use PATCH"}],
        )

    def test_secrets_elsewhere(self) -> None:
        """A missing secret is compared by its source, and never shown."""
        old = BASE.replace('"old-s3cret"', '{ env = "NO_SUCH_A" }')
        for source, status in (
            ('{ env = "NO_SUCH_A" }', 0),
            ('{ env = "NO_SUCH_B" }', 1),
            ('{ file = "/no/such/file" }', 1),
            ('{ systemd = "x" }', 1),
        ):
            new = BASE.replace('"old-s3cret"', source)
            done = corsgate("diff", self.file(old), self.file(new))
            self.assertEqual((source, done.status), (source, status))
            self.assertEqual("password changed" in done.out, bool(status))

    def test_certificates_elsewhere(self) -> None:
        """Missing certificates are compared by their file names."""
        old = BASE.replace(
            'listen = ["tcp:5555"]',
            '[[listener]]\nendpoint = "tcp:1"\ncertificates'
            ' = [{ chain = "/no/a.pem", key = "/no/a.key" }]',
        )
        self.assertEqual(corsgate("diff", self.file(old), self.file(old)).status, 0)
        new = old.replace("/no/a.pem", "/no/b.pem")
        done = corsgate("diff", self.file(old), self.file(new))
        self.assertEqual((done.status, done.out), (1, "~ listen tcp:1: certificates changed\n"))
