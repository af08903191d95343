"""A configuration read to be looked at, on a machine that need not have its secrets."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from corsgate.config.model.values import Config
from corsgate.config.parse import parse_with
from corsgate.config.sections.secrets import Sources
from corsgate.config.toml.document import read_source
from corsgate.cors.check import CORS_RULES
from corsgate.errors import BadValue
from corsgate.transport.files import read_file, read_given


@attrs.frozen(kw_only=True)
class Loaded:
    """A configuration without faults.

    Attributes:
        file: Its name.
        config: What it says.
        document: The same as tomllib reads it.
    """

    file: str
    config: Config
    document: Mapping[str, object]


def load(file: str) -> Loaded:
    """Return a configuration; what its secrets and certificates are does not matter.

    A secret or certificate that this machine lacks has a stand-in, the same one for the same
    name wherever it occurs.

    Args:
        file: The file's name.

    Raises:
        ConfigError: It can't be read, or has faults of another kind.
    """
    source = read_source(file, read_given)
    config = parse_with(
        source,
        file=file,
        sources=StandIns(environ=_Environ(), read_file=_read_bytes, has_http2=True),
        cors_rules=CORS_RULES,
    )
    return Loaded(file=file, config=config, document=tomllib.loads(source.decode("utf-8")))


def _read_bytes(name: str) -> bytes:
    """Return a secret's file, or what stands in for it."""
    try:
        return read_file(name)
    except OSError:
        return _stand_in(f"file {name}").encode()


def _stand_in(what: str) -> str:
    """Return text that passes for every kind of secret, and differs by what it stands for."""
    return sha256(what.encode()).hexdigest()


class _Environ(Mapping[str, str]):
    """The environment, with a stand-in for each variable that is not in it."""

    def __getitem__(self, name: str) -> str:
        return os.environ.get(name) or _stand_in(f"variable {name}")

    def __iter__(self) -> Iterator[str]:
        return iter(os.environ)

    def __len__(self) -> int:
        return len(os.environ)


@attrs.frozen(kw_only=True)
class StandIns(Sources):
    """Sources that have a certificate for every file that can't be read."""

    def certificate(self, path: str) -> bytes:
        """Return a file's bytes, or a key and a certificate of its own for its name."""
        try:
            return read_file(path)
        except (OSError, ValueError) as error:
            if not path or isinstance(error, ValueError):
                raise BadValue("it is not a path", "name a file") from None
            return _certificate(path)


def _certificate(path: str) -> bytes:
    """Return a key and its certificate, the same ones for the same path; they guard nothing.

    A chain and its key must belong together, so all have the same key.
    """
    digest = sha256(path.encode())
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    name = x509.Name([])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(int(digest.hexdigest()[:16], 16) + 1)
        .not_valid_before(datetime(2000, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2999, 1, 1, tzinfo=UTC))
        # Without a name of its own, a listener's second certificate would be a fault.
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(f"{digest.hexdigest()[:16]}.invalid")]),
            critical=False,
        )
        .sign(key, None)
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + made.public_bytes(Encoding.PEM)
