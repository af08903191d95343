"""Which browsers keep a cookie from the response to a page's call, and why others don't."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address

import attrs

from corsgate.config.model.values import Route
from corsgate.cors.origin import MAX_ORIGIN_BYTES, take_apart
from corsgate.cors.suffixes import public_suffix
from corsgate.explain.call import Call
from corsgate.explain.trace import text, values
from corsgate.message.headers import Header
from corsgate.message.set_cookie import CookieRules, adapt_cookie

CHROMIUM, FIREFOX, SAFARI = BROWSERS = ("Chromium", "Firefox", "Safari")

TYPICAL_COOKIE = b"session=...; Path=/; HttpOnly"
"""The cookie of a server that was not made for pages of other sites."""

_MOST_COOKIES = 16

_ONE_SITE = "serve page and gate under one site"

_CROSS_SITE_FIX = (
    f'{_ONE_SITE}, or serve the gate over https with cookies = "adapt" on the upstream and an'
    " enforced policy with allow_credentials"
)

_OPEN = "since another route to the same server admits unknown pages"


@attrs.frozen(kw_only=True)
class CookieVerdict:
    """Whether a browser keeps a cookie, and sends it with the page's next call.

    Attributes:
        cookie: The cookie's name.
        browser: One of `BROWSERS`, with its default settings.
        kept: Whether it keeps the cookie.
        why: The reason, or a note about a cookie that is kept.
    """

    cookie: str
    browser: str
    kept: bool
    why: str


@attrs.frozen(kw_only=True)
class _Relation:
    """How a page's site and the URL's are related.

    Attributes:
        same_site: Whether both have the same registrable domain.
        same_scheme: Whether both have the same scheme.
        between: Both sites, for messages.
    """

    same_site: bool
    same_scheme: bool
    between: str


def cookies_of_route(call: Call, route: Route, *, shared: bool) -> tuple[CookieVerdict, ...]:
    """Return whether browsers keep the cookies of a gate's route.

    Args:
        call: A call of a page, with credentials.
        route: The route. Its upstream is assumed to set `TYPICAL_COOKIE`.
        shared: Whether pages of other sites may use the route's cookies over https.
    """
    secure = call.url.scheme == "https"
    match route.upstream.addresses.cookies:
        case "drop":
            why = f"the gate removes it: cookies of upstream {route.upstream.name} are dropped"
            return tuple(
                CookieVerdict(cookie="session", browser=browser, kept=False, why=why)
                for browser in BROWSERS
            )
        case "adapt":
            rules = CookieRules(plain_http=not secure, cross_site=secure and shared)
            adapted = adapt_cookie(TYPICAL_COOKIE, rules, lambda path: path)
            found = cookie_verdicts(call, [adapted])
            if route.shares_cookies and not shared:
                return tuple(each if each.kept else _kept_from(each) for each in found)
            return found
    return cookie_verdicts(call, [TYPICAL_COOKIE])


def _kept_from(verdict: CookieVerdict) -> CookieVerdict:
    why = f"{verdict.why}. The gate does not let pages of other sites use it, {_OPEN}"
    return attrs.evolve(verdict, why=why)


def cookies_of_response(call: Call, headers: Sequence[Header]) -> tuple[CookieVerdict, ...]:
    """Return whether browsers keep the cookies of a response to a call with credentials."""
    return cookie_verdicts(call, values(headers, b"set-cookie")[:_MOST_COOKIES])


def cookie_verdicts(call: Call, cookies: Sequence[bytes]) -> tuple[CookieVerdict, ...]:
    """Return whether browsers keep cookies that the response to a page's call sets.

    Args:
        call: The call, with credentials.
        cookies: Values of Set-Cookie.

    Returns:
        A verdict for each cookie and browser; empty if page and URL have the same origin.

    Source: RFC 6265bis 5.5 and 5.7, and the documentation of the browsers.
    """
    if call.url.origin == call.origin:
        return ()
    relation = _relate(call)
    return tuple(
        CookieVerdict(cookie=name, browser=browser, kept=not problem, why=problem or note)
        for name, attributes in map(_parse, cookies)
        for browser in BROWSERS
        for problem, note in (_judge(call, name, attributes, browser, relation),)
    )


def _judge(
    call: Call, name: str, attributes: Mapping[str, str], browser: str, relation: _Relation
) -> tuple[str, str]:
    """Return why a browser drops a cookie, or an empty string and a note."""
    problem = next(_malformed(call, name, attributes), "")
    secure = "secure" in attributes
    if not problem and secure and call.url.scheme == "http":
        if browser == SAFARI:
            problem = "it is Secure, which Safari accepts only over https"
        elif not call.url.is_loopback:
            problem = "it is Secure, and the gate's URL is plain http"
    if problem:
        return problem, ""
    same_site = attributes.get("samesite", "").lower()
    is_same = relation.same_site and (relation.same_scheme or browser != CHROMIUM)
    if browser != SAFARI and same_site == "none" and not secure:
        return "SameSite=None requires Secure, which requires https", ""
    if is_same:
        return "", "page and gate are the same site"
    if not relation.same_site and browser == SAFARI and "partitioned" not in attributes:
        return f"Safari blocks cookies of other sites ({relation.between}): {_ONE_SITE}", ""
    why = f"page and gate are different sites ({relation.between})"
    if same_site in ("lax", "strict"):
        return f"it is SameSite={same_site.capitalize()}, and {why}: {_CROSS_SITE_FIX}", ""
    if browser == CHROMIUM and same_site != "none":
        return f"without SameSite it counts as Lax, and {why}: {_CROSS_SITE_FIX}", ""
    return "", _NOTES[browser]


_NOTES = {
    CHROMIUM: "it is SameSite=None. Incognito windows, Debian's Chromium and browsers that block"
    " third-party cookies drop it",
    FIREFOX: "Firefox stores it separately for this page's site: a login in a tab of the gate does"
    " not count here",
    SAFARI: "it is Partitioned, which Safari supports since 18.4",
}


def _malformed(call: Call, name: str, attributes: Mapping[str, str]) -> Iterator[str]:
    """Return why all browsers drop a cookie, on any page."""
    lowered, secure = name.lower(), "secure" in attributes
    if lowered.startswith(("__host-", "__secure-")) and not secure:
        yield "its name requires Secure"
    if lowered.startswith("__host-"):
        if attributes.get("path") != "/":
            yield "its name requires Path=/"
        if attributes.get("domain"):
            yield "its name allows no Domain"
    if "partitioned" in attributes and not secure:
        yield "Partitioned requires Secure"
    domain = attributes.get("domain", "").removeprefix(".").lower()
    host = call.url.host
    if domain and host != domain:
        if _is_address(host) or not host.endswith(f".{domain}"):
            yield f"its Domain {domain} is not that of the gate's URL"
        elif domain == (public_suffix(domain) or domain.rpartition(".")[2]):
            yield f"its Domain {domain} is a public suffix"


def _parse(value: bytes) -> tuple[str, Mapping[str, str]]:
    """Return a cookie's name, and its attributes by lower-cased name; the last one counts."""
    pair, *attributes = text(value).split(";")
    parts = (attribute.partition("=") for attribute in attributes)
    return pair.partition("=")[0].strip(), {
        name.strip().lower(): found.strip() for name, _, found in parts
    }


def _relate(call: Call) -> _Relation:
    page = take_apart(call.origin) if len(call.origin) <= MAX_ORIGIN_BYTES else None
    there = f"{call.url.scheme}://{_site(call.url.host)}"
    if page is None:  # An opaque origin is not the same site as any other.
        return _Relation(same_site=False, same_scheme=False, between=f"null and {there}")
    scheme, host = page[0].decode(), _site(page[1].decode())
    return _Relation(
        same_site=host == _site(call.url.host),
        same_scheme=scheme == call.url.scheme,
        between=f"{scheme}://{host} and {there}",
    )


def _site(host: str) -> str:
    """Return a host's registrable domain, or the host itself (HTML ``#obtain-a-site``)."""
    if _is_address(host):
        return host
    labels = host.split(".")
    suffix = public_suffix(host) or labels[-1]  # of an unknown name, the last label
    return ".".join(labels[-(suffix.count(".") + 2) :])


def _is_address(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
