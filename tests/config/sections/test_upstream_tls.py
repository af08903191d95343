"""The table ``tls`` of an upstream: what it may say, its faults, and its warnings."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.upstream_tls import UpstreamTls
from corsgate.config.model.values import Config
from corsgate.config.sections.tls import tls_findings, tls_warnings
from tests.config.sections.test_tls_faults import HTTPS, PLAIN, faults_of, parse

PIN = f"sha256/{'A' * 43}="
AT = "c.toml:4: upstreams.a"


def read(table: str) -> Config:
    """Return a configuration whose upstream has this table."""
    return parse(HTTPS.replace("@@", f"tls = {table}"))


class ReadTests(SynchronousTestCase):
    def test_read(self) -> None:
        """Each key is read; what is absent is as without the table."""
        for table, expected in (
            ("{}", UpstreamTls()),
            ('{ min_version = "1.0" }', UpstreamTls(min_version="1.0")),
            ('{ ciphers = "ALL:@SECLEVEL=0" }', UpstreamTls(ciphers="ALL:@SECLEVEL=0")),
            (f'{{ pin = ["{PIN}"] }}', UpstreamTls(pin=(PIN,))),
        ):
            self.assertEqual(read(table).upstreams["a"].tls, expected)
        self.assertEqual(parse(HTTPS.replace("@@", "")).upstreams["a"].tls, UpstreamTls())

    def test_faults(self) -> None:
        """What is wrong is said in its place, with what to write."""
        for line, expected in (
            ('tls = "1.0"', f"{AT}.tls: it is text; write {{ pin = "),
            ('tls = { min_version = "1.4" }', f'{AT}.tls.min_version: "1.4" '),
            ("tls = { min_version = 1.0 }", f"{AT}.tls.min_version: "),
            ('tls = { ciphers = "A B" }', f"{AT}.tls.ciphers: 'A B' is not a list of ciphers"),
            (f'tls = {{ pin = "{PIN}" }}', f"{AT}.tls.pin: it is text; write an array"),
            ('tls = { pin = ["sha256/AA="] }', f'{AT}.tls.pin[0]: "sha256/AA=" is not a pin'),
            ("tls = { pin = [] }", f"{AT}.tls.pin: it is empty"),
            ("tls = { pins = [] }", f"{AT}.tls.pins: the key is unknown"),
            (
                f'ca = "/chain.pem"\ntls = {{ pin = ["{PIN}"] }}',
                f"{AT}.ca: it has no effect with tls.pin; remove one of the two",
            ),
            (
                f'verify = "dangerously-off"\ntls = {{ pin = ["{PIN}"] }}',
                f"{AT}.verify: it has no effect with tls.pin; remove one of the two",
            ),
        ):
            faults = faults_of(HTTPS.replace("@@", line))
            self.assertTrue(faults.startswith(expected), faults)
            self.assertEqual(faults.count("\n"), 0, faults)

    def test_plain(self) -> None:
        """It has no effect without an https server."""
        for table in ('{ min_version = "1.0" }', "{}"):
            faults = faults_of(PLAIN.replace("@@", f"tls = {table}"))
            self.assertIn("upstreams.a.tls: no server of this upstream uses https", faults)


class WarningTests(SynchronousTestCase):
    def test_at_each_start(self) -> None:
        """Old versions and weak signatures are warned of, with their key; a pin is not."""
        for table, key, words in (
            ('{ min_version = "1.0" }', "min_version", "upstream a: TLS 1.0 is accepted"),
            ('{ min_version = "1.1" }', "min_version", "upstream a: TLS 1.1 is accepted"),
            (
                '{ ciphers = "DEFAULT:@SECLEVEL=0" }',
                "ciphers",
                "upstream a: short keys and SHA-1 signatures are accepted",
            ),
        ):
            ((path, said),) = tls_findings(read(table), 0)
            self.assertEqual(path, ("upstreams", "a", "tls", key))
            self.assertTrue(said.startswith(words), said)
            self.assertEqual(tls_warnings(read(table), 0), [said])

    def test_none(self) -> None:
        """What makes nothing weaker is not warned of."""
        for table in (
            "{}",
            '{ min_version = "1.3" }',
            '{ ciphers = "ECDHE+AESGCM" }',
            f'{{ pin = ["{PIN}"] }}',
        ):
            self.assertEqual(tls_warnings(read(table), 0), [])
