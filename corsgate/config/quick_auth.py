"""Parse credentials on the command line: a kind, a name and a secret; parts may be missing."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType

import attrs

from corsgate.config.model.rules import one_of
from corsgate.config.model.secret import Secret
from corsgate.config.model.values import (
    AutoCredentials,
    BasicCredentials,
    BearerCredentials,
    Credentials,
    DigestCredentials,
    HeaderCredentials,
    NtlmCredentials,
)
from corsgate.config.sections.credential_keys import KINDS as ALL_KINDS
from corsgate.errors import BadValue

FORMS = "basic:USER:PASSWORD, digest:USER:PASSWORD or bearer:TOKEN"
"""The most common forms of ``--auth``."""


@attrs.frozen(kw_only=True)
class Kind:
    """A kind of credentials that can be given on the command line.

    Attributes:
        name: The word for its name in messages; empty if it has only a secret.
        hidden: The word for its secret in messages.
        variable: The environment variable with the secret, for a generated configuration.
    """

    name: str
    hidden: str
    variable: str


_PASSWORD = Kind(name="user name", hidden="password", variable="BOX_PASSWORD")

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "basic": _PASSWORD,
        "digest": _PASSWORD,
        "auto": _PASSWORD,
        "ntlm": _PASSWORD,
        "bearer": Kind(name="", hidden="token", variable="BOX_TOKEN"),
        "header": Kind(name="header name", hidden="value", variable="BOX_HEADER"),
    }
)
"""The kinds that are useful without a file."""


@attrs.frozen(kw_only=True)
class QuickAuth:
    """Credentials from a command line, which may be incomplete.

    Attributes:
        kind: A key of `KINDS`.
        name: The name of the user or header; None if it is missing or not needed.
        secret: The password, token or value; None if it is missing.
    """

    kind: str
    name: str | None = attrs.field(default=None, repr=False)
    secret: str | None = attrs.field(default=None, repr=False)

    @property
    def lacks_name(self) -> bool:
        """Whether the name is needed and missing."""
        return self.name is None and KINDS[self.kind].name != ""

    @property
    def shortest(self) -> str:
        """The form of ``--auth`` without the secret; it contains nothing that the user entered."""
        match self.kind:
            case "bearer":
                return "bearer"
            case "header":
                return "header:NAME"
        return f"{self.kind}:USER"


def parse_auth(text: str) -> QuickAuth:
    """Parse ``KIND``, ``KIND:NAME`` or ``KIND:NAME:SECRET``; a token has no name.

    Args:
        text: The value of ``--auth``. A secret may contain colons.

    Raises:
        BadValue: It does not start with a kind. The error shows no part of it.
    """
    kind, _, rest = text.partition(":")
    if kind in ALL_KINDS and kind not in KINDS:
        raise BadValue(
            f"credentials of type {kind} can't be given by an option",
            "write them in a file, and start the gate with corsgate run FILE.toml:"
            " docs/reference/credentials.md has an example",
        )
    if kind not in KINDS:
        # Only the kind that is meant is shown: a password may stand in this place.
        close = get_close_matches(kind.lower(), KINDS, n=1, cutoff=0.75)
        kinds = f"kinds are {one_of(tuple(KINDS))}"
        raise BadValue(
            "it does not start with a kind of credentials",
            f"did you mean {close[0]}? The {kinds}" if close else f"write {FORMS}; the {kinds}",
        )
    auth = QuickAuth(kind=kind)
    # An empty token is a fault; it is not the same as a missing one.
    return auth if ":" not in text else _with(auth, rest)


def with_variable(auth: QuickAuth | None, value: str) -> QuickAuth:
    """Complete credentials with the value of the variable of ``--auth-env``.

    Args:
        auth: The credentials from ``--auth``; None without it.
        value: ``KIND:NAME:SECRET`` if there is no ``--auth``. Otherwise the missing parts:
            ``NAME:SECRET`` or only the secret.

    Raises:
        BadValue: The value does not have the required form. The error shows no part of it.
    """
    if auth is None:
        return parse_auth(value)
    if auth.secret is not None:
        raise BadValue(
            "--auth already has the secret", "remove it from --auth, or leave out --auth-env"
        )
    if not auth.lacks_name:
        return attrs.evolve(auth, secret=value)
    completed = _with(auth, value)
    if completed.secret is None:
        what = KINDS[auth.kind]
        raise BadValue(
            f"it has no colon between {what.name} and {what.hidden}",
            f"write both in the variable, or only the {what.hidden} and --auth {auth.kind}:NAME",
        )
    return completed


def _with(auth: QuickAuth, rest: str) -> QuickAuth:
    """Return credentials with a name and an optional secret, or with only a secret."""
    if not KINDS[auth.kind].name:
        return attrs.evolve(auth, secret=rest)
    name, colon, secret = rest.partition(":")
    if not colon:
        return attrs.evolve(auth, name=name or None)
    return attrs.evolve(auth, name=name, secret=secret)


def credentials_of(auth: QuickAuth, *, has_spnego: bool = True) -> Credentials:
    """Return the credentials for a configuration.

    Args:
        auth: The credentials from the command line.
        has_spnego: Whether the library for NTLM is installed.

    Raises:
        BadValue: A part is missing or not valid. The error shows no secret.
    """
    kind = KINDS[auth.kind]
    if auth.lacks_name or auth.secret is None:
        missing = kind.name if auth.lacks_name else kind.hidden
        raise BadValue(
            f"it has no {missing}",
            f"write --auth {auth.shortest} --auth-env VARIABLE, with the {kind.hidden} in the"
            " variable",
        )
    name, secret = auth.name or "", Secret(auth.secret)
    match auth.kind:
        case "basic":
            return BasicCredentials(username=name, password=secret)
        case "digest":
            return DigestCredentials(username=name, password=secret)
        case "auto":
            return AutoCredentials(username=name, password=secret)
        case "bearer":
            return BearerCredentials(token=secret)
        case "header":
            return HeaderCredentials(name=name, value=secret)
    if not has_spnego:
        raise BadValue(
            "NTLM needs pyspnego, which is not installed", "run pip install 'corsgate[ntlm]'"
        )
    return NtlmCredentials(username=name, password=secret)
