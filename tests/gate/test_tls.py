"""The gate over TLS: other people's clients, what https means to the rest, warnings at start."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.internet.endpoints import TCP4ClientEndpoint, wrapClientTLS
from twisted.internet.protocol import Factory
from twisted.logger import capturedLogs

from corsgate.config.model.values import Config
from corsgate.config.parse import parse_config
from corsgate.cors.check import CORS_RULES
from corsgate.errors import ConfigError
from corsgate.gate.service import GateService
from corsgate.transport.files import read_file
from corsgate.upstream.tls import VerifyingCreator, trust_from_pem
from tests.certificates import Authority, Issued
from tests.peers import Client, Upstream, reactor, request, response
from tests.programs import output, require
from tests.support import PASSWORD, POLICY, Gate, GateTestCase

AUTHORITY = Authority.make()
FIRST = AUTHORITY.issue("gate.test", "localhost", common_name="first")
OTHER = AUTHORITY.issue("*.other.test", common_name="other")
WEAK = AUTHORITY.issue("gate.test", key=ec.generate_private_key(ec.SECP192R1()))


def config(upstream: str, *issued: Issued, has_http2: bool = False, rest: str = "") -> Config:
    """Return a configuration with a TLS listener.

    Args:
        upstream: The lines of the upstream.
        issued: The listener's certificates.
        has_http2: Whether HTTP/2 is spoken.
        rest: Further tables.
    """
    files: Mapping[str, bytes] = {
        f"/{number}{kind}": content
        for number, each in enumerate(issued)
        for kind, content in ((".pem", each.pem), (".key", each.key_pem))
    }
    pairs = [
        f'{{ chain = "/{number}.pem", key = "/{number}.key" }}' for number in range(len(issued))
    ]
    return parse_config(
        'hosts = ["gate.test", "127.0.0.1", "localhost"]\n'
        '[[listener]]\nendpoint = "tcp:0:interface=127.0.0.1"\n'
        f"certificates = [{', '.join(pairs)}]\n[upstreams.a]\n{upstream}\n{POLICY}\n"
        f'[routes."/v1"]\nupstream = "a"\ncors = "app"\n{rest}',
        file="gate.toml",
        environ={"PASSWORD": PASSWORD},
        read_file=files.__getitem__,
        cors_rules=CORS_RULES,
        has_http2=has_http2,
    )


class TlsTestCase(GateTestCase):
    """A test case with a gate that speaks TLS."""

    def secure(self, *upstreams: Upstream) -> Gate:
        """Return a gate with two certificates."""
        servers = json.dumps([each.url for each in upstreams] or ["http://127.0.0.1:9"])
        return self.serve_config(config(f"servers = {servers}", FIRST, OTHER))

    async def secured(self, gate: Gate, host: str = "gate.test") -> Client:
        """Return a new TLS connection to a gate, verified."""
        endpoint = wrapClientTLS(
            VerifyingCreator(host, trust_from_pem(AUTHORITY.pem)),
            TCP4ClientEndpoint(reactor, "127.0.0.1", gate.port),
        )
        client: Any = await endpoint.connect(Factory.forProtocol(Client))
        assert isinstance(client, Client)
        self.addCleanup(client.close)
        return client


class Renewed(TlsTestCase):
    """Certificates whose files were replaced."""

    def from_files(self, upstream: Upstream, issued: Issued) -> Gate:
        """Return a gate whose certificate is in files, which `renew` replaces."""
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        self.chain, self.key = directory / "chain.pem", directory / "key.pem"
        self.renew(issued.pem, issued.key_pem)
        certificate = {"chain": str(self.chain), "key": str(self.key)}
        pairs = ", ".join(f"{name} = {json.dumps(path)}" for name, path in certificate.items())
        self.toml = (
            'hosts = ["gate.test"]\n[[listener]]\nendpoint = "tcp:0:interface=127.0.0.1"\n'
            f"certificates = [{{ {pairs} }}]\n[upstreams.a]\n"
            f'servers = ["{upstream.url}"]\n[routes."/v1"]\nupstream = "a"\n'
        )
        return self.serve_config(self.load())

    def load(self) -> Config:
        """Return the configuration, its files read again."""
        return parse_config(
            self.toml, file="gate.toml", environ={}, read_file=read_file, cors_rules=CORS_RULES
        )

    async def reload(self, gate: Gate) -> str:
        """Have a gate reload; return why it could not."""
        try:
            await gate.reload(self.load())
        except ConfigError as error:
            return str(error)
        return ""

    def renew(self, pem: bytes, key_pem: bytes) -> None:
        """Replace the files."""
        self.chain.write_bytes(pem)
        self.key.write_bytes(key_pem)

    async def shown(self, gate: Gate) -> str:
        """Return the common name of the certificate that a new connection is shown."""
        client = await self.secured(gate)
        client.send(request(target=b"/nowhere", host=b"gate.test"))
        await client.response()
        tls: Any = client.transport
        return str(tls.getPeerCertificate().get_subject().commonName)

    async def test_renewed(self) -> None:
        """New connections get the new certificate; an old one goes on, with what is in flight."""
        upstream = await self.upstream(None, response(body=b"more"))
        gate = self.from_files(upstream, FIRST)
        old = await self.secured(gate)
        old.send(request(host=b"gate.test"))
        arrived = await upstream.arrived()
        renewed = AUTHORITY.issue("gate.test", common_name="renewed")
        self.renew(renewed.pem, renewed.key_pem)
        self.assertEqual(await self.shown(gate), "first")
        self.assertEqual(await self.reload(gate), "")
        self.assertEqual(await self.shown(gate), "renewed")
        arrived.connection.send(response(body=b"done"))
        self.assertEqual((await old.response()).body, b"done")
        old.send(request(host=b"gate.test"))
        self.assertEqual((await old.response()).body, b"more")

    async def test_no_file(self) -> None:
        """A FIFO in the place of a key is not waited for, and the old one goes on."""
        gate = self.from_files(await self.upstream(), FIRST)
        self.key.unlink()
        os.mkfifo(self.key)
        self.assertIn("it is a FIFO, not a file", await self.reload(gate))
        self.assertEqual(await self.shown(gate), "first")

    async def test_not_renewed(self) -> None:
        """What can't be used is told to the log, and changes nothing."""
        gate = self.from_files(await self.upstream(), FIRST)
        other = AUTHORITY.issue("gate.test", common_name="renewed")
        for pem, key in ((b"", b""), (other.pem, FIRST.key_pem), (WEAK.pem, WEAK.key_pem)):
            self.renew(pem, key)
            said = await self.reload(gate)
            self.assertTrue(said)
            self.assertNotIn(FIRST.key_pem.decode()[40:80], said)
            self.assertEqual(await self.shown(gate), "first")
        self.chain.unlink()
        self.assertIn("No such file", await self.reload(gate))
        self.assertEqual(await self.shown(gate), "first")


class Openssl(TlsTestCase):
    """What openssl finds."""

    async def s_client(self, gate: Gate, *arguments: str, said: bytes = b"Q\n") -> str:
        """Return what ``openssl s_client`` says of a connection."""
        program = require("openssl", "openssl")
        connect = ["s_client", "-connect", f"127.0.0.1:{gate.port}"]
        return await output(program, [*connect, *arguments], said)

    async def test_name(self) -> None:
        """A client gets the certificate for the name that it asks for."""
        gate = self.secure()
        for name, shown in (
            ("gate.test", "first"),
            ("a.other.test", "other"),
            ("A.OTHER.TEST", "other"),
            ("a.b.other.test", "first"),
            ("nobody.test", "first"),
        ):
            said = await self.s_client(gate, "-servername", name)
            self.assertRegex(said, rf"(?m)^subject=\s*CN ?= ?{shown}$", name)
        said = await self.s_client(gate, "-noservername")
        self.assertRegex(said, r"(?m)^subject=\s*CN ?= ?first$")

    async def test_versions(self) -> None:
        """TLS 1.2 and 1.3, with forward secrecy; nothing older."""
        gate = self.secure()
        for option, cipher in (
            ("-tls1_3", r"New, TLSv1\.3, Cipher is TLS_"),
            ("-tls1_2", r"New, TLSv1\.2, Cipher is ECDHE-ECDSA-.*(GCM|CHACHA20)"),
        ):
            self.assertRegex(await self.s_client(gate, option), cipher)
        # The level lets openssl offer it at all.
        old = await self.s_client(gate, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")
        self.assertIn("alert protocol version", old)
        self.assertIn("Cipher is (NONE)", old)
        weak = await self.s_client(gate, "-tls1_2", "-cipher", "ECDHE+AES+SHA1")
        self.assertIn("Cipher is (NONE)", weak)

    async def test_compression(self) -> None:
        """Nothing is compressed, which would tell an attacker of what is in it."""
        said = await self.s_client(self.secure(), "-tls1_2")
        self.assertIn("Compression: NONE", said)

    async def test_protocol(self) -> None:
        """HTTP/1.1 is agreed on where it is offered; who offers nothing is served too."""
        gate = self.secure()
        agreed = await self.s_client(gate, "-alpn", "h2,http/1.1")
        self.assertIn("ALPN protocol: http/1.1", agreed)
        self.assertIn("No ALPN negotiated", await self.s_client(gate))
        self.assertIn("alert", await self.s_client(gate, "-alpn", "ftp"))

    async def test_resumed(self) -> None:
        """A session is resumed by its ticket, for the second name too."""
        gate = self.secure(await self.upstream())
        directory = Path(self.mktemp())
        directory.mkdir()
        asked = request(host=b"gate.test", headers=[(b"Connection", b"close")])
        for version in ("-tls1_2", "-tls1_3"):
            for name in ("gate.test", "a.other.test"):
                kept = str(directory / f"{name}{version}")
                arguments = (version, "-servername", name, "-ign_eof")
                first = await self.s_client(gate, *arguments, "-sess_out", kept, said=asked)
                self.assertIn("200 Fine", first)
                self.assertIn("\nNew, ", first)
                second = await self.s_client(gate, *arguments, "-sess_in", kept, said=asked)
                self.assertIn("\nReused, ", second)
                self.assertIn("200 Fine", second)


class Curl(TlsTestCase):
    """What curl gets."""

    async def test_whole(self) -> None:
        """A request through the gate, its certificate verified, the body as it was."""
        body = bytes(range(256)) * 4096
        upstream = await self.upstream(response(body=body))
        gate = self.secure(upstream)
        directory = Path(self.mktemp())
        directory.mkdir()
        ca, got = directory / "ca.pem", directory / "body"
        ca.write_bytes(AUTHORITY.pem)
        said = await output(
            require("curl", "curl"),
            [
                *("--silent", "--show-error", "--noproxy", "*", "--cacert", str(ca)),
                *("--resolve", f"gate.test:{gate.port}:127.0.0.1", "--output", str(got)),
                *("--data-binary", f"@{ca}", "--write-out", "%{http_code} %{ssl_verify_result}"),
                f"https://gate.test:{gate.port}/v1/x",
            ],
        )
        self.assertEqual(said, "200 0")
        self.assertEqual(got.read_bytes(), body)
        self.assertEqual(upstream.requests[0].body, AUTHORITY.pem)


class Https(TlsTestCase):
    """What it means to the rest of the gate that a client came over TLS."""

    async def test_told(self) -> None:
        """The upstream is told of https."""
        upstream = await self.upstream()
        client = await self.secured(self.secure(upstream))
        client.send(request(host=b"gate.test:8443"))
        self.assertEqual((await client.response()).status, 200)
        got = upstream.requests[0]
        self.assertEqual(got.one(b"Forwarded"), b'for=127.0.0.1;host="gate.test:8443";proto=https')
        self.assertEqual(got.one(b"X-Forwarded-Proto"), b"https")

    async def test_own_origin(self) -> None:
        """The gate's own pages are those of https, and may ask; the same over http may not."""
        upstream = await self.upstream()
        client = await self.secured(self.secure(upstream))
        for origin, status in (
            (b"https://gate.test", 200),
            (b"https://gate.test:443", 403),
            (b"http://gate.test", 403),
            (b"https://evil.example", 403),
        ):
            client.send(
                request(b"PUT", headers=[(b"Origin", origin)], body=b"x", host=b"gate.test")
            )
            self.assertEqual((await client.response()).status, status, origin)
        self.assertEqual(len(upstream.requests), 1)

    async def test_answer(self) -> None:
        """Secure cookies stay secure, and a redirect leads back over https."""
        upstream = await self.upstream()
        fields = [
            (b"Set-Cookie", b"a=1; Secure; SameSite=None; Path=/v1"),
            (b"Location", upstream.url.encode() + b"/v1/there"),
        ]
        upstream.script(response(302, fields))
        client = await self.secured(self.secure(upstream))
        client.send(request(host=b"gate.test:8443"))
        answer = await client.response()
        self.assertEqual(answer.one(b"Set-Cookie"), b"a=1; Secure; SameSite=None; Path=/v1")
        self.assertIn(answer.one(b"Location"), (b"https://gate.test:8443/v1/there", b"/v1/there"))

    async def test_streams(self) -> None:
        """Large bodies pass both ways, request after request, and the last one closes."""
        body = bytes(range(256)) * 8192
        upstream = await self.upstream(response(body=body))
        client = await self.secured(self.secure(upstream))
        for last in (False, True):
            headers = [(b"Connection", b"close")] if last else []
            client.send(request(b"PUT", headers=headers, body=body, host=b"gate.test"))
            self.assertEqual((await client.response()).body, body)
        await client.gone()
        self.assertEqual([each.body == body for each in upstream.requests], [True, True])

    async def test_stop(self) -> None:
        """A gate that stops closes idle connections, and lets what is in flight end."""
        upstream = await self.upstream(None)
        gate = self.secure(upstream)
        idle, busy = await self.secured(gate), await self.secured(gate)
        busy.send(request(host=b"gate.test"))
        asked = await upstream.arrived()
        stopped = gate.stop()
        await idle.gone()
        asked.connection.send(response(body=b"late"))
        self.assertEqual((await busy.response()).body, b"late")
        await busy.gone()
        await stopped

    async def test_replaced(self) -> None:
        """New certificates are shown to new connections; open ones go on."""
        gate = self.secure(await self.upstream())
        client = await self.secured(gate)
        (listener,) = gate.service.listeners
        renewed = attrs.evolve(
            listener.listener, certificates=(AUTHORITY.issue("new.test").certified,)
        )
        await gate.reload(attrs.evolve(gate.service.config, listeners=(renewed,)))
        client.send(request(host=b"gate.test"))
        self.assertEqual((await client.response()).status, 200)
        newer = await self.secured(gate, "new.test")
        newer.send(request(host=b"gate.test"))
        self.assertEqual((await newer.response()).status, 200)

    async def test_to_itself(self) -> None:
        """An upstream may be another gate over TLS."""
        upstream = await self.upstream()
        inner = self.secure(upstream)
        line = f'servers = ["https://127.0.0.1:{inner.port}"]\nverify = "dangerously-off"'
        outer = self.serve_config(config(line, FIRST), seed=b"\x5b")
        client = await self.secured(outer)
        client.send(request(host=b"gate.test"))
        self.assertEqual((await client.response()).status, 200)


class Starting(TlsTestCase):
    """What the gate says of its TLS, or refuses, at its start."""

    async def test_warnings(self) -> None:
        """Each start warns of an upstream that isn't verified."""
        line = 'servers = ["https://127.0.0.1:9"]\nverify = "dangerously-off"'
        with capturedLogs() as logged:
            self.serve_config(config(line, FIRST))
        (warning,) = [event["caution"] for event in logged if "caution" in event]
        self.assertIn("upstream a: its servers are not verified", warning)
        with capturedLogs() as logged:
            self.secure()
        self.assertEqual([event for event in logged if "caution" in event], [])

    async def test_refused(self) -> None:
        """A certificate that OpenSSL refuses is a fault."""
        with self.assertRaises(ConfigError) as caught:
            GateService(
                config('servers = ["http://127.0.0.1:9"]', WEAK),
                reactor,
                rng=lambda size: b"\x5a" * size,
                file="gate.toml",
            )
        self.assertEqual(
            str(caught.exception),
            'gate.toml: listener.certificates: "/0.pem" is refused by OpenSSL: ee key too small; '
            "use a stronger certificate",
        )
