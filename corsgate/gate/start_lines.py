"""The log lines about listeners, routes and upstreams when a configuration comes into force."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from corsgate.config.model.credentials import (
    AwsCredentials,
    HeaderCredentials,
    QueryCredentials,
    SeveralCredentials,
)
from corsgate.config.model.oauth2 import OAuth2Credentials
from corsgate.config.model.values import (
    AutoCredentials,
    BasicCredentials,
    BearerCredentials,
    Config,
    Cors,
    Credentials,
    DigestCredentials,
    Listener,
    NtlmCredentials,
    Route,
    SessionCredentials,
    Upstream,
)
from corsgate.credentials.oauth2.request import token_server
from corsgate.transport.address_text import address_text

MAX_SHOWN = 20
"""The maximum number of routes, and of upstreams, that have a line."""

MAX_LISTED = 6
"""The maximum number of origins, methods or servers in a line."""


def listening_line(listener: Listener, address: Any) -> str:
    """Return the line about a listener.

    Args:
        listener: Its configuration.
        address: What its port's `getHost` returns.
    """
    scheme = "http"
    if listener.certificates or listener.endpoint.lower().startswith(("tls:", "ssl:")):
        scheme = "https with HTTP/2" if listener.http2 else "https"
    return f"corsgate listens on {address_text(address)} ({scheme})"


def summary(config: Config, file: str) -> Iterator[str]:
    """Return the lines about the routes and upstreams.

    Args:
        config: The configuration.
        file: Its name in messages.
    """
    for route in config.routes[:MAX_SHOWN]:
        yield _of_route(route)
    if len(config.routes) > MAX_SHOWN:
        yield f"and {len(config.routes) - MAX_SHOWN:,} more routes in {file}"
    upstreams = list(config.upstreams.values())
    for upstream in upstreams[:MAX_SHOWN]:
        yield _of_upstream(upstream)
    if len(upstreams) > MAX_SHOWN:
        yield f"and {len(upstreams) - MAX_SHOWN:,} more upstreams in {file}"


def _of_route(route: Route) -> str:
    said = [_callers(route.cors)]
    if route.methods is not None:
        said.append(f"{listed(route.methods)} only")
    if route.allow_paths:
        said.append(f"{len(route.allow_paths)} path(s) only")
    if route.by_url:
        names = listed([each.name for each in route.by_url])
        said.append(f"forwarded to the upstream of the URL: {names}")
    else:
        said.append(f"forwarded to {route.upstream.name}")
    return f"route {route.host or ''}{route.prefix}: {', '.join(said)}"


def _callers(cors: Cors | None) -> str:
    if cors is None:
        return "no cross-origin access"
    if "*" in cors.allow_origins:
        return "any origin may call"
    return f"{listed(cors.allow_origins)} may call"


def _of_upstream(upstream: Upstream) -> str:
    servers = [server.origin + server.base_path for server in upstream.servers]
    servers += [str(each) for each in upstream.discovered]
    said = [listed(servers), *kinds(upstream)]
    if len(servers) > 1:
        said.append(f"balanced by {upstream.balancing.balance}")
    if upstream.balancing.health is not None:
        said.append(f"probed at {upstream.balancing.health.path}")
    if not upstream.verify:
        said.append("certificates NOT verified")
    return f"upstream {upstream.name}: {', '.join(said)}"


def kinds(upstream: Upstream) -> Iterator[str]:
    """Return the kind of an upstream's credentials; of several, also the origins that use them."""
    if not upstream.credentials_by_origin:
        yield _kind(upstream.credentials)
        return
    for each in upstream.credentials_by_origin:
        yield f"{_kind(each.credentials)} for {each.origin}"
    if upstream.credentials is None:
        yield "403 for all others"
    else:
        yield f"{_kind(upstream.credentials)} for all others"


def _kind(credentials: Credentials | None) -> str:
    """Return the kind of credentials, without the secret or a user name."""
    match credentials:
        case None:
            return "no credentials"
        case AutoCredentials():
            return f"{' or '.join(credentials.allow)} credentials"
        case BasicCredentials():
            return "basic credentials"
        case DigestCredentials():
            return "digest credentials"
        case BearerCredentials():
            return "a bearer token"
        case HeaderCredentials():
            return f"a secret in {credentials.name}"
        case NtlmCredentials():
            return "NTLM credentials"
        case SessionCredentials():
            return "a login session"
        case OAuth2Credentials():
            return f"tokens from {token_server(credentials).server.origin} (oauth2)"
        case QueryCredentials():
            return f"a secret in the query ({credentials.name})"
        case AwsCredentials():
            return f"AWS signatures for {credentials.service} in {credentials.region}"
        case SeveralCredentials():
            return _joined([_kind(each) for each in credentials.parts])


def _joined(items: Sequence[str]) -> str:
    """Return items as an English list: ``a, b and c``."""
    return " and ".join(filter(None, (", ".join(items[:-1]), items[-1])))


def listed(items: Sequence[str]) -> str:
    """Return items separated by commas; if there are too many, count the last ones."""
    shown = ", ".join(items[:MAX_LISTED])
    more = len(items) - MAX_LISTED
    return f"{shown} and {more:,} more" if more > 0 else shown
