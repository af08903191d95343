"""The methods and field names that scripts may send, set or read by the standards."""

from __future__ import annotations

import re

from corsgate.message.headers import HOP_BY_HOP

TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""The syntax of methods and field names (RFC 9110 5.6.2)."""

SAFELISTED_METHODS = frozenset((b"GET", b"HEAD", b"POST"))
"""Methods that need not be listed (Fetch ``#cors-safelisted-method``)."""

FORBIDDEN_METHODS = frozenset((b"CONNECT", b"TRACE", b"TRACK"))
"""Methods that scripts can't send, in upper or lower case (Fetch ``#forbidden-method``)."""

NORMALIZED_METHODS = frozenset((b"DELETE", b"GET", b"HEAD", b"OPTIONS", b"POST", b"PUT"))
"""Methods that browsers always send in upper case (Fetch ``#concept-method-normalize``)."""

KNOWN_METHODS = NORMALIZED_METHODS.union(
    b"ACL BIND CHECKOUT CONNECT COPY LINK LOCK M-SEARCH MERGE MKACTIVITY MKCALENDAR MKCOL MOVE"
    b" NOTIFY PATCH PROPFIND PROPPATCH PURGE QUERY REBIND REPORT SEARCH SOURCE SUBSCRIBE TRACE"
    b" UNBIND UNLINK UNLOCK UNSUBSCRIBE".split()
)
"""Methods that are parsed fastest, and whose usual spelling is known. Other tokens also work."""

MAX_METHOD_BYTES = 64
"""The maximum length of a method. A longer one gets 501 (RFC 9112 3)."""

FORBIDDEN_REQUEST_HEADERS = frozenset(
    b"accept-charset accept-encoding access-control-request-headers access-control-request-method"
    b" connection content-length cookie cookie2 date dnt expect host keep-alive origin referer"
    b" set-cookie te trailer transfer-encoding upgrade via".split()
)
"""Fields that scripts can't set, lower-cased (Fetch ``#forbidden-request-header``)."""

FORBIDDEN_REQUEST_PREFIXES = (b"proxy-", b"sec-")
"""The prefixes of further fields that scripts can't set."""

FORBIDDEN_RESPONSE_HEADERS = frozenset((b"set-cookie", b"set-cookie2"))
"""Fields that scripts can't read (Fetch ``#forbidden-response-header-name``)."""

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
"""Lower-cased names of the fields that are removed from every upstream response.

Vary is merged instead, see `corsgate.cors.decide.merge_vary`. Timing-Allow-Origin and the
Cross-Origin-*-Policy fields are not part of CORS and are kept.
"""

RESPONSE_ONLY = CORS_RESPONSE_HEADERS.union(
    b"accept-ranges age allow content-security-policy cross-origin-embedder-policy"
    b" cross-origin-opener-policy cross-origin-resource-policy etag location retry-after server"
    b" strict-transport-security timing-allow-origin vary www-authenticate x-content-type-options"
    b" x-frame-options".split()
)
"""Fields that only servers send (RFC 9110 8.8.3, 10.2, 11.6.1, 12.5.5 and 14.3, and others)."""

REQUEST_ONLY = frozenset(
    b"access-control-request-headers access-control-request-method cookie expect host if-match"
    b" if-modified-since if-none-match if-range if-unmodified-since max-forwards origin"
    b" proxy-authorization range referer te user-agent".split()
)
"""Fields that only clients send (RFC 9110 7.2, 10.1, 13.1, 14.2, and others).

Accept-* and Authorization are not included: some servers send these.
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
"""Fields that ``expose_headers = "auto"`` leaves out.

Scripts may always read some of them, and may never read others. The rest describe the servers
behind the gate rather than the response.
"""
