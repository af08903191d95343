"""Loads a configuration for inspection, on a machine that may not have its secrets."""

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

from corsgate.config.model.command import Command
from corsgate.config.model.values import Config
from corsgate.config.parse import parse_with
from corsgate.config.sections.secrets import Sources
from corsgate.config.toml.document import mark_policies, read_source
from corsgate.cors.check import CORS_RULES
from corsgate.errors import BadValue
from corsgate.transport.files import read_file, read_given


@attrs.frozen(kw_only=True)
class Loaded:
    """A configuration without faults.

    Attributes:
        file: The file's name.
        config: The configuration.
        document: The document as parsed by tomllib.
    """

    file: str
    config: Config
    document: Mapping[str, object]


def load(file: str) -> Loaded:
    """Load a configuration, even if its secrets and certificates are missing.

    A missing secret or certificate is replaced by a placeholder that depends only on its name.
    Commands are not run; their output is also replaced.

    Args:
        file: The file's name.

    Raises:
        ConfigError: The file can't be read, or has other faults.
    """
    return load_source(read_source(file, read_given), file)


def load_source(source: bytes, file: str) -> Loaded:
    """Load the content of a configuration file, as `load` does.

    Args:
        source: The content.
        file: The file's name, for messages.

    Raises:
        ConfigError: It has faults.
    """
    config = parse_with(
        source,
        file=file,
        sources=StandIns(
            environ=_Environ(),
            read_file=read_file,
            has_http2=True,
            has_jose=True,
            has_spnego=True,
            stands_in=True,
        ),
        cors_rules=CORS_RULES,
    )
    text = source.decode("utf-8")
    document: dict[str, object] = tomllib.loads(text)
    mark_policies(document, text)
    return Loaded(file=file, config=config, document=document)


def _stand_in(what: str) -> str:
    """Return a placeholder that is valid for any kind of secret, and unique for each name."""
    return sha256(what.encode()).hexdigest()


class _Environ(Mapping[str, str]):
    """The environment, with a placeholder for each variable that is not set."""

    def __getitem__(self, name: str) -> str:
        return os.environ.get(name) or _stand_in(f"variable {name}")

    def __iter__(self) -> Iterator[str]:
        return iter(os.environ)

    def __len__(self) -> int:
        return len(os.environ)


@attrs.frozen(kw_only=True)
class StandIns(Sources):
    """Sources with a placeholder for each secret or certificate whose file can't be read."""

    def secret_file(self, path: str) -> bytes:
        """Return the content of a secret's file, or a placeholder."""
        try:
            return read_file(path)
        except OSError:
            return _stand_in(f"file {path}").encode()
        except ValueError:
            return self.file(path)  # This raises the fault for an invalid path.

    def printed(self, command: Command) -> str:
        """Return a placeholder, since an inspection must not run commands."""
        return _stand_in(f"command {command.arguments}")

    def certificate(self, path: str) -> bytes:
        """Return the content of a file, or a placeholder key and certificate."""
        try:
            return read_file(path)
        except (OSError, ValueError) as error:
            if not path or isinstance(error, ValueError):
                raise BadValue("it is not a path", "name a file") from None
            return _certificate(path)


def _certificate(path: str) -> bytes:
    """Return a placeholder key and certificate in PEM that depend only on the path.

    All use the same key, since a chain and its key are read separately but must match.
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
