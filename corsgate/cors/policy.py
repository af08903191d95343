"""A route's CORS policy, checked once and compiled to prepared responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import attrs

from corsgate.config.model.cors import admits_strangers
from corsgate.config.model.values import Cors
from corsgate.cors.decision import VARY_REFERRED, Decision, Verdict
from corsgate.cors.faults import faults
from corsgate.cors.grants import Grant, GrantFactory
from corsgate.cors.origin import MAX_ORIGIN_BYTES, parse_pattern
from corsgate.cors.two_tier_cache import TwoTierCache
from corsgate.cors.wildcards import Origins, Wildcards
from corsgate.errors import PolicyError

MAX_REMEMBERED = 256
"""The size of each tier of a policy's caches: grants to origins that match a pattern, and questions
of preflights."""


Question: TypeAlias = tuple[bytes, bytes]
"""What a preflight asks for: the method, and the value of Access-Control-Request-Headers."""


def _store() -> TwoTierCache[Any, Any]:
    return TwoTierCache(MAX_REMEMBERED)


@attrs.frozen(kw_only=True, eq=False)
class Policy:
    """A compiled policy. Only `compile_policy` makes valid ones.

    Attributes:
        source: The policy as written.
        public: The one grant for all origins if ``*`` is allowed, else None.
        exact: Grants by origin.
        wildcards: The patterns that cover many origins.
        any_method: Whether ``*`` is among the methods.
        methods: The listed methods, whose case matters.
        any_header: Whether ``*`` is among the request headers; it never covers Authorization.
        header_names: The lower-cased names of the listed request headers.
        loopback: Scheme and host of the allowed loopback origins, such as ``http://localhost``.
        unmarked: The decisions on a request without Origin, or with the gate's own, indexed by
            ``credentialed``. Responses to origins that are not allowed have the same headers.
        referred: The decision on a request whose origin only its Referer names.
        granted: The questions of preflights that were granted, with the requested header names.
        repeated: The decisions on preflights whose response repeats the question, by origin and
            question.
        enforce_origin: Whether an origin that is not allowed is refused.
        debug_origins: The origins whose pages get the reason for a refusal.
    """

    source: Cors
    public: Grant | None
    exact: Mapping[bytes, Grant]
    wildcards: Wildcards
    any_method: bool
    methods: frozenset[bytes]
    any_header: bool
    header_names: frozenset[bytes]
    loopback: frozenset[bytes]
    unmarked: tuple[Decision, Decision]
    referred: Decision
    enforce_origin: bool
    debug_origins: Origins
    granted: TwoTierCache[Question, frozenset[bytes]] = attrs.field(
        factory=_store, init=False, repr=False
    )
    repeated: TwoTierCache[tuple[bytes, Question], Decision] = attrs.field(
        factory=_store, init=False, repr=False
    )
    _granting: GrantFactory
    _grants: TwoTierCache[bytes, Grant] = attrs.field(factory=_store, init=False, repr=False)

    @property
    def remembered(self) -> int:
        """The number of cached grants to origins of patterns, at most twice `MAX_REMEMBERED`."""
        return len(self._grants)

    def allows(self, origin: bytes) -> bool:
        """Return whether an origin is allowed, without caching the result.

        Args:
            origin: A serialized origin.
        """
        return (
            self.public is not None
            or origin in self.exact
            or (len(origin) <= MAX_ORIGIN_BYTES and self.wildcards.find(origin) != "")
        )

    def names(self, origin: bytes) -> bool:
        """Return whether an entry allows an origin by name, not by ``*``, ``null`` or the like.

        Entries that admit pages of unknown owners don't count; see
        `corsgate.config.model.cors.admits_strangers`.

        Args:
            origin: A value of an Origin field, with any bytes and length.
        """
        if self.public is not None:
            return False
        if origin in self.exact:
            return not admits_strangers(origin.decode("ascii"))
        if len(origin) > MAX_ORIGIN_BYTES:
            return False
        pattern = self.wildcards.find(origin)
        return pattern != "" and not admits_strangers(pattern)

    @property
    def debugs(self) -> bool:
        """Whether any client gets the reason for a refusal."""
        return self.source.debug or bool(self.source.debug_origins)

    def grant(self, origin: bytes) -> Grant | None:
        """Return the grant to an origin, or None if it is not allowed.

        Only grants to origins that match a pattern are cached. Refusals are not, so that a flood of
        foreign origins uses no memory and evicts nothing. Neither does a flood of origins that a
        pattern allows; see `TwoTierCache`.

        Args:
            origin: The value of the one Origin field, with any bytes and length.

        Source: Fetch ``#cors-check``, which compares byte for byte.
        """
        found = self.exact.get(origin)
        if found is not None:
            return found
        if len(origin) > MAX_ORIGIN_BYTES:
            return None
        if self.public is not None:
            return self.public
        found = self._grants.get(origin)
        if found is None:
            pattern = self.wildcards.find(origin)
            if pattern:
                found = self._granting.grant(origin, pattern)
                self._grants.add(origin, found)
        return found


def compile_policy(cors: Cors) -> Policy:
    """Compile a policy to the form that `corsgate.cors.decide.decide` uses.

    Args:
        cors: The policy as written.

    Returns:
        A policy without faults. It has no clock or connection, and routes may share it.

    Raises:
        PolicyError: The policy has faults. The error has all of them.
    """
    found = faults(cors)
    if found:
        raise PolicyError(found)
    patterns = [parse_pattern(text) for text in cors.allow_origins]
    public = any(pattern.is_any for pattern in patterns)
    exact = [p.text.encode("ascii") for p in patterns if p.is_exact]
    granting = GrantFactory.of(cors)
    grant = granting.grant(b"*") if public else None
    return Policy(
        source=cors,
        public=grant,
        exact={origin: granting.grant(origin) for origin in exact},
        wildcards=Wildcards(patterns),
        any_method="*" in cors.allow_methods,
        methods=frozenset(method.encode("ascii") for method in cors.allow_methods),
        any_header="*" in cors.allow_headers,
        header_names=frozenset(name.lower().encode("ascii") for name in cors.allow_headers),
        loopback=frozenset(
            f"{p.scheme}://{p.host}".encode("ascii")
            for p in patterns
            if p.is_loopback and not p.above
        ),
        unmarked=grant.actual if grant else granting.forwarded((), "not cross-origin"),
        referred=Decision(
            verdict=Verdict.FORWARD, headers=(VARY_REFERRED,), reason="its Referer is allowed"
        ),
        enforce_origin=cors.enforce_origin,
        granting=granting,
        debug_origins=Origins([parse_pattern(text) for text in cors.debug_origins]),
    )
