"""The configuration that a few command line options stand for, without any file."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from corsgate.config.model import rules
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
from corsgate.config.sections.exposure import CLEAR_MEND, sent_in_clear
from corsgate.config.sections.policies import NO_RULES, CorsRules
from corsgate.config.sections.rebinding import listener_warnings
from corsgate.config.sections.server_url import parse_server
from corsgate.config.toml.reader import Item, Notes, checked, text
from corsgate.errors import BadValue

DEFAULT_LISTEN = "tcp:5555:interface=127.0.0.1"

QUICK_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
"""What pages may do without a file."""

# A developer's app may send any header; "*" never covers Authorization (Fetch #cors-preflight).
_ALLOW_HEADERS = ("*", "Authorization")
_AUTH_MEND = "write basic:USER:PASSWORD, digest:USER:PASSWORD or bearer:TOKEN"


def quick_config(
    *,
    upstream: str,
    allow_origins: Sequence[str],
    auth: str | None = None,
    listen: str | None = None,
    cors_rules: CorsRules = NO_RULES,
) -> Config:
    """Return the configuration of one upstream behind ``/`` for the pages of some origins.

    Args:
        upstream: The server's URL.
        allow_origins: At least one origin.
        auth: ``basic:USER:PASSWORD``, ``digest:USER:PASSWORD`` or ``bearer:TOKEN``, where a
            password may hold colons; or None.
        listen: An endpoint string; by default port 5555 of this machine alone.
        cors_rules: Know what is wrong with a policy, as for `parse_config`.

    Returns:
        The configuration; it has no faults.

    Raises:
        ConfigError: The options have faults; all of them are in it, each with its option as
            the key, none with a secret.
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
        allow_methods=QUICK_METHODS,
        allow_headers=_ALLOW_HEADERS,
        expose_headers=("*",),
        debug=True,
    )
    origins = option("--allow-origin", allow_origins)
    if not allow_origins:
        origins.wrong("it is missing", "write --allow-origin http://localhost:4200")
    for _, problem, fix in cors_rules.faults(policy) if allow_origins else ():
        origins.wrong(problem, fix)
    config = None
    # Each of these is None only once a fault was noted.
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
    return attrs.evolve(config, warnings=warnings)


def _check(config: Config, origins: Item, cors_rules: CorsRules) -> None:
    """Note what is wrong with the route, and what is doubtful about origins and endpoint."""
    (route,) = config.routes
    assert route.cors is not None
    for _, problem, _ in cors_rules.route_faults(route):
        origins.wrong(problem, "name the origins, each by an option of its own")
    local = serves_only_this_machine(config.listeners, None)
    found = [*cors_rules.warnings(route.cors, local), *cors_rules.route_warnings(route, True)]
    for key, problem, fix in found:
        # The rest of the policy is not the user's choice.
        if key.removeprefix("cors.").startswith("allow_origins"):
            origins.notes.warn(origins.path, problem, fix)
    clear = sent_in_clear(route.upstream.credentials, route.upstream.servers)
    if clear:
        origins.notes.warn(("--upstream",), clear, CLEAR_MEND)
    for _, problem, _ in listener_warnings(config.listeners, config.routes, has_hosts=False):
        fix = "leave it out, or write a file that has certificates and hosts"
        origins.notes.warn(("--listen",), problem, fix)


def _parse_auth(raw: object) -> Credentials:
    """Return what ``--auth`` says; no part of it but the user name is ever in a fault."""
    kind, _, rest = text(raw).partition(":")
    if kind == "bearer":
        rules.check_bearer_token(rest)
        return BearerCredentials(token=Secret(rest))
    if kind not in ("basic", "digest"):
        raise BadValue("it names no kind of credentials", _AUTH_MEND)
    username, colon, password = rest.partition(":")
    if not colon:
        raise BadValue("it has no password", _AUTH_MEND)
    make = BasicCredentials if kind == "basic" else DigestCredentials
    return make(username=username, password=Secret(password))
