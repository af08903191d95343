"""TLS settings: certificates, keys and verification, with their faults word for word."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from corsgate.config.model.values import Config, Listener
from corsgate.config.parse import parse_config
from corsgate.errors import BadValue, ConfigError
from tests.certificates import key_pem, new_key
from tests.config.support import AUTHORITY, ISSUED, ROUTE, TOP, UPSTREAM, TableTestCase

OTHER = AUTHORITY.issue("*.B.example.com", "c.example.com")
AGAIN = AUTHORITY.issue("A.example.com")
NAMELESS = AUTHORITY.issue()
SHORT = rsa.generate_private_key(65537, 1024)
ODD = dsa.generate_private_key(2048)
FILES = {
    "/chain.pem": ISSUED.pem + AUTHORITY.pem,
    "/key.pem": ISSUED.key_pem,
    "/other.pem": OTHER.pem,
    "/other-key.pem": OTHER.key_pem,
    "/again.pem": AGAIN.pem,
    "/again-key.pem": AGAIN.key_pem,
    "/nameless.pem": NAMELESS.pem,
    "/nameless-key.pem": NAMELESS.key_pem,
    "/both.pem": ISSUED.pem + ISSUED.key_pem,
    "/reversed.pem": AUTHORITY.pem + ISSUED.pem,
    "/broken.pem": b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n",
    "/broken-key.pem": b"-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n",
    "/encrypted-key.pem": key_pem(ISSUED.key, b"hunter2"),
    "/short-key.pem": key_pem(SHORT),
    "/odd-key.pem": ODD.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    "/curve-key.pem": b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n"
    b"-----END EC PARAMETERS-----\n" + ISSUED.key_pem,
    "/text": b"no certificate",
}

LISTENER = '[[listener]]\nendpoint = "tcp:8443"\n@@\n' + UPSTREAM + ROUTE
HTTPS = TOP + '[upstreams.a]\nservers = ["https://127.0.0.1:8000"]\n@@\n' + ROUTE
PLAIN = TOP + UPSTREAM + "@@\n" + ROUTE

_AT = "c.toml:3: listener[0].certificates"
_NEVER = (
    "this certificate would never be used; add a subjectAltName that no earlier "
    "certificate has, or remove it"
)


def read_file(path: str) -> bytes:
    """Return one of `FILES`."""
    if path not in FILES:
        raise FileNotFoundError(2, "No such file or directory", path)
    return FILES[path]


def parse(source: str, *, has_http2: bool = False) -> Config:
    """Parse a file named ``c.toml``."""
    return parse_config(source, file="c.toml", environ={}, read_file=read_file, has_http2=has_http2)


def faults_of(source: str) -> str:
    """Return the faults, a line for each."""
    try:
        parse(source)
    except ConfigError as error:
        return "\n".join(map(str, error.faults))
    return ""


def pair(chain: str, key: str) -> str:
    """Return a table of two files."""
    return f'{{ chain = "/{chain}", key = "/{key}" }}'


def certificates(*pairs: str) -> str:
    """Return a listener's key."""
    return f"certificates = [{', '.join(pairs)}]"


GOOD = pair("chain.pem", "key.pem")

CERTIFICATES = (
    ("certificates = []", f"{_AT}: it is empty; give at least one, or remove it"),
    (
        'certificates = "/chain.pem"',
        f"{_AT}: it is text; write an array of tables {{ chain, key }}",
    ),
    (
        'certificates = ["/chain.pem"]',
        (
            f"{_AT}[0]: it is text; "
            'write { chain = "/etc/corsgate/fullchain.pem", key = "/etc/corsgate/key.pem" }'
        ),
    ),
    (
        "certificates = [{}]",
        (
            f'{_AT}[0].chain: it is missing; write chain = "/etc/corsgate/fullchain.pem"\n'
            f'{_AT}[0].key: it is missing; write key = "/etc/corsgate/key.pem"'
        ),
    ),
    (
        'certificates = [{ chain = 5, key = ["x"], cert = "x" }]',
        (
            f"{_AT}[0].chain: 5 is an integer; write text in quotes\n"
            f"{_AT}[0].key: it is an array; write text in quotes\n"
            f'{_AT}[0].cert: the key is unknown; remove it, or write "chain" or "key"'
        ),
    ),
    (
        certificates(pair("none.pem", "none-key.pem")),
        (
            f'{_AT}[0].chain: "/none.pem" can\'t be read: No such file or directory; '
            "give a file that this user can read\n"
            f'{_AT}[0].key: "/none-key.pem" can\'t be read: No such file or directory; '
            "give a file that this user can read"
        ),
    ),
    (
        certificates(pair("text", "text")),
        (
            f"{_AT}[0].chain: it contains no certificate; "
            'give a PEM file with "-----BEGIN CERTIFICATE-----"\n'
            f"{_AT}[0].key: it contains no private key; "
            'give a PEM file with "-----BEGIN PRIVATE KEY-----"'
        ),
    ),
    (
        certificates(pair("broken.pem", "broken-key.pem")),
        (
            f"{_AT}[0].chain: a certificate in it can't be read; "
            "write each certificate in PEM, the server's own first\n"
            f"{_AT}[0].key: the private key in it can't be read; "
            'give a PEM file with "-----BEGIN PRIVATE KEY-----"'
        ),
    ),
    (
        certificates(pair("chain.pem", "encrypted-key.pem")),
        (
            f"{_AT}[0].key: the private key is encrypted; "
            'decrypt it with "openssl pkey", into a file that only the gate can read'
        ),
    ),
    (
        certificates(pair("chain.pem", "short-key.pem")),
        (
            f"{_AT}[0].key: the private key is too short: 1024 bits; "
            "make an EC key, or an RSA key of 2048 bits or more"
        ),
    ),
    (
        certificates(pair("chain.pem", "odd-key.pem")),
        f"{_AT}[0].key: this kind of private key can't be used for TLS; make an EC key",
    ),
    (
        certificates(GOOD, pair("other.pem", "key.pem")),
        (
            f"{_AT}[1].key: the private key does not belong to the first certificate in chain; "
            "name the key of the server's own certificate, which comes first in chain"
        ),
    ),
    (
        certificates(pair("reversed.pem", "key.pem")),
        (
            f"{_AT}[0].key: the private key does not belong to the first certificate in chain; "
            "name the key of the server's own certificate, which comes first in chain"
        ),
    ),
    (certificates(GOOD, pair("again.pem", "again-key.pem")), f"{_AT}[1]: {_NEVER}"),
    (certificates(GOOD, pair("nameless.pem", "nameless-key.pem")), f"{_AT}[1]: {_NEVER}"),
)

HTTP2 = (
    (
        f"{certificates(GOOD)}\nhttp2 = true",
        (
            "c.toml:4: listener[0].http2: the library for HTTP/2 is not installed; "
            "run pip install 'h2>=4', or remove it"
        ),
    ),
    (
        "http2 = true",
        (
            "c.toml:3: listener[0].http2: the library for HTTP/2 is not installed; "
            "run pip install 'h2>=4', or remove it\n"
            "c.toml:3: listener[0].http2: HTTP/2 needs TLS; "
            "add certificates, or remove it"
        ),
    ),
    ('http2 = "yes"', 'c.toml:3: listener[0].http2: "yes" is text; write true or false'),
)

_VERIFY = 'remove it, or write "dangerously-off" to trust any server'
UPSTREAMS = (
    (
        'ca = "/broken.pem"',
        "c.toml:4: upstreams.a.ca: a certificate in it can't be read; "
        "write each certificate in PEM, the server's own first",
    ),
    (
        'server_name = "https://a"',
        'c.toml:4: upstreams.a.server_name: "https://a" is not an IPv6 address; '
        "write a host name or an IP address",
    ),
    (
        'server_name = "a b"',
        'c.toml:4: upstreams.a.server_name: "a b" is not a host name; '
        "write a host name or an IP address",
    ),
    ("server_name = 5", "c.toml:4: upstreams.a.server_name: 5 is an integer; write text in quotes"),
    (
        'client_certificate = "/chain.pem"',
        "c.toml:4: upstreams.a.client_certificate: it is text; "
        'write { chain = "/etc/corsgate/fullchain.pem", key = "/etc/corsgate/key.pem" }',
    ),
    (
        f"client_certificate = {pair('other.pem', 'key.pem')}",
        "c.toml:4: upstreams.a.client_certificate.key: "
        "the private key does not belong to the first certificate in chain; "
        "name the key of the server's own certificate, which comes first in chain",
    ),
    (
        "verify = false",
        f"c.toml:4: upstreams.a.verify: it is not valid; {_VERIFY}",
    ),
    (
        "verify = true",
        f"c.toml:4: upstreams.a.verify: it is not valid; {_VERIFY}",
    ),
    (
        'verify = "off"',
        f'c.toml:4: upstreams.a.verify: "off" is not valid; {_VERIFY}',
    ),
    (
        'verify = "Dangerously-Off"',
        'c.toml:4: upstreams.a.verify: "Dangerously-Off" is not valid; ' + _VERIFY,
    ),
    (
        'verify = "dangerously-off"\nca = "/chain.pem"',
        (
            "c.toml:4: upstreams.a.verify: ca has no effect when servers are not verified; "
            "remove one of the two"
        ),
    ),
)

_NO_HTTPS = "no server of this upstream uses https; write https:// URLs, or remove it"
WITHOUT_HTTPS = (
    ('server_name = "a"', f"c.toml:4: upstreams.a.server_name: {_NO_HTTPS}"),
    (
        f"client_certificate = {GOOD}",
        f"c.toml:4: upstreams.a.client_certificate: {_NO_HTTPS}",
    ),
    ('verify = "dangerously-off"', f"c.toml:4: upstreams.a.verify: {_NO_HTTPS}"),
)


class TlsFaultTests(TableTestCase):
    """What is wrong, where, and how to fix it."""

    def assert_table(self, template: str, cases: tuple[tuple[str, str], ...]) -> None:
        """Assert the faults of each fragment in a template."""
        expected = dict(cases)
        found = {fragment: faults_of(template.replace("@@", fragment)) for fragment in expected}
        self.assertEqual(expected, found)

    def test_certificates(self) -> None:
        """A listener's certificates are read and checked when the file is."""
        self.assert_table(LISTENER, CERTIFICATES)

    def test_http2(self) -> None:
        """HTTP/2 needs its libraries and certificates."""
        self.assert_table(LISTENER, HTTP2)

    def test_endpoints(self) -> None:
        """An endpoint that speaks TLS itself takes no certificates."""
        for kind in ("ssl", "tls:/keys"):
            endpoint = f"{kind}:8443"
            source = LISTENER.replace("tcp:8443", endpoint).replace("@@", certificates(GOOD))
            self.assertEqual(
                faults_of(source),
                f'{_AT}: the endpoint "{endpoint}" has its own certificates; write endpoint ='
                ' "tcp:8443"',
            )

    def test_upstreams(self) -> None:
        """So are an upstream's; only one word turns verification off."""
        self.assert_table(HTTPS, UPSTREAMS)

    def test_without_https(self) -> None:
        """A key without effect is a fault."""
        self.assert_table(PLAIN, WITHOUT_HTTPS)

    def test_no_key_is_shown(self) -> None:
        """No fault or repr contains any part of a private key."""
        shown = [faults_of(LISTENER.replace("@@", fragment)) for fragment, _ in CERTIFICATES]
        shown += [
            faults_of(LISTENER.replace("@@", certificates(pair(chain[1:], key[1:]))))
            for chain in FILES
            for key in FILES
        ]
        config = parse(LISTENER.replace("@@", certificates(pair("both.pem", "both.pem"))))
        shown += [repr(config), str(config.listeners)]
        secrets = {
            line
            for content in FILES.values()
            if b"PRIVATE" in content
            for line in content.decode().splitlines()
            if len(line) > 4 and not line.startswith("-----")
        }
        for text in shown:
            self.assertEqual([line for line in secrets if line in text], [])


class TlsTests(TableTestCase):
    """Valid settings."""

    def test_http2_by_default(self) -> None:
        """HTTP/2 is offered over TLS where its library is installed, unless it is turned off."""
        secure = LISTENER.replace("@@", certificates(GOOD))
        for source, has_http2, offered in (
            (secure, True, True),
            (secure, False, False),
            (LISTENER.replace("@@", certificates(GOOD) + "\nhttp2 = false"), True, False),
            (LISTENER.replace("@@", ""), True, False),
        ):
            (listener,) = parse(source, has_http2=has_http2).listeners
            self.assertEqual(listener.http2, offered, source)

    def test_listener(self) -> None:
        """The chain, its key and its names, in the file's order."""
        source = LISTENER.replace(
            "@@", certificates(GOOD, pair("other.pem", "other-key.pem")) + "\nhttp2 = true"
        )
        (listener,) = parse(source, has_http2=True).listeners
        self.assertTrue(listener.http2)
        self.assertEqual(
            [one.names for one in listener.certificates],
            [("a.example.com", "*.b.example.com"), ("*.b.example.com", "c.example.com")],
        )
        first = listener.certificates[0]
        self.assertEqual(first.chain, (ISSUED.certificate, AUTHORITY.certificate))
        self.assertEqual((first.chain_file, first.key_file), ("/chain.pem", "/key.pem"))

    def test_defaults(self) -> None:
        """Without them there is no TLS, no HTTP/2, and every https server is verified."""
        config = parse(HTTPS.replace("@@", ""))
        self.assertEqual([(one.certificates, one.http2) for one in config.listeners], [((), False)])
        upstream = config.upstreams["a"]
        self.assertEqual(
            (upstream.verify, upstream.server_name, upstream.client_certificate),
            (True, None, None),
        )

    def test_files(self) -> None:
        """One file may hold both; a curve before the key does no harm."""
        for chain, key in (("both.pem", "both.pem"), ("chain.pem", "curve-key.pem")):
            self.assertEqual(faults_of(LISTENER.replace("@@", certificates(pair(chain, key)))), "")

    def test_nameless(self) -> None:
        """One certificate, or the first, needs no name: it is the default."""
        nameless = pair("nameless.pem", "nameless-key.pem")
        self.assertEqual(faults_of(LISTENER.replace("@@", certificates(nameless, GOOD))), "")

    def test_upstream(self) -> None:
        """Each key arrives."""
        keys = f'server_name = "API.test"\nclient_certificate = {GOOD}\nverify = "dangerously-off"'
        upstream = parse(HTTPS.replace("@@", keys)).upstreams["a"]
        self.assertEqual((upstream.server_name, upstream.verify), ("api.test", False))
        assert upstream.client_certificate is not None
        self.assertEqual(upstream.client_certificate.chain_file, "/chain.pem")

    def test_model(self) -> None:
        """Objects that are made without a file are checked too."""
        self.assertRaises(BadValue, Listener, endpoint="tcp:1", http2=True)

    def test_keys(self) -> None:
        """EC and RSA keys are valid."""
        for key in (new_key(), ec.generate_private_key(ec.SECP384R1())):
            self.assertEqual(AUTHORITY.issue("a", key=key).certified.names, ("a",))
        long = rsa.generate_private_key(65537, 2048)
        self.assertEqual(AUTHORITY.issue("a", key=long).certified.names, ("a",))
