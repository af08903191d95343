"""Build a configuration from command line options, without a file."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

import attrs

from corsgate.config.model.admin import (
    DEFAULT_ADMIN_LISTEN,
    FREE_ADMIN_LISTEN,
    Admin,
    check_not_taken,
)
from corsgate.config.model.credentials import fields_of
from corsgate.config.model.endpoint import check_endpoint, is_loopback
from corsgate.config.model.values import (
    Config,
    Cors,
    Credentials,
    Listener,
    Route,
    Upstream,
)
from corsgate.config.parse import serves_only_this_machine
from corsgate.config.quick_auth import QuickAuth, credentials_of, parse_auth
from corsgate.config.sections.exposure import CLEAR_FIX, sent_in_clear
from corsgate.config.sections.policies import NO_RULES, CorsRules
from corsgate.config.sections.rebinding import listener_warnings
from corsgate.config.sections.server_url import parse_server
from corsgate.config.toml.reader import Item, Notes
from corsgate.config.toml.values import checked, text
from corsgate.errors import BadValue

DEFAULT_LISTEN = "tcp:5555:interface=127.0.0.1"

NAME = "api"
"""The upstream's name."""


def quick_config(
    *,
    upstream: str,
    allow_origins: Sequence[str],
    auth: str | QuickAuth | None = None,
    listen: str | None = None,
    allow_credentials: bool = False,
    cors_rules: CorsRules = NO_RULES,
    has_spnego: bool = True,
) -> Config:
    """Build the configuration of one upstream at ``/`` that the given origins may call.

    Args:
        upstream: The server's URL.
        allow_origins: At least one origin.
        auth: The credentials, such as ``digest:USER:PASSWORD``, or None.
        listen: A port, an address and a port, or an endpoint string; None for port 5555 on
            loopback.
        allow_credentials: Whether the browser may send its own credentials, such as cookies.
        cors_rules: Check the policy, as for `parse_config`.
        has_spnego: Whether the library for NTLM is installed.

    Returns:
        The configuration, which has no faults.

    Raises:
        ConfigError: The options have faults. The error has all of them, with the option as the
            key, and without secrets.
    """
    notes = Notes(file="command line", lines={})

    def option(name: str, value: object) -> Item:
        return Item(notes, (name,), value)

    server = option("--upstream", upstream).read(lambda raw: parse_server(text(raw)))
    credentials = None
    if auth is not None:
        credentials = option("--auth", auth).read(lambda _: _credentials(auth, has_spnego))
    given = DEFAULT_LISTEN if listen is None else listen_endpoint(listen)
    endpoint = option("--listen", given).read(checked(check_endpoint))
    debug = endpoint is None or is_loopback(endpoint)
    policy = _policy(allow_origins, credentials, allow_credentials, debug=debug)
    origins = option("--allow-origin", allow_origins)
    if not allow_origins:
        origins.wrong("it is missing", "write --allow-origin http://localhost:4200")
    for _, problem, fix in cors_rules.faults(policy) if allow_origins else ():
        origins.wrong(problem, fix.replace(" = true", " = true in a configuration file"))
    config = None
    # Each of these is None only if a fault was recorded.
    if server is not None and endpoint is not None:
        target = Upstream(name=NAME, servers=(server,), credentials=credentials)
        config = Config(
            listeners=(Listener(endpoint=endpoint),),
            upstreams={target.name: target},
            routes=(Route(prefix="/", upstream=target, cors=policy),),
        )
        _check(config, origins, cors_rules)
    warnings = notes.finish()
    assert config is not None
    return attrs.evolve(config, admin=_admin(config.listeners[0].endpoint), warnings=warnings)


def _credentials(auth: str | QuickAuth, has_spnego: bool) -> Credentials:
    parsed = parse_auth(auth) if isinstance(auth, str) else auth
    return credentials_of(parsed, has_spnego=has_spnego)


def _policy(
    origins: Sequence[str],
    credentials: Credentials | None,
    allow_credentials: bool,
    *,
    debug: bool,
) -> Cors:
    """Return the policy for a developer's app: any method, such as LIST or PROPFIND, any header.

    `debug` is off if other machines reach the gate, since it then no longer serves one developer.
    """
    # "*" never includes Authorization (Fetch #cors-preflight). If the gate itself sends that field,
    # a policy must not list it.
    sends_authorization = credentials is not None and "authorization" in fields_of(credentials)
    return Cors(
        allow_origins=tuple(origins),
        allow_methods=("*",),
        allow_headers=("*",) if sends_authorization else ("*", "Authorization"),
        # With credentials "*" is an ordinary name (Fetch #cors-protocol-and-credentials).
        expose_headers=() if allow_credentials else ("*",),
        expose_auto=allow_credentials,
        allow_credentials=allow_credentials,
        debug=debug,
    )


def _admin(endpoint: str) -> Admin:
    """Return the admin listener, at the default port unless the gate itself listens there."""
    try:
        check_not_taken(DEFAULT_ADMIN_LISTEN, [endpoint])
    except BadValue:
        return Admin(listen=FREE_ADMIN_LISTEN)
    return Admin()


def _check(config: Config, origins: Item, cors_rules: CorsRules) -> None:
    """Record faults of the route, and warnings about its origins and the endpoint."""
    (route,) = config.routes
    assert route.cors is not None
    for _, problem, _ in cors_rules.route_faults(route):
        origins.wrong(problem, "list the origins, with one option for each")
    local = serves_only_this_machine(config.listeners, None)
    found = [*cors_rules.warnings(route.cors, local), *cors_rules.route_warnings(route, True)]
    for key, problem, fix in found:
        # The user did not choose the rest of the policy.
        if key.removeprefix("cors.").startswith("allow_origins"):
            origins.notes.warn(origins.path, problem, fix)
    clear = sent_in_clear(route.upstream.credentials, route.upstream.servers)
    if clear:
        origins.notes.warn(("--upstream",), clear, CLEAR_FIX)
    for _, problem, _ in listener_warnings(config.listeners, config.routes, has_hosts=False):
        fix = "leave it out, or use a configuration file with certificates and hosts"
        origins.notes.warn(("--listen",), problem, fix)


def listen_endpoint(text: str) -> str:
    """Expand a port, or an address and a port, to an endpoint string.

    Args:
        text: Such as ``5556`` or ``127.0.0.1:5556``. Without an address, loopback is used.

    Returns:
        The endpoint string; other text is returned unchanged.
    """
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and len(port) <= 5):
        return text
    host = host.strip("[]")
    if host in ("", "localhost"):
        return f"tcp:{port}:interface=127.0.0.1"
    try:
        address = ip_address(host)
    except ValueError:
        return text
    escaped = str(address).replace(":", "\\:")
    return f"tcp:{port}:interface={escaped}"
