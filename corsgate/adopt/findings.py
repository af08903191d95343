"""The meaning of a box's replies, and the keys that follow from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum

import attrs

from corsgate.adopt.known import Known
from corsgate.adopt.login import Login
from corsgate.adopt.plan import other_name
from corsgate.adopt.probes import REFUSALS, Look, Reply, alike, clip
from corsgate.adopt.tls import TlsLook, tls_keys
from corsgate.config.toml.writer import Toml
from corsgate.cors.names import CORS_RESPONSE_HEADERS, KNOWN_METHODS, SAFELISTED_METHODS
from corsgate.errors import BadValue
from corsgate.explain.url import Url

UPSTREAM = "upstream"
CORS = "cors"

_NEVER_LISTED = frozenset((b"OPTIONS", b"TRACE", b"CONNECT", b"TRACK", b"*"))
_MOST_METHODS = 24
_OF_LOGINS = frozenset(("Authorization", "X-Vault-Token", "X-CSRFToken", "X-CSRF-Token"))


class Mark(Enum):
    """How a finding is shown."""

    FINE = "fine"
    NOTE = "note"
    HURDLE = "hurdle"


@attrs.frozen(kw_only=True)
class Finding:
    """A result of the probes, and the keys that follow.

    Attributes:
        topic: Its subject, in one or two words.
        words: The result and its meaning, as printable ASCII on one line.
        mark: How it is shown.
        table: The table that the keys belong to, `UPSTREAM` or `CORS`.
        keys: The keys of the configuration that follow.
        off: Keys to write as a comment, so that the reader decides.
    """

    topic: str
    words: str
    mark: Mark = Mark.NOTE
    table: str = UPSTREAM
    keys: Mapping[str, Toml] = attrs.field(factory=dict)
    off: Mapping[str, Toml] = attrs.field(factory=dict)


def findings(
    look: Look, login: Login, known: Known | None, tls: TlsLook | None, ca_file: str
) -> list[Finding]:
    """Return the findings, in the order in which they are shown.

    Args:
        look: The results of the probes.
        login: The login that the box requires.
        known: The kind of box, or None.
        tls: The results about its TLS; None for http.
        ca_file: The file for an authority's certificate.
    """
    found = [*_box(look, known)]
    found += _tls(look, tls, ca_file)
    mark = Mark.FINE if not login.wanted or login.kinds else Mark.HURDLE
    found.append(Finding(topic="login", words=login.words, mark=mark))
    found += _own_cors(look)
    found += _refusals(look)
    found += _methods(look, known, login)
    found += _redirects(look)
    found += _cookies(look, login)
    found += _forms(look)
    return found


def _box(look: Look, known: Known | None) -> Iterator[Finding]:
    if known is None:
        server = clip(look.page.value(b"server"), 60)
        words = f"its Server header is {server}" if server else "it has no Server header"
        yield Finding(topic="box", words=f"not recognized; {words}")
    elif known.name == "corsgate":
        words = "this is already a corsgate: use corsgate explain, not a second gate"
        yield Finding(topic="box", words=words, mark=Mark.HURDLE)
    else:
        words = f"looks like {known.name}; see docs/recipes/{known.recipe}.md"
        yield Finding(topic="box", words=words, mark=Mark.FINE)


def _tls(look: Look, tls: TlsLook | None, ca_file: str) -> Iterator[Finding]:
    if tls is None:
        if not look.url.is_loopback:
            words = "plain http: others on the network path can read and change the traffic"
            yield Finding(topic="TLS", words=words)
        return
    if tls.is_verified:
        yield Finding(topic="TLS", words=f"TLS {tls.version}, verified", mark=Mark.FINE)
        return
    parts = []
    if tls.problem:
        parts.append(f"the certificate can't be verified: {clip(tls.problem)}")
    if tls.is_old:
        parts.append(f"it supports only TLS {tls.version}, which is not secure")
    if tls.needs_weak:
        parts.append("its key, signature or ciphers are weak")
    if tls.problem:
        parts.append(f"compare this SHA-256 fingerprint with the box's: {tls.fingerprint}")
    keys = tls_keys(tls, ca_file)
    yield Finding(topic="TLS", words="; ".join(parts), mark=Mark.HURDLE, keys=keys)


def _own_cors(look: Look) -> Iterator[Finding]:
    names = sorted(
        {
            name.lower().decode("latin-1")
            for probe in ("app-origin", "preflight")
            for name, _ in look.replies.get(probe, Reply()).headers
            if name.lower() in CORS_RESPONSE_HEADERS
        }
    )
    if names:
        origin = clip(look.replies["app-origin"].value(b"access-control-allow-origin"), 60)
        allowed = f" (allows {origin})" if origin else ""
        words = f"it sends CORS headers of its own{allowed}; the gate replaces them"
        yield Finding(topic="CORS", words=words)
    else:
        yield Finding(topic="CORS", words="no CORS headers of its own", mark=Mark.FINE)


def _refusals(look: Look) -> Iterator[Finding]:
    page, replies = look.page, look.replies
    first = replies.get("first", page)
    if "browser" in replies and not alike(first, page):
        words = (
            f"{first.status} unless User-Agent is a browser's, which the gate forwards unchanged"
        )
        yield Finding(topic="User-Agent", words=words)
    app = replies.get("app-origin", page)
    if not alike(page, app):
        words = f"refuses pages of other origins itself ({app.words})"
        yield Finding(topic="Origin", words=words, mark=Mark.HURDLE)
    elif not app.failure:
        words = f"the page's Origin makes no difference to a GET ({app.status}); changes (PUT,"
        words += " POST) were not tried"
        yield Finding(topic="Origin", words=words, mark=Mark.FINE)
    other = replies.get("other-host", page)
    if not alike(page, other) and 0 < other.status < 400:
        words = (
            f"refuses the name in the URL ({page.words}), but serves {other_name(look.url)}: use"
        )
        yield Finding(topic="Host", words=f"{words} a URL with that name", mark=Mark.HURDLE)
    host = replies.get("gate-host", page)
    if not alike(page, host):
        words = f"refuses the gate's Host ({host.words}); the gate sends the box's"
        yield Finding(topic="Host", words=words)
    yield from shape_findings(look.shape, look.shape_tries, replies)
    zipped = replies.get("gzip-via")
    if zipped is not None and b"gzip" not in zipped.value(b"content-encoding"):
        words = "it does not compress responses to requests with Via"
        yield Finding(topic="gzip", words=words, keys={"via": False})
    preflight = replies.get("preflight")
    if preflight is not None and (preflight.failure or preflight.status >= 300):
        words = f"refuses preflights ({preflight.words}); the gate responds to them itself"
        yield Finding(topic="OPTIONS", words=words)


def shape_findings(
    shape: Mapping[str, str | bool] | None, tries: tuple[str, ...], replies: Mapping[str, Reply]
) -> Iterator[Finding]:
    """Return the findings of the probes that look like the gate's requests.

    Args:
        shape: The keys with which the box responds as usual, or None.
        tries: The names of the sent probes.
        replies: The replies by name.
    """
    if not tries or shape == {}:
        return
    refused = replies.get(tries[0], Reply()).words
    if shape is None:
        words = f"refuses requests as the gate sends them ({refused}), with any setting of origin,"
        words += " forwarded and via"
        yield Finding(topic="gate", words=words, mark=Mark.HURDLE)
        return
    what = {
        "origin": "its own Origin together with X-Forwarded-Host",
        "forwarded": "requests with X-Forwarded-* fields",
        "via": "requests with Via",
    }
    words = f"refuses {what[next(iter(shape))]} ({refused})"
    if shape.get("origin") == "drop":
        words = f"refuses any Origin ({refused})"
    yield Finding(topic="gate", words=words, mark=Mark.HURDLE, keys=dict(shape))


def _methods(look: Look, known: Known | None, login: Login) -> Iterator[Finding]:
    allowed: list[bytes] = []
    for reply in look.all_replies:
        for value in reply.values(b"allow"):
            members = (each.strip().upper() for each in value.split(b",")[:_MOST_METHODS])
            allowed += [each for each in members if each in KNOWN_METHODS and each not in allowed]
    head = look.replies.get("head")
    if head is not None and not alike(look.page, head):
        yield Finding(topic="HEAD", words=f"HEAD is handled differently than GET ({head.words})")
    listed = [
        each.decode("ascii")
        for each in allowed
        if each not in SAFELISTED_METHODS and each not in _NEVER_LISTED
    ]
    headers = list(known.headers) if known else ["Content-Type"]
    if login.kinds:
        # The gate sets them, so the policy must not let pages set them.
        headers = [each for each in headers if each not in _OF_LOGINS]
    if listed and (known is None or known.recipe not in ("webdav", "couchdb", "realtime")):
        words, methods = f"its Allow header lists {', '.join(listed)}", listed
    elif known is not None and known.methods:
        words, methods = f"those that clients of {known.name} use", list(known.methods)
    elif known is not None or allowed:
        words, methods = "GET, HEAD and POST need not be listed; add PUT and others here", []
    else:
        words, methods = "the usual methods of an API; remove those that pages do not need", []
        methods = ["PUT", "PATCH", "DELETE"]
    yield Finding(
        topic="methods",
        words=words,
        mark=Mark.FINE,
        table=CORS,
        keys={"allow_methods": methods, "allow_headers": headers},
    )


def _redirects(look: Look) -> Iterator[Finding]:
    if look.loops:
        words = "its redirects form a loop; give the URL of the API itself"
        yield Finding(topic="redirect", words=words, mark=Mark.HURDLE)
        return
    if look.elsewhere is not None:
        there = look.elsewhere
        place = clip(f"{there.scheme}://{there.authority}", 120)
        same = there.path.rstrip("/") == look.url.path.rstrip("/")
        words = f"redirects to {place}, which is another name for it"
        if same:
            yield Finding(topic="redirect", words=words, keys={"aliases": [place]})
            return
        words = f"redirects to {place}; if that is the same box, it is an alias"
        yield Finding(topic="redirect", words=words, off={"aliases": [place]})
    elif look.visited and not look.is_served:
        words = f"redirects to {look.visited[0]}, outside of what the gate serves"
        words = f"{clip(words, 140)}; adopt the box's / if pages need that"
        yield Finding(topic="redirect", words=words, mark=Mark.HURDLE)
    elif look.visited:
        inside = f"redirects to {look.visited[0]}; the gate rewrites them to its own address"
        yield Finding(topic="redirect", words=clip(inside, 140), mark=Mark.FINE)


def _cookies(look: Look, login: Login) -> Iterator[Finding]:
    cookies = [value for reply in look.all_replies for value in reply.values(b"set-cookie")]
    if not cookies:
        return
    attributes: dict[str, str] = {}
    for cookie in cookies:
        for part in cookie.split(b";")[1:8]:
            name, _, value = part.strip().partition(b"=")
            shown = clip(name, 20).lower()
            if shown in ("domain", "secure", "samesite", "path"):
                attributes.setdefault(shown, clip(value, 40))
    names = sorted({clip(each.partition(b"=")[0], 30) for each in cookies})[:4]
    shown = ", ".join(f"{name}={value}".rstrip("=") for name, value in attributes.items())
    words = f"sets {', '.join(names)}" + (f" with {shown}" if shown else "")
    words += "; the gate adapts Domain, Path and Secure"
    if login.kinds:
        yield Finding(topic="cookies", words=words)
        return
    words += ". For a session of their own, pages need allow_credentials"
    yield Finding(topic="cookies", words=words, table=CORS, off={"allow_credentials": True})


def _forms(look: Look) -> Iterator[Finding]:
    repairs = sorted({each for reply in look.all_replies for each in reply.repairs})
    if repairs:
        shown = ", ".join(repairs[:4])
        words = f"responses violate HTTP ({shown}); the gate accepts them unless"
        yield Finding(topic="form", words=f"{words} strict_responses is on")
    kept = look.replies.get("kept")
    if kept is not None and kept.closed:
        words = "closes reused connections on the second request, so a POST could fail"
        yield Finding(topic="keep-alive", words=words, keys={"keep_alive": False})
    if look.page.is_cut:
        words = "the connection ends before the body does, so browsers report an error"
        yield Finding(topic="body", words=words, mark=Mark.HURDLE)
    elif not look.page.is_whole:
        words = "the body does not end (a stream); pages read it as it arrives"
        yield Finding(topic="body", words=words)
    if look.replies.get("websocket", Reply()).status == 101:
        words = "it supports WebSocket here; the policy also applies to handshakes"
        yield Finding(topic="WebSocket", words=words, mark=Mark.FINE)
    status = look.page.status
    if status in REFUSALS and status not in (403, 405, 409):
        words = f"the URL responds with {look.page.words}; give one that responds with 200"
        yield Finding(topic="URL", words=words, mark=Mark.HURDLE)


def other_origin(location: bytes, base: Url) -> str:
    """Return the origin of a Location, if it is not that of `base`; otherwise empty."""
    try:
        there = base.join(location.decode("ascii"))
    except (BadValue, ValueError):
        return ""
    return "" if there.origin == base.origin else clip(there.origin)
