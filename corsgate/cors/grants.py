"""Prepare the responses to an allowed origin."""

from __future__ import annotations

import attrs

from corsgate.config.model.cors import admits_strangers
from corsgate.config.model.rules import show
from corsgate.config.model.values import Cors
from corsgate.cors.decision import (
    VARY_BOTH,
    VARY_FETCH_SITE,
    VARY_ORIGIN,
    VARY_PREFLIGHT,
    Decision,
    ExposingDecision,
    Verdict,
)
from corsgate.cors.names import SAFELISTED_METHODS
from corsgate.message.headers import Header


@attrs.frozen(kw_only=True, eq=False)
class Grant:
    """The prepared responses to one allowed origin, or to all if ``*`` is allowed.

    Attributes:
        opening: Access-Control-Allow-Origin, and -Credentials if they are allowed.
        actual: The decisions on an actual request, indexed by ``credentialed``.
        preflight: The decision on a preflight that asks for nothing unlisted; None if the
            response must repeat what was asked for.
    """

    opening: tuple[Header, ...]
    actual: tuple[Decision, Decision]
    preflight: Decision | None


@attrs.frozen(kw_only=True, eq=False)
class GrantFactory:
    """The common parts of all responses of one policy, computed once.

    Nothing here grows with the number of origins. An origin that matches a pattern gets its grant
    when its first request arrives.
    """

    _credentials: tuple[Header, ...]
    _exposed: tuple[Header, ...]
    _listed: tuple[Header, ...]
    _vary: tuple[tuple[Header, ...], tuple[Header, ...]]
    _repeats: bool
    _exposes_all: bool
    _enforces: bool

    @classmethod
    def of(cls, cors: Cors) -> GrantFactory:
        """Return the factory of a policy without faults."""
        exposed = _listed(cors.expose_headers)
        any_listed = "*" in cors.allow_methods or "*" in cors.allow_headers
        return cls(
            credentials=(
                ((b"Access-Control-Allow-Credentials", b"true"),) if cors.allow_credentials else ()
            ),
            exposed=(((b"Access-Control-Expose-Headers", b", ".join(exposed)),) if exposed else ()),
            listed=preflight_headers(cors, (), listed_methods(cors), listed_headers(cors)),
            vary=(_vary(cors, credentialed=False), _vary(cors, credentialed=True)),
            # If credentials are allowed, browsers treat '*' as a name (Fetch
            # #cors-preflight-fetch).
            repeats=cors.allow_credentials and any_listed,
            exposes_all=cors.expose_auto,
            enforces=cors.enforce_origin,
        )

    def grant(self, origin: bytes, pattern: str = "") -> Grant:
        """Return the responses to an allowed origin.

        Args:
            origin: The origin, or ``*`` for the responses to all origins.
            pattern: The pattern that allows it; empty if it is allowed by name.
        """
        opening = ((b"Access-Control-Allow-Origin", origin), *self._credentials)
        by = f" by {show(pattern)}" if pattern else ""
        why = (
            "every origin is allowed"
            if origin == b"*"
            else f"origin {origin.decode()} is allowed{by}"
        )
        preflight = None
        if not self._repeats:
            headers = (*opening, *self._listed)
            preflight = Decision(verdict=Verdict.PREFLIGHT, headers=headers, reason=why)
        return Grant(
            opening=opening,
            actual=self.forwarded(
                (*opening, *self._exposed),
                why,
                is_vouched=self._enforces and not admits_strangers(pattern or origin.decode()),
            ),
            preflight=preflight,
        )

    def forwarded(
        self, headers: tuple[Header, ...], why: str, *, is_vouched: bool = False
    ) -> tuple[Decision, Decision]:
        """Return the decisions on an allowed actual request, indexed by ``credentialed``."""
        make = ExposingDecision if headers and self._exposes_all else Decision
        plain, credentialed = (
            make(verdict=Verdict.FORWARD, headers=headers + vary, reason=why, is_vouched=is_vouched)
            for vary in self._vary
        )
        return plain, credentialed


def _vary(cors: Cors, *, credentialed: bool) -> tuple[Header, ...]:
    """Return the Vary field of the response to an actual request, if it needs one.

    If Sec-Fetch-* can cause a refusal, a cache must not reuse the response to an allowed request
    for one that would be refused. So Vary names these fields (RFC 9110 12.5.5).
    """
    fetch_site = credentialed and cors.enforce_origin
    if "*" in cors.allow_origins:
        return (VARY_FETCH_SITE,) if fetch_site else ()
    return (VARY_BOTH,) if fetch_site else (VARY_ORIGIN,)


def preflight_headers(
    cors: Cors, opening: tuple[Header, ...], methods: bytes, names: bytes
) -> tuple[Header, ...]:
    """Return the headers of a preflight response (Fetch ``#http-new-header-syntax``).

    Args:
        cors: The policy, for its ``max_age``.
        opening: Access-Control-Allow-Origin, and -Credentials if they are allowed.
        methods: The value of Access-Control-Allow-Methods; left out if empty.
        names: The value of Access-Control-Allow-Headers; left out if empty.
    """
    headers = list(opening)
    if methods:
        headers.append((b"Access-Control-Allow-Methods", methods))
    if names:
        headers.append((b"Access-Control-Allow-Headers", names))
    if cors.max_age_s is not None:
        headers.append((b"Access-Control-Max-Age", b"%d" % cors.max_age_s))
    headers.append(VARY_PREFLIGHT)
    return tuple(headers)


def listed_methods(cors: Cors) -> bytes:
    """Return the list for Access-Control-Allow-Methods; empty if no method needs listing."""
    methods = _listed(cors.allow_methods)
    return b"" if SAFELISTED_METHODS.issuperset(methods) else b", ".join(methods)


def listed_headers(cors: Cors) -> bytes:
    """Return the list for Access-Control-Allow-Headers; empty if there is none."""
    return b", ".join(_listed(cors.allow_headers))


def _listed(words: tuple[str, ...]) -> list[bytes]:
    """Return the words as bytes, each once, in order."""
    return [word.encode("ascii") for word in dict.fromkeys(words)]
