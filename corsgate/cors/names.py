"""What the standards say of methods and field names: which a script may send, set or read."""

from __future__ import annotations

import re

from corsgate.message.headers import HOP_BY_HOP

TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""What methods and field names are made of (RFC 9110 5.6.2)."""

SAFELISTED_METHODS = frozenset((b"GET", b"HEAD", b"POST"))
"""Methods that need no listing (Fetch ``#cors-safelisted-method``)."""

FORBIDDEN_METHODS = frozenset((b"CONNECT", b"TRACE", b"TRACK"))
"""Methods that no script can send, in any case (Fetch ``#forbidden-method``)."""

NORMALIZED_METHODS = frozenset((b"DELETE", b"GET", b"HEAD", b"OPTIONS", b"POST", b"PUT"))
"""Methods that browsers send in upper case, however a script spells them (Fetch
``#concept-method-normalize``)."""

KNOWN_METHODS = NORMALIZED_METHODS.union(
    b"ACL BIND CHECKOUT CONNECT COPY LINK LOCK M-SEARCH MERGE MKACTIVITY MKCALENDAR MKCOL MOVE"
    b" NOTIFY PATCH PROPFIND PROPPATCH PURGE QUERY REBIND REPORT SEARCH SOURCE SUBSCRIBE TRACE"
    b" UNBIND UNLINK UNLOCK UNSUBSCRIBE".split()
)
"""Methods that the gate's parser knows; any other is answered with 501."""

FORBIDDEN_REQUEST_HEADERS = frozenset(
    b"accept-charset accept-encoding access-control-request-headers access-control-request-method"
    b" connection content-length cookie cookie2 date dnt expect host keep-alive origin referer"
    b" set-cookie te trailer transfer-encoding upgrade via".split()
)
"""Fields that no script can set, lower-cased (Fetch ``#forbidden-request-header``)."""

FORBIDDEN_REQUEST_PREFIXES = (b"proxy-", b"sec-")
"""What further fields begin with that no script can set."""

FORBIDDEN_RESPONSE_HEADERS = frozenset((b"set-cookie", b"set-cookie2"))
"""Fields that no script can read (Fetch ``#forbidden-response-header-name``)."""

SAFELISTED_RESPONSE_HEADERS = frozenset(
    b"cache-control content-language content-length content-type expires last-modified"
    b" pragma".split()
)
"""Fields that every script may read (Fetch ``#cors-safelisted-response-header-name``)."""

CORS_RESPONSE_HEADERS = frozenset(
    (
        b"access-control-allow-credentials",
        b"access-control-allow-headers",
        b"access-control-allow-methods",
        b"access-control-allow-origin",
        b"access-control-allow-private-network",
        b"access-control-expose-headers",
        b"access-control-max-age",
    )
)
"""Lower-cased names of the fields that are taken off an upstream's response, on every route.

Vary is not among them: see `corsgate.cors.decide.merge_vary`. Timing-Allow-Origin and the
Cross-Origin-*-Policy fields grant nothing by CORS and stay.
"""

RESPONSE_ONLY = CORS_RESPONSE_HEADERS.union(
    b"accept-ranges age allow content-security-policy cross-origin-embedder-policy"
    b" cross-origin-opener-policy cross-origin-resource-policy etag location retry-after server"
    b" strict-transport-security timing-allow-origin vary www-authenticate x-content-type-options"
    b" x-frame-options".split()
)
"""Fields that servers alone send (RFC 9110 8.8.3, 10.2, 11.6.1, 12.5.5 and 14.3, and others)."""

REQUEST_ONLY = frozenset(
    b"access-control-request-headers access-control-request-method cookie expect host if-match"
    b" if-modified-since if-none-match if-range if-unmodified-since max-forwards origin"
    b" proxy-authorization range referer te user-agent".split()
)
"""Fields that clients alone send (RFC 9110 7.2, 10.1, 13.1, 14.2, and others).

Accept-* and Authorization are not among them: some servers send these.
"""

UNEXPOSED = (
    HOP_BY_HOP
    | CORS_RESPONSE_HEADERS
    | FORBIDDEN_RESPONSE_HEADERS
    | SAFELISTED_RESPONSE_HEADERS
    | frozenset(
        b"alt-svc authentication-info nel proxy-authentication-info report-to server"
        b" server-timing vary via www-authenticate x-aspnet-version x-aspnetmvc-version x-backend"
        b" x-generator x-powered-by x-runtime x-served-by x-upstream x-varnish".split()
    )
)
"""Fields that ``expose_headers = "auto"`` leaves out: those that every script may read, or none,
and those that tell of the servers behind the gate rather than of the answer."""
