"""A route's CORS policy, checked once and compiled to answers that are ready to be given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import attrs

from corsgate.config.model.values import Cors
from corsgate.cors.decision import VARY_REFERRED, Decision, Verdict
from corsgate.cors.faults import faults
from corsgate.cors.grants import Grant, GrantFactory
from corsgate.cors.origin import MAX_ORIGIN_BYTES, NULL, parse_pattern
from corsgate.cors.two_tier_cache import TwoTierCache
from corsgate.cors.wildcards import Origins, Wildcards
from corsgate.errors import PolicyError

MAX_REMEMBERED = 256
"""How many origins that a wildcard allows have their answers kept, for each policy, and as many
newcomers beside them; the same holds of the questions that preflights ask."""


Question: TypeAlias = tuple[bytes, bytes]
"""What a preflight asks: the method, and the value of Access-Control-Request-Headers."""


def _store() -> TwoTierCache[Any, Any]:
    return TwoTierCache(MAX_REMEMBERED)


@attrs.frozen(kw_only=True, eq=False)
class Policy:
    """A policy compiled by `compile_policy`, which alone makes valid ones.

    Attributes:
        source: The policy as it was written.
        public: The one grant for all origins where ``*`` is allowed, else None.
        exact: Grants by origin.
        wildcards: The patterns that stand for many origins.
        any_method: Whether ``*`` is among the methods.
        methods: The methods listed, byte for byte.
        any_header: Whether ``*`` is among the request headers; it never covers Authorization.
        header_names: The lower-cased names of the request headers listed.
        loopback: Scheme and host of the loopback origins allowed, such as ``http://localhost``.
        unmarked: The decisions on a request without Origin, or with the gate's own; to be
            indexed with ``credentialed``. An origin that is not allowed gets their headers.
        referred: The decision on a request that its Referer alone says the origin of.
        granted: The questions of preflights that may be granted: method and request headers.
        repeated: The decisions on preflights whose answer repeats them, by origin and question.
        enforce_origin: Whether an origin that is not allowed is refused.
        debug_origins: Those whose pages are told why they are refused.
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
        """How many grants to wildcards' origins are kept, at most twice `MAX_REMEMBERED`."""
        return len(self._grants)

    def allows(self, origin: bytes) -> bool:
        """Return whether an origin is allowed, and remember nothing of it.

        Args:
            origin: A serialized origin.
        """
        return (
            self.public is not None
            or origin in self.exact
            or (len(origin) <= MAX_ORIGIN_BYTES and self.wildcards.find(origin) != "")
        )

    def names(self, origin: bytes) -> bool:
        """Return whether an entry allows an origin by its name, or by a pattern of its host's name.

        Only then does the policy say whose pages they are. ``*``, ``null`` and ``chrome-extension://*``
        let strangers in on purpose, so what they allow is not trusted further: see
        `corsgate.cors.sites.confine`.

        Args:
            origin: A value of an Origin field, of any bytes and length.
        """
        if self.public is not None or origin == NULL.encode("ascii"):
            return False
        if origin in self.exact:
            return True
        if len(origin) > MAX_ORIGIN_BYTES:
            return False
        pattern = self.wildcards.find(origin)
        return pattern != "" and not pattern.endswith("://*")

    @property
    def debugs(self) -> bool:
        """Whether anybody is told why a request was refused."""
        return self.source.debug or bool(self.source.debug_origins)

    def grant(self, origin: bytes) -> Grant | None:
        """Return the grant to an origin, or None where it is not allowed.

        Only what a wildcard allows is remembered. Refusals are not, so that a flood of foreign
        origins takes no memory and drives nothing out; nor does one of origins that the wildcard
        allows, see `TwoTierCache`.

        Args:
            origin: The value of the one Origin field, of any bytes and length.

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
    """Return the policy in the form that decisions are taken with.

    Args:
        cors: The policy as it is written.

    Returns:
        A policy without faults. It holds no clock or connection and may be shared by routes.

    Raises:
        PolicyError: The policy has faults; it carries all of them.
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
