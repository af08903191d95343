"""Build a configuration from command line options, without a file."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from corsgate.config.model import rules
from corsgate.config.model.admin import (
    DEFAULT_ADMIN_LISTEN,
    FREE_ADMIN_LISTEN,
    Admin,
    check_not_taken,
)
from corsgate.config.model.endpoint import check_endpoint
from corsgate.config.model.secret import Secret
from corsgate.config.model.values import (
    BasicCredentials,
    BearerCredentials,
    Config,
    Cors,
    Credentials,
    DigestCredentials,
    Listener,
    Route,
    Upstream,
)
from corsgate.config.parse import serves_only_this_machine
from corsgate.config.sections.exposure import CLEAR_FIX, sent_in_clear
from corsgate.config.sections.policies import NO_RULES, CorsRules
from corsgate.config.sections.rebinding import listener_warnings
from corsgate.config.sections.server_url import parse_server
from corsgate.config.toml.reader import Item, Notes, checked, text
from corsgate.errors import BadValue

DEFAULT_LISTEN = "tcp:5555:interface=127.0.0.1"

# A developer's app may use any method, such as LIST or PROPFIND, and send any header; "*" never
# includes Authorization (Fetch #cors-preflight).
_ALLOW_METHODS = ("*",)
_ALLOW_HEADERS = ("*", "Authorization")
_AUTH_FIX = "write basic:USER:PASSWORD, digest:USER:PASSWORD or bearer:TOKEN"


def quick_config(
    *,
    upstream: str,
    allow_origins: Sequence[str],
    auth: str | None = None,
    listen: str | None = None,
    cors_rules: CorsRules = NO_RULES,
) -> Config:
    """Build the configuration of one upstream at ``/`` that the given origins may call.

    Args:
        upstream: The server's URL.
        allow_origins: At least one origin.
        auth: ``basic:USER:PASSWORD``, ``digest:USER:PASSWORD`` or ``bearer:TOKEN``, or None. A
            password may contain colons.
        listen: An endpoint string; the default is port 5555 on loopback.
        cors_rules: Check the policy, as for `parse_config`.

    Returns:
        The configuration, which has no faults.

    Raises:
        ConfigError: The options have faults. The error holds all of them, with the option as
            the key and without any secret.
    """
    notes = Notes(file="command line", lines={})

    def option(name: str, value: object) -> Item:
        return Item(notes, (name,), value)

    server = option("--upstream", upstream).read(lambda raw: parse_server(text(raw)))
    credentials = None if auth is None else option("--auth", auth).read(_parse_auth)
    endpoint = option("--listen", DEFAULT_LISTEN if listen is None else listen).read(
        checked(check_endpoint)
    )
    policy = Cors(
        allow_origins=tuple(allow_origins),
        allow_methods=_ALLOW_METHODS,
        allow_headers=_ALLOW_HEADERS,
        expose_headers=("*",),
        debug=True,
    )
    origins = option("--allow-origin", allow_origins)
    if not allow_origins:
        origins.wrong("it is missing", "write --allow-origin http://localhost:4200")
    for _, problem, fix in cors_rules.faults(policy) if allow_origins else ():
        origins.wrong(problem, fix.replace(" = true", " = true in a configuration file"))
    config = None
    # Each of these is None only if a fault was recorded.
    if server is not None and endpoint is not None:
        target = Upstream(name="upstream", servers=(server,), credentials=credentials)
        config = Config(
            listeners=(Listener(endpoint=endpoint),),
            upstreams={target.name: target},
            routes=(Route(prefix="/", upstream=target, cors=policy),),
        )
        _check(config, origins, cors_rules)
    warnings = notes.finish()
    assert config is not None
    return attrs.evolve(config, admin=_admin(config.listeners[0].endpoint), warnings=warnings)


def _admin(endpoint: str) -> Admin:
    """Return the admin listener: at the usual port, unless the gate has that port itself."""
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


def _parse_auth(raw: object) -> Credentials:
    """Parse ``--auth``; a fault never shows any part of it except the user name."""
    kind, _, rest = str(raw).partition(":")  # `text` might show it.
    if kind == "bearer":
        rules.check_bearer_token(rest)
        return BearerCredentials(token=Secret(rest))
    if kind not in ("basic", "digest"):
        raise BadValue("it does not start with a kind of credentials", _AUTH_FIX)
    username, colon, password = rest.partition(":")
    if not colon:
        raise BadValue("it has no password", _AUTH_FIX)
    make = BasicCredentials if kind == "basic" else DigestCredentials
    return make(username=username, password=Secret(password))
