"""The console messages of Chromium and its relatives, such as Chrome and Edge.

Sources: Blink's ``cors_error_string.cc``, ``mixed_content_checker.cc`` and ``net_error_list.h``.
The tests have the text of each message, and whether a real browser printed it.
"""

from __future__ import annotations

from corsgate.explain.block_causes import Cause
from corsgate.explain.console_form import CHROMIUM, QUOTE, Form, form

_ACAO = "Access-Control-Allow-Origin"

ENVELOPE: Form = form(
    CHROMIUM,
    # A URL may contain apostrophes, as in OData's /Products('1').
    rf"Access to (?P<what>.{{1,40}}?) at {QUOTE}(?P<url>\S*?){QUOTE}"
    rf"(?: \(redirected from {QUOTE}(?P<first>\S*?){QUOTE}\))?"
    rf" from origin {QUOTE}(?P<origin>[^'\"]*){QUOTE} has been blocked by CORS policy:?"
    r" *(?P<why>.*)",
)
"""All messages about CORS have this form."""

REASONS: tuple[Form, ...] = (
    form(CHROMIUM, r"must not be the wildcard '\*' when", Cause.WILDCARD_ORIGIN),
    form(CHROMIUM, rf"No '{_ACAO}' header is present", Cause.MISSING_ORIGIN),
    form(CHROMIUM, rf"'{_ACAO}' header contains multiple values '", Cause.SEVERAL_ORIGINS),
    form(CHROMIUM, rf"'{_ACAO}' header contains the invalid value '", Cause.INVALID_ORIGIN),
    form(
        CHROMIUM,
        rf"'{_ACAO}' header has a value '(?P<allowed>.*)' that is not equal",
        Cause.OTHER_ORIGIN,
    ),
    form(
        CHROMIUM,
        r"'Access-Control-Allow-Credentials' header in the response",
        Cause.NO_CREDENTIALS,
    ),
    form(CHROMIUM, r"It does not have HTTP ok status", Cause.PREFLIGHT_STATUS),
    form(CHROMIUM, r"Redirect is not allowed for a preflight request", Cause.PREFLIGHT_REDIRECT),
    form(CHROMIUM, r"Cannot parse Access-Control-Allow-Methods", Cause.UNREADABLE_METHODS),
    form(CHROMIUM, r"Cannot parse Access-Control-Allow-Headers", Cause.UNREADABLE_HEADERS),
    form(
        CHROMIUM,
        r"Method (?P<method>\S+) is not allowed by Access-Control-Allow-Methods in",
        Cause.METHOD,
    ),
    form(
        CHROMIUM,
        r"Request header field (?P<header>\S+) is not allowed by Access-Control-Allow-Headers in",
        Cause.HEADER,
    ),
    form(
        CHROMIUM,
        r"Redirect location '.*' contains a username and password",
        Cause.REDIRECT_USERINFO,
    ),
    form(CHROMIUM, r"only supported for protocol schemes", Cause.NOT_HTTP),
    form(CHROMIUM, r"URL scheme must be .* for CORS request", Cause.NOT_HTTP),
    form(CHROMIUM, r"not allowed by request mode", Cause.MODE),
    form(CHROMIUM, r"The response is invalid", Cause.NO_ANSWER),
    # Local Network Access, and Private Network Access before it.
    form(
        CHROMIUM,
        r"not a secure context and the resource is in more-private address space",
        Cause.LOCAL_NETWORK_INSECURE,
    ),
    form(
        CHROMIUM,
        r"Permission was denied for this request to access the",
        Cause.LOCAL_NETWORK,
    ),
    form(
        CHROMIUM,
        r"Request had a target IP address space of",
        Cause.LOCAL_NETWORK_TARGET,
    ),
    form(
        CHROMIUM,
        r"Access-Control-Allow-Private-Network|Private-Network-Access|private network request",
        Cause.LOCAL_NETWORK,
    ),
)
"""The reasons within `ENVELOPE`; the first match counts."""

OTHERS: tuple[Form, ...] = (
    form(
        CHROMIUM,
        r"(?P<why>Connecting to '(?P<url>\S+?)' violates the following Content Security Policy"
        r" directive: \"[^\"]{1,400}\")",
        Cause.CSP,
    ),
    form(
        CHROMIUM,
        # The wording until about Chromium 140.
        r"(?P<why>Refused to connect to '(?P<url>\S+?)' because it violates the following Content"
        r" Security Policy directive: \"[^\"]{1,400}\")",
        Cause.CSP,
    ),
    form(
        CHROMIUM,
        r"Fetch API cannot load (?P<url>\S+?)\. (?P<why>Refused to connect because it violates"
        r" the document's Content Security Policy)",
        Cause.CSP,
    ),
    form(
        CHROMIUM,
        r"Fetch API cannot load (?P<url>\S+?)\. (?P<why>URL scheme .{1,80} supported)",
        Cause.NOT_HTTP,
    ),
    form(CHROMIUM, r"(?P<why>Not allowed to load local resource: (?P<url>\S+))", Cause.NOT_HTTP),
    form(
        CHROMIUM,
        r"Fetch API cannot load (?P<url>\S+?)\. (?P<why>Request mode is \"same-origin\" but the"
        r" URL's origin is not same as the request origin (?P<page>\S+?)\.?(?: |$))",
        Cause.MODE,
    ),
    form(
        CHROMIUM,
        r"Mixed Content: The page at '(?P<page>\S*?)' was loaded over .{1,40}?, but"
        r" (?P<why>(?:requested an insecure .{1,40}?|attempted to connect to the insecure"
        r" WebSocket endpoint) '(?P<url>\S*?)'\. This request has been blocked)",
        Cause.MIXED_CONTENT,
    ),
    form(
        CHROMIUM,
        r"(?P<why>An insecure WebSocket connection may not be initiated from a page loaded over"
        r" HTTPS)",
        Cause.MIXED_CONTENT,
    ),
    form(
        CHROMIUM,
        r"WebSocket connection to '(?P<url>\S+?)' failed: (?P<why>Error during WebSocket"
        r" handshake: Unexpected response code: (?P<status>[0-9]{3}))",
        Cause.SOCKET_STATUS,
    ),
    form(
        CHROMIUM,
        r"WebSocket connection to '(?P<url>\S+?)' failed: (?P<why>Error during WebSocket"
        r" handshake: .{1,200})",
        Cause.SOCKET_HANDSHAKE,
    ),
    form(
        CHROMIUM,
        r"WebSocket connection to '(?P<url>\S+?)' failed: (?P<why>Connection closed before"
        r" receiving a handshake response)",
        Cause.LOST,
    ),
)
"""Calls that were blocked by something other than CORS, or before any response."""

NET_ERROR: Form = form(
    CHROMIUM,
    # On the console "GET URL net::ERR_...", in a driver's log "URL - Failed to load resource: ...".
    r"(?:(?:(?P<method>GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) )?"
    r"(?P<url>(?:https?|wss?)://\S{1,2000}?):? (?:- )?(?:Failed to load resource: )?"
    r"|WebSocket connection to '(?P<first>\S{1,2000}?)' failed: (?:Error in connection"
    r" establishment: )?)?(?P<why>net::ERR_[A-Z0-9_]+(?:\.\w+)?)",
)
"""A failure of the network, or of a layer before it; `NET_REASONS` has the causes."""

NET_REASONS: tuple[Form, ...] = tuple(
    form(CHROMIUM, rf"net::ERR_(?:{codes})\b", cause)
    for codes, cause in (
        ("BLOCKED_BY_LOCAL_NETWORK_ACCESS_CHECKS", Cause.LOCAL_NETWORK),
        ("BLOCKED_BY_PRIVATE_NETWORK_ACCESS_CHECKS", Cause.LOCAL_NETWORK),
        ("BLOCKED_BY_ORB", Cause.ORB),
        ("BLOCKED_BY_RESPONSE", Cause.CORP),
        ("BLOCKED_BY_CSP", Cause.CSP),
        ("BLOCKED_BY_(?:CLIENT|ADMINISTRATOR)", Cause.BLOCKED_HERE),
        ("CONNECTION_REFUSED|CONNECTION_FAILED|ADDRESS_(?:UNREACHABLE|INVALID)", Cause.REFUSED),
        ("(?:CONNECTION_)?TIMED_OUT", Cause.TIMED_OUT),
        ("NAME_NOT_RESOLVED|NAME_RESOLUTION_FAILED|ICANN_NAME_COLLISION", Cause.NAME),
        ("CERT_[A-Z_]+|CERTIFICATE_[A-Z_]+", Cause.CERTIFICATE),
        ("SSL_[A-Z_]+", Cause.TLS),
        ("UNSAFE_PORT", Cause.PORT),
        ("TOO_MANY_REDIRECTS", Cause.REDIRECTS),
        (
            "EMPTY_RESPONSE|CONNECTION_(?:RESET|CLOSED|ABORTED)|INVALID_HTTP_RESPONSE"
            "|(?:HTTP2|QUIC)_[A-Z_]+|INCOMPLETE_CHUNKED_ENCODING|CONTENT_LENGTH_MISMATCH",
            Cause.LOST,
        ),
        ("INTERNET_DISCONNECTED|NETWORK_[A-Z_]+|PROXY_[A-Z_]+", Cause.NO_ANSWER),
        # A message about CORS, which has the reason, comes with this one.
        ("FAILED", Cause.UNSPECIFIC),
    )
)
"""The causes of `NET_ERROR`."""

MIXED_WARNING: Form = form(
    CHROMIUM,
    r"Mixed Content: The page at '(?P<page>\S*?)' was loaded over .{1,40}?, but"
    r" (?P<why>(?:requested an insecure .{1,40}?|attempted to connect to the insecure"
    r" WebSocket endpoint) '(?P<url>\S*?)'\. This (?:content|endpoint) should .{1,80})",
    Cause.MIXED_WARNING,
)
"""A warning. Another message may have the reason of a failure."""
