"""The causes for which a browser blocks a call, each with its meaning and its fix."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

import attrs


class Cause(Enum):
    """A step of Fetch at which a call is blocked."""

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
    "Open the URL in a tab of its own, or run `corsgate explain --live` on it. The server may be"
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
            what='The page sends credentials, and with credentials "*" allows no origin.',
            fix='Send the page\'s origin instead of "*", with Access-Control-Allow-Credentials:'
            ' true; or call without credentials: "include".',
        ),
        Cause.SEVERAL_ORIGINS: Words(
            what="Access-Control-Allow-Origin has more than one value; only one is allowed.",
            fix="Two parties probably add the header, such as a proxy and the API behind it: let"
            " only one do so. To allow several origins, send each its own, with Vary: Origin.",
        ),
        Cause.INVALID_ORIGIN: Words(
            what="The value of Access-Control-Allow-Origin is not an origin.",
            fix='Write only scheme, host and port, as in "https://app.example.com": no path, no'
            " trailing slash, no pattern.",
        ),
        Cause.OTHER_ORIGIN: Words(
            what="The response allows a different origin than the page's.",
            fix="Add the page's origin to the allowed ones. Scheme, host and port must all match,"
            " and caches need Vary: Origin.",
        ),
        Cause.NO_CREDENTIALS: Words(
            what="The page sends credentials, and the response does not allow them.",
            fix="Send Access-Control-Allow-Credentials: true, in lower case, also in the preflight"
            ' response; or call without credentials: "include".',
        ),
        Cause.PREFLIGHT_STATUS: Words(
            what="The preflight response has no status from 200 to 299.",
            fix="Answer preflights before authentication, routing and anything else that refuses"
            " OPTIONS: they carry no credentials.",
        ),
        Cause.PREFLIGHT_REDIRECT: Words(
            what="The preflight was redirected, which is not allowed.",
            fix="Call the URL that the redirect leads to. It usually has https for http, or a"
            " trailing slash.",
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
            fix="List it in Access-Control-Allow-Methods, in the case in which it is sent. With"
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
            fix="Look for a loop, such as a login page, or http and https redirecting to each"
            " other.",
        ),
        Cause.NOT_HTTP: Words(
            what="The page or the URL is neither http nor https: files and the like have no CORS.",
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
            fix="Serve the API over https: give the gate's listener certificates.",
        ),
        Cause.LOCAL_NETWORK: Words(
            what="A public page called this machine or its network, which needs the permission of"
            " the browser's user.",
            fix='Serve the page over https, allow "local network access" when the browser asks, or'
            " serve page and API from the same network. No header grants it any more.",
        ),
        Cause.NO_ANSWER: Words(
            what="There was no response to check for CORS.",
            fix=_NEVER_ANSWERED,
        ),
        Cause.DISABLED: Words(
            what="CORS is switched off in this browser, so every call to another origin fails.",
            fix="Set content.cors.disable to false in about:config.",
        ),
    }
)
