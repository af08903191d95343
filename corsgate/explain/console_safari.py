"""The console messages of Safari and of other browsers with WebKit.

Safari prints the reason on one line and the URL on the next. Sources: WebKit's
``CrossOriginAccessControl.cpp``, ``CrossOriginPreflightResultCache.cpp``,
``MixedContentChecker.cpp`` and ``WebConsoleAgent.cpp``. The reasons of failed
connections come from CFNetwork on macOS and iOS, and from GLib on Linux. The tests have the text of
each message, and whether a real browser printed it.
"""

from __future__ import annotations

import re

from corsgate.explain.block_causes import Cause
from corsgate.explain.console_form import SAFARI, Form, form

_SOCKET = r"WebSocket connection to '(?P<url>\S+?)' failed: "

CALLED: re.Pattern[str] = re.compile(
    r"(?:Fetch API|XMLHttpRequest|EventSource|Beacon API) cannot load (?P<url>\S+?)"
    r"(?: due to access control checks)?\.(?: |$)"
)
"""The line with the URL."""

REASONS: tuple[Form, ...] = (
    form(
        SAFARI,
        r"(?P<why>Origin (?P<origin>\S+) is not allowed by Access-Control-Allow-Origin\."
        r"(?: Status code: (?P<status>[0-9]+))?)",
        Cause.ORIGIN_NOT_ALLOWED,
    ),
    form(
        SAFARI,
        r"(?P<why>Cannot use wildcard in Access-Control-Allow-Origin when credentials flag is"
        r" true)",
        Cause.WILDCARD_ORIGIN,
    ),
    form(
        SAFARI,
        r"(?P<why>Access-Control-Allow-Origin cannot contain more than one origin)",
        Cause.SEVERAL_ORIGINS,
    ),
    form(
        SAFARI,
        r"(?P<why>Credentials flag is true, but Access-Control-Allow-Credentials is not .true.)",
        Cause.NO_CREDENTIALS,
    ),
    form(
        SAFARI,
        r"(?P<why>Preflight response is not successful\.? Status code: 30[0-9])",
        Cause.PREFLIGHT_REDIRECT,
    ),
    form(
        SAFARI,
        r"(?P<why>Preflight response is not successful(?:\.? Status code: (?P<status>[0-9]+))?)",
        Cause.PREFLIGHT_STATUS,
    ),
    form(
        SAFARI,
        r"(?P<why>Header Access-Control-Allow-Methods has an invalid value)",
        Cause.UNREADABLE_METHODS,
    ),
    form(
        SAFARI,
        r"(?P<why>Header Access-Control-Allow-Headers has an invalid value)",
        Cause.UNREADABLE_HEADERS,
    ),
    form(
        SAFARI,
        r"(?P<why>Method (?P<method>\S+) is not allowed by Access-Control-Allow-Methods)",
        Cause.METHOD,
    ),
    form(
        SAFARI,
        r"(?P<why>Request header field (?P<header>\S+) is not allowed by"
        r" Access-Control-Allow-Headers)",
        Cause.HEADER,
    ),
    form(
        SAFARI,
        r"(?P<why>Cross-origin redirection to (?P<redirect>\S+) denied by Cross-Origin Resource"
        r" Sharing policy: redirection URL) ",
        Cause.REDIRECT_USERINFO,
    ),
    form(
        SAFARI,
        r"(?P<why>Cross-origin redirection to .{1,2000}? denied by Cross-Origin Resource Sharing"
        r" policy: not allowed to follow a cross-origin CORS redirection with non CORS scheme"
        r"|FTP URLs are disabled)",
        Cause.REDIRECT_SCHEME,
    ),
    form(SAFARI, r"(?P<why>Load cannot follow more than 20 redirections)", Cause.REDIRECTS),
    form(
        SAFARI,
        r"(?P<why>Cross origin requests are only supported for HTTP)",
        Cause.NOT_HTTP,
    ),
    form(
        SAFARI,
        r"\[blocked\] The page at (?P<page>\S+) (?P<why>requested insecure content from"
        r" (?P<url>\S+?)\. This content was blocked)",
        Cause.MIXED_CONTENT,
    ),
    form(
        SAFARI,
        r"\[blocked\] (?P<why>The page at (?P<page>\S+) was not allowed to (?:display|run) insecure"
        r" content from (?P<url>\S+?))\.(?: |$)",
        Cause.MIXED_CONTENT,
    ),
    form(
        SAFARI,
        r"(?P<why>Refused to connect to (?P<url>\S+) because it (?:does not appear in|appears in"
        r" neither) the (?:connect-src|default-src) directive)",
        Cause.CSP,
    ),
    form(
        SAFARI,
        r"(?P<why>Cancelled load to (?P<url>\S+) because it violates the resource's"
        r" Cross-Origin-Resource-Policy response header)",
        Cause.CORP,
    ),
    form(
        SAFARI,
        r"(?P<why>Not allowed to use restricted network port [0-9]+)",
        Cause.PORT,
    ),
    form(
        SAFARI,
        r"(?P<why>Content blocker prevented frame displaying (?P<page>\S+) from loading a resource"
        r" from (?P<url>\S+))",
        Cause.BLOCKED_HERE,
    ),
)
"""The reasons, each on a line without the URL; the first match counts."""

OTHERS: tuple[Form, ...] = (
    form(
        SAFARI,
        _SOCKET + r"(?P<why>The server did not accept the WebSocket handshake"
        r"|There was a bad response from the server)",
        Cause.SOCKET_FAILED,
    ),
    form(
        SAFARI,
        _SOCKET + r"(?P<why>Server ignored WebSocket handshake)",
        Cause.SOCKET_HANDSHAKE,
    ),
    *(
        form(
            SAFARI,
            rf"(?:{_SOCKET}|Failed to load resource: |\[Error\] )(?P<why>{words})",
            cause,
        )
        for words, cause in (
            # The wording of libsoup and CFNetwork.
            (r"Could not connect to \S+?(?: |:|$)|Could not connect to the server", Cause.REFUSED),
            (r"Unacceptable TLS certificate|The certificate for this server", Cause.CERTIFICATE),
            (r"Error performing TLS handshake|An SSL error has occurred|A TLS error", Cause.TLS),
            (
                r"Error resolving |A server with the specified hostname could not be found",
                Cause.NAME,
            ),
            (
                r"Connection terminated unexpectedly|The network connection was lost",
                Cause.LOST,
            ),
            (r"The request timed out", Cause.TIMED_OUT),
        )
    ),
)
"""Calls that failed before any response."""
