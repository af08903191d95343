"""Finds allowed calls that closely resemble a refused one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from corsgate.config.model.values import Cors
from corsgate.cors.names import KNOWN_METHODS, SAFELISTED_METHODS
from corsgate.cors.origin import MAX_ORIGIN_BYTES, parse_pattern, take_apart
from corsgate.cors.policy import Policy
from corsgate.errors import BadValue
from corsgate.explain.call import Call, unsafe_names
from corsgate.explain.url import Url
from corsgate.message.host import is_loopback_name

_PUNYCODE = re.compile(r"\bxn--([a-z0-9-]+)", re.ASCII)
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def near_misses(policy: Policy, call: Call) -> list[str]:
    """Return how the refused parts of a call differ from allowed ones.

    Args:
        policy: The route's policy.
        call: The call.

    Returns:
        A line for the origin if a similar one is allowed, and a line for each refused method,
        header and for refused credentials.
    """
    cors = policy.source
    found = []
    if not policy.allows(call.origin):
        origin = next(_origin_misses(policy, call.origin), None)
        found += [origin] if origin else []
    method = call.sent_method
    if method not in SAFELISTED_METHODS and method not in policy.methods and not policy.any_method:
        found.append(_method_miss(cors, method))
    for name in unsafe_names(call.sent_headers):
        if name not in policy.header_names and not (policy.any_header and name != b"authorization"):
            found.append(_header_miss(cors, name.decode("latin-1")))
    if call.credentials and not cors.allow_credentials:
        found.append("credentials: the page sends them, but allow_credentials is not set")
    return found


def _origin_misses(policy: Policy, origin: bytes) -> Iterator[str]:
    spelled = origin.decode("latin-1")
    if take_apart(origin) is None or len(origin) > MAX_ORIGIN_BYTES:
        meant = spell(spelled)
        if meant is not None:
            what = "trailing slash" if spelled.rstrip("/") == meant else "spelling"
            is_allowed = policy.allows(meant.encode())
            allowed = "which is allowed" if is_allowed else "which is not allowed either"
            yield f"{what}: browsers send {meant}, {allowed}"
        return
    url = Url.parse(spelled) if spelled.startswith(("http://", "https://")) else None
    if url is None:
        return
    for allowed in policy.source.allow_origins:
        if allowed.partition("://")[2].partition(":")[0] == f"*.{url.host}":
            yield f'bare domain: "{allowed}" covers subdomains of {url.host}, but not {url.host}'
    for other, what in _variants(url):
        if policy.allows(other.encode()):
            pattern = policy.wildcards.find(other.encode())
            by = f' by "{pattern}"' if pattern else ""
            yield f"{what}: {other} is allowed{by}"
    for allowed in policy.source.allow_origins:
        if _is_nearly(allowed, url):
            yield (
                f'star: the "*" in "{allowed}" matches one or more letters, digits and hyphens'
                " within one label"
            )
    for allowed in policy.source.allow_origins:
        if allowed.startswith(f"{url.scheme}://{url.host}:") or allowed == (
            f"{url.scheme}://{url.host}"
        ):
            yield f"port: {allowed} is allowed"
    for allowed in policy.source.allow_origins:
        yield from _look_alikes(allowed, url.host)
    decoded = _decoded(spelled)
    if decoded != spelled:
        copied = difflib.get_close_matches(decoded, policy.source.allow_origins, n=1, cutoff=0.85)
        if copied:
            yield f"another site: {url.host} is in letters that only look like those of {copied[0]}"
    near = difflib.get_close_matches(spelled, policy.source.allow_origins, n=1, cutoff=0.85)
    if near:
        yield f"another host: {near[0]} is allowed, and {url.host} is only spelled similarly"


def _look_alikes(allowed: str, host: str) -> Iterator[str]:
    """Return why a host that contains the name of an allowed host is a different one."""
    name = allowed.partition("://")[2].removeprefix("*.").partition(":")[0]
    if "*" in name or ("." not in name and name != "localhost"):
        return
    if host.endswith(f".{name}"):
        yield f"subdomain: {allowed} is allowed, but {host} is another host"
        return
    _, found, behind = f".{host}".rpartition(f".{name}.")
    if found:
        yield f"another site: {host} belongs to {behind}, not to {name}, which is allowed"
    elif name.replace(".", "-") in host.replace(".", "-"):
        yield f"another host: {allowed} is allowed, and {host} only contains its name"


def _decoded(origin: str) -> str:
    """Return an origin with its labels in Punycode as people see them in an address bar."""

    def decode(label: re.Match[str]) -> str:
        try:
            return label[1].encode("ascii").decode("punycode")
        except (ValueError, OverflowError):
            return label[0]

    return _PUNYCODE.sub(decode, origin)


def _is_nearly(allowed: str, url: Url) -> bool:
    """Return whether a star within a label would match an origin's host if it matched any text."""
    pattern = parse_pattern(allowed)
    if not pattern.has_star_within or pattern.scheme != url.scheme:
        return False
    before, _, behind = pattern.host.partition("*")
    literals = len(before) + len(behind)
    return len(url.host) >= literals and url.host.startswith(before) and url.host.endswith(behind)


def _variants(url: Url) -> Iterator[tuple[str, str]]:
    """Return origins that are easily confused with this one, each with the difference."""
    port = "" if url.port is None else f":{url.port}"
    other = "https" if url.scheme == "http" else "http"
    yield f"{other}://{url.host}{port}", f"{url.scheme} instead of {other}"
    if is_loopback_name(url.host.strip("[]").encode()):
        for host in _LOOPBACK:
            if host != url.host:
                yield f"{url.scheme}://{host}{port}", f"{url.host} instead of {host}"
    if port:
        yield f"{url.scheme}://{url.host}", "port"
    bare = url.host.removeprefix("www.")
    named = bare if bare != url.host else f"www.{bare}"
    yield f"{url.scheme}://{named}{port}", f"{url.host} instead of {named}"


def spell(origin: str) -> str | None:
    """Return an http or https origin as browsers send it, or None if it is not one.

    A user name before an ``@`` is refused, since it may pretend to be the host.
    """
    try:
        url = Url.parse(origin)
    except BadValue:
        return None
    return None if url.has_userinfo else url.origin.decode("ascii")


def _method_miss(cors: Cors, method: bytes) -> str:
    shown = method.decode("latin-1")
    if method != method.upper() and method.upper() in KNOWN_METHODS:
        return f"case: browsers don't change {shown} to upper case; write {shown.upper()}"
    for listed in cors.allow_methods:
        if listed.upper() == shown.upper():
            return f"case: {listed} is in allow_methods, but methods are case-sensitive"
    return f"method {shown} is not in allow_methods"


def _header_miss(cors: Cors, name: str) -> str:
    if name == "authorization" and "*" in cors.allow_headers:
        return 'header authorization is not in allow_headers, and "*" never covers it'
    near = difflib.get_close_matches(name, [each.lower() for each in cors.allow_headers], n=1)
    hint = f"; {near[0]} is" if near else ""
    return f"header {name} is not in allow_headers{hint}"
