"""The causes of a blocked call, each with its meaning and its fix."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

import attrs


class Cause(Enum):
    """Why a browser blocks a call; most are steps of Fetch."""

    MISSING_ORIGIN = "missing-allow-origin"
    WILDCARD_ORIGIN = "wildcard-with-credentials"
    SEVERAL_ORIGINS = "several-allow-origins"
    INVALID_ORIGIN = "invalid-allow-origin"
    OTHER_ORIGIN = "other-allow-origin"
    NO_CREDENTIALS = "credentials-not-allowed"
    PREFLIGHT_STATUS = "preflight-status"
    PREFLIGHT_REDIRECT = "preflight-redirect"
    UNREADABLE_METHODS = "unreadable-allow-methods"
    UNREADABLE_HEADERS = "unreadable-allow-headers"
    METHOD = "method-not-allowed"
    HEADER = "header-not-allowed"
    REDIRECT_USERINFO = "redirect-with-userinfo"
    REDIRECT_SCHEME = "redirect-scheme"
    REDIRECTS = "too-many-redirects"
    NOT_HTTP = "not-http"
    MODE = "mode"
    FORBIDDEN_METHOD = "forbidden-method"
    MIXED_CONTENT = "mixed-content"
    LOCAL_NETWORK = "local-network"
    NO_ANSWER = "no-answer"
    DISABLED = "cors-disabled"
    # Browsers report these on their consoles, but they are not part of Fetch's CORS check.
    ORIGIN_NOT_ALLOWED = "origin-not-allowed"
    LOCAL_NETWORK_INSECURE = "local-network-insecure-page"
    LOCAL_NETWORK_TARGET = "local-network-target"
    MIXED_WARNING = "mixed-content-warning"
    REFUSED = "connection-refused"
    LOST = "connection-lost"
    TIMED_OUT = "timed-out"
    NAME = "name-not-resolved"
    CERTIFICATE = "certificate"
    TLS = "tls"
    PORT = "blocked-port"
    BLOCKED_HERE = "blocked-in-browser"
    CSP = "csp-connect-src"
    CORP = "cross-origin-resource-policy"
    ORB = "opaque-response-blocking"
    STATUS = "status"
    SOCKET_STATUS = "websocket-status"
    SOCKET_HANDSHAKE = "websocket-handshake"
    SOCKET_FAILED = "websocket-failed"
    STREAM_TYPE = "event-stream-type"
    STREAM_FAILED = "event-stream-failed"
    UNSPECIFIC = "unspecific"


@attrs.frozen(kw_only=True)
class Words:
    """The text shown for a cause.

    Attributes:
        what: What the browser found, in one sentence.
        fix: How to fix it, on any server.
    """

    what: str
    fix: str


_NEVER_ANSWERED = (
    "Open the URL in a separate tab, or run `corsgate explain --live` on it. The server may be"
    " down, its name or certificate may be wrong, or an ad blocker or proxy may refuse the request."
)

WORDS: Mapping[Cause, Words] = MappingProxyType(
    {
        Cause.MISSING_ORIGIN: Words(
            what="The response has no Access-Control-Allow-Origin, so no page may read it.",
            fix="Send the page's origin in that header, also on errors and on responses to OPTIONS."
            " If the server can't be changed, put a gate in front of it.",
        ),
        Cause.WILDCARD_ORIGIN: Words(
            what='The page sends credentials, for which "*" allows no origin.',
            fix='Send the page\'s origin instead of "*", with Access-Control-Allow-Credentials:'
            ' true; or call without credentials: "include".',
        ),
        Cause.SEVERAL_ORIGINS: Words(
            what="Access-Control-Allow-Origin has more than one value; only one is allowed.",
            fix="Two programs probably add the header, such as a proxy and the API behind it: let"
            " only one do so. To allow several origins, send the page's own, with Vary: Origin.",
        ),
        Cause.INVALID_ORIGIN: Words(
            what="The value of Access-Control-Allow-Origin is not an origin.",
            fix='Write only scheme, host and port, as in "https://app.example.com": no path, no'
            " trailing slash, no pattern.",
        ),
        Cause.OTHER_ORIGIN: Words(
            what="The response allows an origin that is not the page's.",
            fix="Add the page's origin to the allowed origins. Scheme, host and port must match."
            " Caches need Vary: Origin.",
        ),
        Cause.NO_CREDENTIALS: Words(
            what="The page sends credentials, and the response does not allow them.",
            fix="Send Access-Control-Allow-Credentials: true, in lower case, also in the preflight"
            ' response; or call without credentials: "include".',
        ),
        Cause.PREFLIGHT_STATUS: Words(
            what="The status of the preflight response is not from 200 to 299.",
            fix="Answer preflights before authentication, routing and anything else that refuses"
            " OPTIONS: they carry no credentials.",
        ),
        Cause.PREFLIGHT_REDIRECT: Words(
            what="The preflight was redirected, which is not allowed.",
            fix="Call the URL that the redirect leads to. It usually has https instead of http, or"
            " a trailing slash.",
        ),
        Cause.UNREADABLE_METHODS: Words(
            what="Access-Control-Allow-Methods is not a list of methods.",
            fix='Write methods separated by commas, as in "GET, PUT".',
        ),
        Cause.UNREADABLE_HEADERS: Words(
            what="Access-Control-Allow-Headers is not a list of header names.",
            fix='Write names separated by commas, as in "Content-Type, X-App".',
        ),
        Cause.METHOD: Words(
            what="The preflight response does not list the method.",
            fix="List it in Access-Control-Allow-Methods, in the same upper or lower case. With"
            ' credentials, "*" does not cover it.',
        ),
        Cause.HEADER: Words(
            what="The preflight response does not list a header that the script sets.",
            fix="List it in Access-Control-Allow-Headers, or don't set it."
            ' "*" never covers Authorization, and with credentials it covers nothing.',
        ),
        Cause.REDIRECT_USERINFO: Words(
            what="A redirect leads to a URL with a user name or password.",
            fix="Redirect to the URL without them.",
        ),
        Cause.REDIRECT_SCHEME: Words(
            what="A redirect leads to a URL that is neither http nor https.",
            fix="Redirect to an http or https URL, or call the intended URL directly.",
        ),
        Cause.REDIRECTS: Words(
            what="There were more than 20 redirects.",
            fix="Look for a loop, such as a login page, or http and https that redirect to each"
            " other.",
        ),
        Cause.NOT_HTTP: Words(
            what="The page or the URL is neither http nor https. CORS does not work for others,"
            " such as files.",
            fix="Serve the page over http, from any server, and call an http or https URL.",
        ),
        Cause.MODE: Words(
            what='The script sets mode: "same-origin", which forbids other origins.',
            fix='Leave the mode out, or set mode: "cors".',
        ),
        Cause.FORBIDDEN_METHOD: Words(
            what="Scripts can't send this method.",
            fix="Use another method.",
        ),
        Cause.MIXED_CONTENT: Words(
            what="A page served over https may not call http, except on loopback.",
            fix="Serve the API over https: give the gate's listener certificates. Safari blocks"
            " http on loopback too.",
        ),
        Cause.LOCAL_NETWORK: Words(
            what="A public page called this machine or its network. The browser's user must permit"
            " that.",
            fix='Allow "local network access" when the browser asks, or in its site settings.'
            " The page must be served over https, and a frame needs the permission in its allow"
            " attribute. Pages from the same network need no permission. No header grants it.",
        ),
        Cause.LOCAL_NETWORK_INSECURE: Words(
            what="A public page served over http called this machine or its network, which"
            " browsers allow only to pages served over https.",
            fix="Serve the page over https; then the browser asks its user for permission. Or open"
            " the page from the same network as the API, such as from localhost.",
        ),
        Cause.LOCAL_NETWORK_TARGET: Words(
            what="The script's targetAddressSpace does not match the server's location.",
            fix='Set "loopback" for this machine or "local" for its network. For an https URL,'
            " leave the option out.",
        ),
        Cause.MIXED_WARNING: Words(
            what="A page served over https called http. This browser only warned; if the call"
            " failed, another message has the reason.",
            fix="Look for that message. Safari and Firefox block such calls, so serve the API over"
            " https: give the gate's listener certificates.",
        ),
        Cause.NO_ANSWER: Words(
            what="There was no response to check for CORS.",
            fix=_NEVER_ANSWERED,
        ),
        Cause.DISABLED: Words(
            what="CORS is switched off in this browser, so every call to another origin fails.",
            fix="Set content.cors.disable to false in about:config.",
        ),
        Cause.ORIGIN_NOT_ALLOWED: Words(
            what="Access-Control-Allow-Origin is missing, or it is not the page's origin. Safari"
            " does not say which.",
            fix="Send the page's origin in that header, also on errors and on responses to OPTIONS."
            " Scheme, host and port must all match.",
        ),
        Cause.REFUSED: Words(
            what="Nothing listens on that port, or the server can't be reached.",
            fix="Start the server, or correct host and port of the URL. If it runs, check which"
            " addresses it listens on: localhost may be 127.0.0.1 or [::1].",
        ),
        Cause.LOST: Words(
            what="The server closed the connection without a valid response.",
            fix="See the server's log. The cause may be an http URL for a port with https, a crash,"
            " or a proxy that gives up.",
        ),
        Cause.TIMED_OUT: Words(
            what="The server did not respond in time.",
            fix="Check that host and port are reachable from the browser's machine, such as"
            " through its firewall or VPN, and that the server is not overloaded.",
        ),
        Cause.NAME: Words(
            what="The host's name can't be resolved.",
            fix="Check its spelling, DNS and /etc/hosts on the browser's machine. A name that only"
            " containers know, such as a Compose service, is unknown to the browser.",
        ),
        Cause.CERTIFICATE: Words(
            what="The browser does not trust the server's certificate.",
            fix="Open the URL in a tab to see why. Use a certificate for this name from an"
            " authority that the browser trusts (mkcert makes one for localhost).",
        ),
        Cause.TLS: Words(
            what="The server and the browser have no common TLS version, or the port uses plain"
            " http.",
            fix="Use http instead of https, or the port with TLS. Otherwise check which TLS"
            " versions the server allows.",
        ),
        Cause.PORT: Words(
            what="Browsers never connect to this port, since it belongs to another protocol.",
            fix="Let the server listen on another port, such as 5555 (Fetch #port-blocking).",
        ),
        Cause.BLOCKED_HERE: Words(
            what="The browser or one of its extensions blocked the call before it was sent.",
            fix="Switch off ad and tracker blockers for the page, or try a private window. A"
            ' path with words such as "ads" or "track" is often the reason.',
        ),
        Cause.CSP: Words(
            what="The page's own Content-Security-Policy does not allow the call.",
            fix="Add the API's origin to connect-src in the Content-Security-Policy of the page's"
            " server or its <meta> element. WebSockets need a ws: or wss: entry.",
        ),
        Cause.CORP: Words(
            what="The call had no CORS, and Cross-Origin-Resource-Policy keeps the response from"
            " other origins.",
            fix='Call it with mode: "cors" (for elements: crossorigin), or let the server send'
            " Cross-Origin-Resource-Policy: cross-origin.",
        ),
        Cause.ORB: Words(
            what="The call had no CORS, and the response is not an image, script or style but, for"
            " example, JSON or HTML. So the page may not have it.",
            fix='Call it with mode: "cors" instead of "no-cors". For an image or script, check'
            " that the URL returns one with the right Content-Type, not an error page.",
        ),
        Cause.STATUS: Words(
            what="CORS allowed the call, or did not apply: the script got the server's error.",
            fix="Read the response in the network panel, and fix what its status means.",
        ),
        Cause.SOCKET_STATUS: Words(
            what="The server did not accept the WebSocket. CORS does not apply to WebSockets, but"
            " servers may check the Origin themselves, as the gate does.",
            fix="Look up the status below. For 403, allow the page's origin at the gate or server;"
            " for 200 or 404, check the path; for 401, check the login.",
        ),
        Cause.SOCKET_HANDSHAKE: Words(
            what="The response to the WebSocket handshake is not valid.",
            fix="Check that the URL is a WebSocket endpoint, and that each proxy on the path"
            " forwards Upgrade. The server must support a subprotocol that the script offers.",
        ),
        Cause.SOCKET_FAILED: Words(
            what="The WebSocket could not be opened. This message has no reason. It is not CORS,"
            " which does not apply to WebSockets.",
            fix="See the status in the network panel: 403 means a refused origin, 401 a missing"
            " login, 200 or 404 a wrong path. Without a status, the server may be down, its"
            " certificate may be untrusted, or an https page uses a ws: URL.",
        ),
        Cause.STREAM_TYPE: Words(
            what="The response is not an event stream, often an error or login page.",
            fix="Check the URL, and let the server send Content-Type: text/event-stream.",
        ),
        Cause.STREAM_FAILED: Words(
            what="The event stream could not be opened. This message has no reason.",
            fix="If CORS is the reason, a message just before this one says so. Otherwise see the"
            " network panel: the status must be 200, and the type text/event-stream.",
        ),
        Cause.UNSPECIFIC: Words(
            what="This message only says that the call failed. Scripts may not know the reason.",
            fix="Copy the message next to it on the console, which has the reason. If there is"
            " none, see the network panel, or run `corsgate explain --live`.",
        ),
    }
)

NOT_CORS: frozenset[Cause] = frozenset(
    (
        Cause.MIXED_CONTENT,
        Cause.MIXED_WARNING,
        Cause.LOCAL_NETWORK,
        Cause.LOCAL_NETWORK_INSECURE,
        Cause.LOCAL_NETWORK_TARGET,
        Cause.REFUSED,
        Cause.LOST,
        Cause.TIMED_OUT,
        Cause.NAME,
        Cause.CERTIFICATE,
        Cause.TLS,
        Cause.PORT,
        Cause.BLOCKED_HERE,
        Cause.CSP,
        Cause.CORP,
        Cause.ORB,
        Cause.STATUS,
        Cause.SOCKET_STATUS,
        Cause.SOCKET_HANDSHAKE,
        Cause.SOCKET_FAILED,
        Cause.STREAM_TYPE,
    )
)
"""The causes that a CORS header can't fix, even if the console blames CORS."""
