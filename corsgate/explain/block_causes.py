"""Why a browser blocks a call: each cause once, with what it means and what fixes it."""

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
    """What is said of a cause.

    Attributes:
        what: What the browser found, in one sentence.
        fix: What fixes it, on whichever server.
    """

    what: str
    fix: str


_NEVER_ANSWERED = (
    "Open the URL by itself, or ask it by `corsgate explain --live`: the server is down, its name"
    " or certificate is wrong, or something between, such as an ad blocker, refused it."
)

WORDS: Mapping[Cause, Words] = MappingProxyType(
    {
        Cause.MISSING_ORIGIN: Words(
            what="The answer has no Access-Control-Allow-Origin, so no page may read it.",
            fix="Let the server name the page's origin, on errors and on answers to OPTIONS too."
            " Where that can't be done, put a gate before it.",
        ),
        Cause.WILDCARD_ORIGIN: Words(
            what='The page sends credentials, and for those "*" allows nobody.',
            fix='Name the page\'s origin instead of "*", with Access-Control-Allow-Credentials:'
            ' true; or call without credentials: "include".',
        ),
        Cause.SEVERAL_ORIGINS: Words(
            what="The answer names more than one origin, where one is allowed.",
            fix="Two parties add the header, such as a proxy and the API behind it: let one of"
            " them do it. To allow several origins, answer each with its own, and Vary: Origin.",
        ),
        Cause.INVALID_ORIGIN: Words(
            what="What the answer allows is no origin.",
            fix='Write scheme, host and port and nothing else, as in "https://app.example.com":'
            " no path, no slash at its end, no pattern.",
        ),
        Cause.OTHER_ORIGIN: Words(
            what="The answer allows another origin than the page's.",
            fix="Add the page's origin to those that are allowed. Scheme, host and port must all"
            " be the same, and caches need Vary: Origin.",
        ),
        Cause.NO_CREDENTIALS: Words(
            what="The page sends credentials, and the answer does not allow them.",
            fix="Answer Access-Control-Allow-Credentials: true, lower-case, to the preflight"
            ' too; or call without credentials: "include".',
        ),
        Cause.PREFLIGHT_STATUS: Words(
            what="OPTIONS was not answered with a status from 200 to 299.",
            fix="Answer preflights ahead of authentication, routing and everything else that"
            " refuses OPTIONS: they carry no credentials.",
        ),
        Cause.PREFLIGHT_REDIRECT: Words(
            what="The preflight was redirected, which it may not be.",
            fix="Call the URL that it leads to: usually https for http, or the slash at its end.",
        ),
        Cause.UNREADABLE_METHODS: Words(
            what="Access-Control-Allow-Methods is no list of methods.",
            fix='Write methods with commas between, as in "GET, PUT".',
        ),
        Cause.UNREADABLE_HEADERS: Words(
            what="Access-Control-Allow-Headers is no list of header names.",
            fix='Write names with commas between, as in "Content-Type, X-App".',
        ),
        Cause.METHOD: Words(
            what="The preflight's answer does not list the method.",
            fix="List it in Access-Control-Allow-Methods, in upper case as it is sent; with"
            ' credentials "*" does not stand for it.',
        ),
        Cause.HEADER: Words(
            what="The preflight's answer does not list a header that the script sets.",
            fix='List it in Access-Control-Allow-Headers, or don\'t set it; "*" never stands for'
            " Authorization, and with credentials for nothing.",
        ),
        Cause.REDIRECT_USERINFO: Words(
            what="A redirect leads to a URL with a user name or password.",
            fix="Redirect to the URL without them.",
        ),
        Cause.REDIRECT_SCHEME: Words(
            what="A redirect leads to no http or https URL.",
            fix="Redirect to one, or call where it should lead.",
        ),
        Cause.REDIRECTS: Words(
            what="There were more than 20 redirects.",
            fix="Look for a loop: often a login page, or http and https that point at each other.",
        ),
        Cause.NOT_HTTP: Words(
            what="One of the two is no http or https URL: files and the like have no CORS.",
            fix="Serve the page over http, by any server, and call an http or https URL.",
        ),
        Cause.MODE: Words(
            what='The script asked for mode: "same-origin", which forbids other origins.',
            fix='Leave the mode out, or write mode: "cors".',
        ),
        Cause.FORBIDDEN_METHOD: Words(
            what="It is no method that a script can send.",
            fix="Use another method.",
        ),
        Cause.MIXED_CONTENT: Words(
            what="A page served by https may not call http, loopback apart.",
            fix="Serve the API by https: give the gate's listener certificates.",
        ),
        Cause.LOCAL_NETWORK: Words(
            what="A public page called this machine or its network, which the browser's user has"
            " to permit.",
            fix='Serve the page by https, allow "local network access" when the browser asks, or'
            " serve page and API from the same network. No header grants it any more.",
        ),
        Cause.NO_ANSWER: Words(
            what="There was no answer that CORS could be judged by.",
            fix=_NEVER_ANSWERED,
        ),
        Cause.DISABLED: Words(
            what="CORS is switched off in this browser, so every call to another origin fails.",
            fix="Set content.cors.disable to false in about:config.",
        ),
    }
)
