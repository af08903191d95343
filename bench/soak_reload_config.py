"""The configurations of the soak with reloads; each makes one kind of change to the last one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

ORIGIN: Final = "https://app.example"
"""The origin of every request; it is always allowed."""

KINDS: Final = ("routes", "policies", "servers", "certificates", "listeners")
"""The kinds of changes, in turn."""

EVERY_BROKEN: Final = 5
"""Every reload whose number is a multiple of this has a broken file."""

_DAY: Final = timedelta(days=1)


@attrs.frozen(kw_only=True)
class Ports:
    """The ports on 127.0.0.1.

    Attributes:
        plain: The gate's port without TLS.
        tls: The gate's port with TLS.
        extra: The gate's port on a listener that is added and removed.
        boxes: The servers' ports; the last server is added and removed.
    """

    plain: int
    tls: int
    extra: int
    boxes: Sequence[int]


@attrs.frozen(kw_only=True)
class Step:
    """One change of the file.

    Attributes:
        number: The number of the change, from 1.
        kind: One of `KINDS`, or ``broken``.
    """

    number: int
    kind: str

    @property
    def mark(self) -> str:
        """The text that the error of a broken file contains."""
        return f"broken-{self.number}"


class Files:
    """The configuration and its certificates.

    Args:
        directory: The directory of the files.
        ports: The ports of the gate and its servers.

    Attributes:
        config: The path of the configuration.
        authority: The path of the CA certificate with which clients verify the gate.
        version: The version in each response under the configuration that was written last, except
            broken ones.
    """

    def __init__(self, directory: Path, ports: Ports) -> None:
        self._directory = directory
        self._ports = ports
        self._changes = dict.fromkeys(KINDS, 0)
        self._steps = 0
        self.version = 0
        self.config = directory / "gate.toml"
        self.authority = directory / "authority.pem"
        self._authority_key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "soak")])
        self._authority = self._issue(name, self._authority_key, authority=True)
        self.authority.write_bytes(self._authority.public_bytes(Encoding.PEM))
        self._renew()
        self.config.write_text(self._text(), "utf-8")

    def change(self) -> Step:
        """Write the next configuration; return the change."""
        self._steps += 1
        number = self._steps
        if number % EVERY_BROKEN == 0:
            step = Step(number=number, kind="broken")
            self.config.write_text(self._broken(step.mark), "utf-8")
            return step
        kind = KINDS[(number - number // EVERY_BROKEN - 1) % len(KINDS)]
        self._changes[kind] += 1
        self.version = number
        if kind == "certificates":
            self._renew()
        self.config.write_text(self._text(), "utf-8")
        return Step(number=number, kind=kind)

    def _text(self) -> str:
        """Return the configuration."""
        ports, changes = self._ports, self._changes
        chain, key = self._directory / "chain.pem", self._directory / "key.pem"
        boxes = ports.boxes if changes["servers"] % 2 == 0 else ports.boxes[:-1]
        listen = [ports.plain] if changes["listeners"] % 2 else [ports.plain, ports.extra]
        origins = [ORIGIN, f"https://app-{changes['policies']}.example"]
        routes = ["/", "/events", "/socket"]
        routes += ["/extra"] if changes["routes"] % 2 == 0 else []
        servers = [f"http://127.0.0.1:{port}" for port in boxes]
        lines = [
            f"listen = {[f'tcp:{port}:interface=127.0.0.1' for port in listen]}",
            f'access_log = "{self._directory / "access.log"}"',
            f"[upstreams.box]\nservers = {servers}",
            f'[cors.app]\nallow_origins = {origins}\nallow_methods = ["PUT"]',
            f'max_age = "{1 + changes["policies"] % 10}m"',
        ]
        for route in routes:
            lines += [
                f'[routes."{route}"]\nupstream = "box"\ncors = "app"',
                f'response_headers = {{ set = {{ X-Version = "{self.version}" }} }}',
            ]
        lines += [
            f'[[listener]]\nendpoint = "tcp:{ports.tls}:interface=127.0.0.1"\nhttp2 = true',
            f'certificates = [{{ chain = "{chain}", key = "{key}" }}]',
            '[admin]\nlisten = "tcp:0:interface=127.0.0.1"',
            "[limits]",
            'min_upload_rate = "0B"',
        ]
        return "\n".join(lines) + "\n"

    def _broken(self, mark: str) -> str:
        """Return a configuration with an error, of several kinds in turn."""
        text = self._text()
        faults = (
            ("access_log", f'"{mark}" = 1\naccess_log'),
            ('upstream = "box"', f'upstream = "{mark}"'),
            ("chain.pem", f"{mark}.pem"),
            (f"'{ORIGIN}'", f"'{mark}'"),
        )
        good, bad = faults[self._steps // EVERY_BROKEN % len(faults)]
        return text.replace(good, bad, 1)

    def _renew(self) -> None:
        """Write a new certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gate")])
        issued = self._issue(name, key, authority=False)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self._directory / "chain.pem").write_bytes(issued.public_bytes(Encoding.PEM))
        (self._directory / "key.pem").write_bytes(private)

    def _issue(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, *, authority: bool
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        issuer = name if authority else self._authority.subject
        names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + _DAY)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self._authority_key, SHA256())
        )
