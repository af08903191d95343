"""Heads on their way through: a client's made into an upstream's, an upstream's into a client's."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from corsgate.config.model.values import Server
from corsgate.cors.decide import CORS_RESPONSE_HEADERS, Decision, merge_vary
from corsgate.message.client import Client
from corsgate.message.forwarded import forwarded, via
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.headers import (
    HOP_BY_HOP,
    Header,
    HeaderList,
    end_to_end,
    forwardable_trailers,
    sift,
)
from corsgate.message.identity import CLIENT_FIELDS, METHOD_OVERRIDES, DroppedFields
from corsgate.message.location import REWRITTEN, rewrite
from corsgate.message.target import join_base, strip_segments
from corsgate.routing import Match

# Expect is made anew where the client's wait is passed on.
_OF_THIS_HOP = HOP_BY_HOP | CLIENT_FIELDS | {b"host", b"content-length", b"expect"}
_NOT_FOR_CLIENTS = HOP_BY_HOP | CORS_RESPONSE_HEADERS | {b"vary"}
# The spellings of a name double with each; no field in use has half as many.
_MOST_HYPHENS = 12


@attrs.frozen(kw_only=True)
class UpstreamShape:
    """What a route makes of each head, worked out once.

    Attributes:
        match: The route and its prefix.
        own_fields: Lower-cased names of fields that the upstream's credentials own.
        credentialed: Whether the gate adds credentials.
        pseudonym: What this process calls itself in Via.
    """

    match: Match
    own_fields: frozenset[bytes] = frozenset()
    credentialed: bool = False
    pseudonym: bytes = b"corsgate"
    _passed: frozenset[bytes] = attrs.field(init=False)
    _via: Header = attrs.field(init=False)
    _drop_request: DroppedFields = attrs.field(init=False)
    _drop_response: frozenset[bytes] = attrs.field(init=False)

    @_passed.default
    def _passed_fields(self) -> frozenset[bytes]:
        return frozenset(name.lower().encode() for name in self.match.route.pass_headers)

    @_via.default
    def _own_via(self) -> Header:
        return via(pseudonym=self.pseudonym)

    @_drop_request.default
    def _request_fields(self) -> DroppedFields:
        # The route's methods were checked against the request line alone.
        overrides = METHOD_OVERRIDES if self.match.route.methods is not None else frozenset()
        names = _OF_THIS_HOP | self.own_fields | overrides
        spelled: frozenset[bytes] = frozenset().union(*(_spellings(name) for name in names))
        return DroppedFields(spelled, self._passed)

    @_drop_response.default
    def _response_fields(self) -> frozenset[bytes]:
        # A browser that sees the upstream's challenge asks its user for a password.
        withheld = {b"www-authenticate", b"authentication-info"} if self.credentialed else set()
        return _NOT_FOR_CLIENTS | {b"content-length"} | withheld

    def upstream_head(
        self,
        head: RequestHead,
        server: Server,
        client: Client,
        *,
        offers: Sequence[bytes] = (),
        trailers: bool = False,
        expect: bool = False,
    ) -> RequestHead:
        """Return the head that a server gets, credentials apart.

        Args:
            head: The client's.
            server: Where it goes.
            client: Who asks.
            offers: The protocols that it may switch to.
            trailers: Whether the client takes trailers.
            expect: Whether the client waits for the server's 100 Continue.

        Returns:
            A head without hop-by-hop and framing fields, its target mapped to the server, with
            Host, Forwarded, X-Forwarded-* and Via (RFC 9110 7.2 and 7.6).
        """
        headers: HeaderList = [(b"Host", self.host_for(server, client.authority))]
        headers += end_to_end(head.headers, self._drop_request)
        headers += forwarded(
            head.headers,
            peer=client.peer,
            scheme=client.scheme,
            host=client.authority,
            trusted=client.trusted,
            passed=self._passed,
        )
        headers.append(self._via)
        if expect:
            headers.append((b"Expect", b"100-continue"))
        options = []
        if trailers:
            headers.append((b"TE", b"trailers"))
            options.append(b"TE")
        if offers:
            headers.append((b"Upgrade", b", ".join(offers)))
            options.append(b"Upgrade")
        if options:
            headers.append((b"Connection", b", ".join(options)))
        target = self.upstream_target(head.target, server)
        return RequestHead(method=head.method, target=target, headers=headers)

    def upstream_target(self, target: bytes, server: Server) -> bytes:
        """Return the target that a server gets for a client's."""
        if self.match.route.strip_prefix:
            target = strip_segments(target, self.match.depth)
        return join_base(server.base_path, target) if server.base_path else target

    def client_head(
        self,
        response: ResponseHead,
        server: Server,
        decision: Decision,
        *,
        authority: bytes,
        gate_origin: bytes,
    ) -> ResponseHead:
        """Return the head that the client gets.

        Args:
            response: The upstream's.
            server: Where it came from.
            decision: Whose CORS headers take the place of the upstream's.
            authority: The client's Host value.
            gate_origin: Scheme and authority by which the client reached the gate.

        Returns:
            A head without hop-by-hop and framing fields, the upstream's places turned to the
            gate's, and with one Vary for both.
        """
        headers, names = sift(response.headers, self._drop_response)
        if not REWRITTEN.isdisjoint(names):
            headers = rewrite(
                headers,
                server=server,
                sent_host=self.host_for(server, authority),
                prefix=self.match.prefix,
                strip_prefix=self.match.route.strip_prefix,
                gate_origin=gate_origin,
            )
        if decision.exposes_all:
            decision = decision.exposing(headers)
        if b"vary" in names:
            theirs = [value for name, value in response.headers if name.lower() == b"vary"]
            vary = merge_vary(theirs, decision.vary)
            headers += [header for header in decision.headers if header[0] != b"Vary"]
            if vary is not None:
                headers.append((b"Vary", vary))
        else:
            headers += decision.headers
        return ResponseHead(status=response.status, reason=response.reason, headers=headers)

    def interim_head(self, response: ResponseHead) -> ResponseHead:
        """Return the head of an interim response that the client gets (RFC 9110 15.2).

        It says nothing of a length, which belongs to the final response alone (8.6).
        """
        headers = end_to_end(response.headers, self._drop_response)
        return ResponseHead(status=response.status, reason=response.reason, headers=headers)

    def request_trailers(self, trailers: HeaderList) -> HeaderList:
        """Return the trailers that a server gets; what is dropped of a head is of them too."""
        return forwardable_trailers(trailers, self._drop_request)

    def response_trailers(self, trailers: HeaderList) -> HeaderList:
        """Return the trailers that the client gets; what is dropped of a head is of them too."""
        return forwardable_trailers(trailers, self._drop_response)

    def host_for(self, server: Server, authority: bytes) -> bytes:
        """Return the Host value that a server is sent."""
        if self.match.route.upstream.preserve_host and authority:
            return authority
        return server.host_value


def _spellings(name: bytes) -> set[bytes]:
    """Return all names that a server may take for this one.

    Servers behind CGI, WSGI or PHP read ``_`` in a name as ``-`` (RFC 3875 4.1.18). Worked out
    beforehand, so that no request pays for it.
    """
    first, *rest = name.replace(b"_", b"-").split(b"-")
    if len(rest) > _MOST_HYPHENS:
        return {name, b"-".join([first, *rest]), b"_".join([first, *rest])}
    spelled = {first}
    for part in rest:
        spelled = {each + mark + part for each in spelled for mark in (b"-", b"_")}
    return spelled
