"""The console messages of Firefox.

Sources: its ``security.properties``, ``csp.properties``, ``necko.properties`` and
``appstrings.properties``. The tests have the text of each message, and whether a real browser
printed it.
"""

from __future__ import annotations

from corsgate.explain.block_causes import Cause
from corsgate.explain.console_form import FIREFOX, QUOTE, Form, form

_ACAO = "Access-Control-Allow-Origin"

_LOCAL = (
    rf"top-level site {QUOTE}(?P<page>\S*?){QUOTE}, .{{1,4000}}? target {QUOTE}(?P<url>\S*?){QUOTE}"
    r" .{1,200}? Secure context: "
)

LOCAL_NETWORK: tuple[Form, ...] = (
    form(
        FIREFOX,
        rf"(?P<why>Local Network Access detected): {_LOCAL}False, prompt action: \w*deny",
        Cause.LOCAL_NETWORK_INSECURE,
    ),
    form(
        FIREFOX,
        rf"(?P<why>Local Network Access detected): {_LOCAL}True, prompt action: \w*deny",
        Cause.LOCAL_NETWORK,
    ),
    form(
        FIREFOX,
        rf"(?P<why>Local Network Access permission required): {_LOCAL}",
        Cause.LOCAL_NETWORK,
    ),
)
"""These come with a message about CORS that does not contain the reason."""

ENVELOPE: Form = form(
    FIREFOX,
    r"Cross-Origin Request (?:Blocked: The Same Origin Policy disallows|Warning: The Same Origin"
    r" Policy will disallow) reading the remote resource"
    rf" at (?P<quote>{QUOTE})?(?P<url>\S+?)(?(quote){QUOTE})(?: soon)?\.? \(Reason: (?P<why>.*)",
)
"""All messages about CORS have this form."""

REASONS: tuple[Form, ...] = (
    form(
        FIREFOX,
        rf"CORS header {QUOTE}{_ACAO}{QUOTE} missing(?:\)\. Status code: (?P<status>[0-9]+))?",
        Cause.MISSING_ORIGIN,
    ),
    form(
        FIREFOX, rf"Multiple CORS header {QUOTE}{_ACAO}{QUOTE} not allowed", Cause.SEVERAL_ORIGINS
    ),
    form(
        FIREFOX,
        rf"CORS header {QUOTE}{_ACAO}{QUOTE} does not match {QUOTE}"
        rf"(?P<allowed>[^'\"\u2019]*){QUOTE}",
        Cause.OTHER_ORIGIN,
    ),
    form(
        FIREFOX,
        rf"Credential is not supported if the CORS header {QUOTE}{_ACAO}",
        Cause.WILDCARD_ORIGIN,
    ),
    form(FIREFOX, r"Did not find method in CORS header", Cause.METHOD),
    form(FIREFOX, rf"expected {QUOTE}true{QUOTE} in CORS header", Cause.NO_CREDENTIALS),
    form(
        FIREFOX,
        r"CORS preflight (?:response|channel) did not succeed"
        r"(?:\)\. Status code: (?P<status>[0-9]+))?",
        Cause.PREFLIGHT_STATUS,
    ),
    form(
        FIREFOX,
        rf"invalid token {QUOTE}.*{QUOTE} in CORS header {QUOTE}Access-Control-Allow-Methods",
        Cause.UNREADABLE_METHODS,
    ),
    form(
        FIREFOX,
        rf"invalid token {QUOTE}.*{QUOTE} in CORS header {QUOTE}Access-Control-Allow-Headers",
        Cause.UNREADABLE_HEADERS,
    ),
    form(
        FIREFOX,
        rf"header {QUOTE}(?P<header>[^'\"\u2019]+){QUOTE} is not allowed according to header",
        Cause.HEADER,
    ),
    form(
        FIREFOX,
        rf"missing token {QUOTE}(?P<header>[^'\"\u2019]+){QUOTE} in CORS header",
        Cause.HEADER,
    ),
    form(
        FIREFOX,
        r"is `\*`, the `(?P<header>Authorization)` header is not covered",
        Cause.HEADER,
    ),
    form(FIREFOX, r"CORS request did not succeed", Cause.NO_ANSWER),
    # Firefox reports this for every redirect of a preflight, and for no other redirect.
    form(FIREFOX, r"CORS request external redirect not allowed", Cause.PREFLIGHT_REDIRECT),
    form(FIREFOX, r"CORS request not http", Cause.NOT_HTTP),
    form(FIREFOX, r"CORS disabled", Cause.DISABLED),
    form(FIREFOX, rf"CORS header {QUOTE}Origin{QUOTE} cannot be added", Cause.MODE),
)
"""The reasons within `ENVELOPE`; the first match counts."""

OTHERS: tuple[Form, ...] = (
    form(
        FIREFOX,
        rf"(?P<why>Blocked loading mixed active content {QUOTE}(?P<url>\S+?){QUOTE})(?: |$)",
        Cause.MIXED_CONTENT,
    ),
    form(
        FIREFOX,
        r"(?P<why>The page\S{1,3} settings blocked the loading of a resource (?:\(connect-src\) )?"
        rf"at (?P<url>\S+) (?:\(\S{{1,20}}\) )?because it violates the following directive: {QUOTE}"
        rf"(?:connect-src|default-src)[^\u201d]{{0,400}}{QUOTE})",
        Cause.CSP,
    ),
    form(
        FIREFOX,
        rf"(?P<why>The resource at {QUOTE}(?P<url>\S+?){QUOTE} was blocked due to its"
        r" Cross-Origin-Resource-Policy header)",
        Cause.CORP,
    ),
    form(
        FIREFOX,
        rf"(?P<why>The resource at {QUOTE}(?P<url>\S+?){QUOTE} was blocked by"
        r" OpaqueResponseBlocking)",
        Cause.ORB,
    ),
    form(
        FIREFOX,
        rf"(?P<why>The resource at {QUOTE}(?P<url>\S+?){QUOTE} was blocked because (?:Enhanced"
        r" Tracking Protection|content blocking) is enabled)",
        Cause.BLOCKED_HERE,
    ),
    form(
        FIREFOX,
        r"(?P<why>Security Error: Content at (?P<page>\S+) may not load data from (?P<url>\S+?))\."
        r"(?: |$)",
        Cause.MODE,
    ),
    form(
        FIREFOX,
        r"(?P<why>Security Error: Content at (?P<page>\S+) may not load or link to (?P<url>\S+?))\."
        r"(?: |$)",
        Cause.NOT_HTTP,
    ),
    form(
        FIREFOX,
        r"(?P<why>can.t establish a connection to the server at (?P<url>wss?://\S+?))\.?(?: |$)",
        Cause.SOCKET_FAILED,
    ),
    form(
        FIREFOX,
        r"(?P<why>The connection to (?P<url>wss?://\S+) was interrupted while the page was"
        r" loading)",
        Cause.LOST,
    ),
    form(
        FIREFOX,
        r"(?P<why>can.t establish a connection to the server at (?P<url>https?://\S+?))\.?(?: |$)",
        Cause.STREAM_FAILED,
    ),
)
"""Calls that were blocked by something other than CORS, or before any response."""
