"""Read the messages that Chromium and Firefox print on the console when they block a call."""

from __future__ import annotations

import re

import attrs

from corsgate.errors import BadValue
from corsgate.explain.block_causes import Cause
from corsgate.explain.browser import unlike
from corsgate.explain.url import Url

_Q = "['\"\u2018\u2019\u201c\u201d]"
_PREFLIGHT = "Response to preflight request doesn't pass access control check"
_ACAO = "Access-Control-Allow-Origin"

_CHROMIUM = re.compile(
    # A URL may have apostrophes in it, as in OData's /Products('1').
    rf"Access to (?P<what>.{{1,40}}?) at {_Q}(?P<url>\S*?){_Q}"
    rf"(?: \(redirected from {_Q}(?P<first>\S*?){_Q}\))?"
    rf" from origin {_Q}(?P<origin>[^'\"]*){_Q} has been blocked by CORS policy:? *(?P<why>.*)",
    re.DOTALL,
)
_FIREFOX = re.compile(
    r"Cross-Origin Request (?:Blocked: The Same Origin Policy disallows|Warning: The Same Origin"
    r" Policy will disallow) reading the remote resource"
    rf" at (?P<quote>{_Q})?(?P<url>\S+?)(?(quote){_Q})(?: soon)?\.? \(Reason: (?P<why>.*)",
    re.DOTALL,
)

_MAX_WHY = 2_000
"""How much of a reason is read. Real ones are shorter, and any text may follow them."""

_OTHERS = (
    # Calls that were blocked before any response, for which browsers use other sentences.
    (
        "chromium",
        re.compile(r"Fetch API cannot load (?P<url>\S+?)\. (?P<why>URL scheme .{1,80} supported)"),
        Cause.NOT_HTTP,
    ),
    (
        "chromium",
        re.compile(
            r"Fetch API cannot load (?P<url>\S+?)\. (?P<why>Request mode is \"same-origin\" but the"
            r" URL's origin is not same as the request origin (?P<page>\S+?)\.?(?: |$))"
        ),
        Cause.MODE,
    ),
    (
        "chromium",
        re.compile(
            r"Mixed Content: The page at '(?P<page>\S*?)' was loaded over .{1,40}?, but"
            r" (?P<why>requested an insecure .{1,40}? '(?P<url>\S*?)'\. This request has been"
            r" blocked)"
        ),
        Cause.MIXED_CONTENT,
    ),
    (
        "firefox",
        re.compile(rf"(?P<why>Blocked loading mixed active content {_Q}(?P<url>\S+?){_Q}(?: |$))"),
        Cause.MIXED_CONTENT,
    ),
)

TABLE: tuple[tuple[str, str, Cause], ...] = (
    # Chromium: network::mojom::CorsError, with the text of Blink's cors_error_string.cc.
    ("chromium", r"must not be the wildcard '\*' when", Cause.WILDCARD_ORIGIN),
    ("chromium", rf"No '{_ACAO}' header is present", Cause.MISSING_ORIGIN),
    ("chromium", rf"'{_ACAO}' header contains multiple values '", Cause.SEVERAL_ORIGINS),
    ("chromium", rf"'{_ACAO}' header contains the invalid value '", Cause.INVALID_ORIGIN),
    (
        "chromium",
        rf"'{_ACAO}' header has a value '(?P<allowed>.*)' that is not equal",
        Cause.OTHER_ORIGIN,
    ),
    (
        "chromium",
        r"'Access-Control-Allow-Credentials' header in the response",
        Cause.NO_CREDENTIALS,
    ),
    ("chromium", r"It does not have HTTP ok status", Cause.PREFLIGHT_STATUS),
    ("chromium", r"Redirect is not allowed for a preflight request", Cause.PREFLIGHT_REDIRECT),
    ("chromium", r"Cannot parse Access-Control-Allow-Methods", Cause.UNREADABLE_METHODS),
    ("chromium", r"Cannot parse Access-Control-Allow-Headers", Cause.UNREADABLE_HEADERS),
    (
        "chromium",
        r"Method (?P<method>\S+) is not allowed by Access-Control-Allow-Methods",
        Cause.METHOD,
    ),
    (
        "chromium",
        r"Request header field (?P<header>\S+) is not allowed by Access-Control-Allow-Headers",
        Cause.HEADER,
    ),
    (
        "chromium",
        r"Redirect location '.*' contains a username and password",
        Cause.REDIRECT_USERINFO,
    ),
    ("chromium", r"only supported for protocol schemes", Cause.NOT_HTTP),
    ("chromium", r"URL scheme must be .* for CORS request", Cause.NOT_HTTP),
    ("chromium", r"not allowed by request mode", Cause.MODE),
    ("chromium", r"The response is invalid", Cause.NO_ANSWER),
    (
        "chromium",
        r"not a secure context and the resource is in more-private address space",
        Cause.LOCAL_NETWORK,
    ),
    ("chromium", r"Permission was denied for this request to access the", Cause.LOCAL_NETWORK),
    ("chromium", r"Access-Control-Allow-Private-Network", Cause.LOCAL_NETWORK),
    ("chromium", r"Private-Network-Access|private network request", Cause.LOCAL_NETWORK),
    ("chromium", r"Request had a target IP address space of", Cause.LOCAL_NETWORK),
    # Firefox: the CORS* strings of its security.properties.
    ("firefox", rf"CORS header {_Q}{_ACAO}{_Q} missing", Cause.MISSING_ORIGIN),
    ("firefox", rf"Multiple CORS header {_Q}{_ACAO}{_Q} not allowed", Cause.SEVERAL_ORIGINS),
    (
        "firefox",
        rf"CORS header {_Q}{_ACAO}{_Q} does not match {_Q}(?P<allowed>[^'\"\u2019]*){_Q}",
        Cause.OTHER_ORIGIN,
    ),
    (
        "firefox",
        rf"Credential is not supported if the CORS header {_Q}{_ACAO}",
        Cause.WILDCARD_ORIGIN,
    ),
    ("firefox", r"Did not find method in CORS header", Cause.METHOD),
    ("firefox", rf"expected {_Q}true{_Q} in CORS header", Cause.NO_CREDENTIALS),
    ("firefox", r"CORS preflight (?:response|channel) did not succeed", Cause.PREFLIGHT_STATUS),
    (
        "firefox",
        rf"invalid token {_Q}.*{_Q} in CORS header {_Q}Access-Control-Allow-Methods",
        Cause.UNREADABLE_METHODS,
    ),
    (
        "firefox",
        rf"invalid token {_Q}.*{_Q} in CORS header {_Q}Access-Control-Allow-Headers",
        Cause.UNREADABLE_HEADERS,
    ),
    (
        "firefox",
        rf"header {_Q}(?P<header>[^'\"\u2019]+){_Q} is not allowed according to header",
        Cause.HEADER,
    ),
    ("firefox", rf"missing token {_Q}(?P<header>[^'\"\u2019]+){_Q} in CORS header", Cause.HEADER),
    (
        "firefox",
        r"is `\*`, the `(?P<header>Authorization)` header is not covered",
        Cause.HEADER,
    ),
    ("firefox", r"CORS request did not succeed", Cause.NO_ANSWER),
    ("firefox", r"CORS request external redirect not allowed", Cause.REDIRECT_SCHEME),
    ("firefox", r"CORS request not http", Cause.NOT_HTTP),
    ("firefox", r"CORS disabled", Cause.DISABLED),
    ("firefox", rf"CORS header {_Q}Origin{_Q} cannot be added", Cause.MODE),
)
"""Browser, the pattern that identifies its message, and the cause; the first match counts."""


@attrs.frozen(kw_only=True)
class Message:
    """The content of a console message.

    Attributes:
        browser: ``chromium`` or ``firefox``.
        cause: Why the call was blocked; None for an unknown reason.
        why: The reason in the browser's own words.
        url: The URL that was called, if it is http or https.
        redirected: The URL that a redirect led to and that was blocked, or None.
        origin: The page's origin, which Firefox does not report.
        method: The method, if the message has it.
        header: The request header, if the message has one.
        preflight: Whether the preflight failed.
        credentials: Whether the message implies that the call had credentials.
    """

    browser: str
    cause: Cause | None
    why: str
    url: Url | None = None
    redirected: Url | None = None
    origin: str | None = None
    method: str | None = None
    header: str | None = None
    preflight: bool = False
    credentials: bool = False


def read_message(said: str) -> Message:
    """Read a message from a browser's console.

    Args:
        said: The text as copied. File names, line numbers and line ends may be around or within it.

    Raises:
        BadValue: It contains no CORS message of Chromium or Firefox.
    """
    flat = "".join(c if c.isprintable() else "\ufffd" for c in " ".join(said.split()))
    for whose, pattern, found_cause in _OTHERS:
        if other := pattern.search(flat):
            page = _url(other.groupdict().get("page") or "")
            return Message(
                browser=whose,
                cause=found_cause,
                why=other["why"].strip(),
                url=_url(other["url"]),
                origin=None if page is None else page.origin.decode("ascii"),
            )
    found = _CHROMIUM.search(flat)
    browser = "chromium" if found else "firefox"
    found = found or _FIREFOX.search(flat)
    if found is None:
        raise BadValue(
            "this is not a CORS message of Chromium or Firefox",
            'copy the whole message, from "Access to ..." or "Cross-Origin Request Blocked" on',
        )
    parts = found.groupdict()
    why = parts["why"][:_MAX_WHY].strip()
    cause, named = _cause(browser, why)
    return Message(
        browser=browser,
        cause=cause,
        why=why.removesuffix(")").removesuffix(").") if browser == "firefox" else why,
        url=_url(parts.get("first") or parts["url"]),
        redirected=_url(parts["url"]) if parts.get("first") else None,
        origin=parts.get("origin"),
        method=named.get("method"),
        header=named.get("header"),
        preflight=_PREFLIGHT in why
        or "preflight" in why
        or cause in (Cause.METHOD, Cause.HEADER, Cause.PREFLIGHT_STATUS),
        credentials=cause in (Cause.WILDCARD_ORIGIN, Cause.NO_CREDENTIALS),
    )


def _cause(browser: str, why: str) -> tuple[Cause | None, dict[str, str]]:
    for whose, pattern, cause in TABLE:
        if whose == browser and (found := re.search(pattern, why)):
            named = found.groupdict()
            allowed = named.get("allowed")
            # A value that is not an origin at all has another cause than a different origin.
            return (cause if allowed is None else unlike(allowed.encode())), named
    return None, {}


def _url(text: str) -> Url | None:
    try:
        return Url.parse(text)
    except BadValue:
        return None
