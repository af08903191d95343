"""Write a configuration file that is equivalent to command line options."""

from __future__ import annotations

from collections.abc import Iterator

from corsgate.config.model.values import (
    BearerCredentials,
    Config,
    Credentials,
    HeaderCredentials,
)
from corsgate.config.quick import NAME
from corsgate.config.quick_auth import KINDS
from corsgate.config.toml.writer import Toml, toml_value

_DEBUG = """\
# Refused calls from this machine get the reason. Remove this before other machines use the gate.
debug = true
"""


def quick_toml(config: Config, variable: str | None = None) -> str:
    """Return a configuration file that is equivalent to a configuration from options.

    Args:
        config: The result of `quick_config`.
        variable: The environment variable that will have only the secret; None for the usual name
            for this kind of credentials.

    Returns:
        TOML. It names the variable, and does not contain the secret.
    """
    return "\n".join(_parts(config, variable))


def _parts(config: Config, variable: str | None) -> Iterator[str]:
    (listener,), (route,) = config.listeners, config.routes
    upstream, cors = route.upstream, route.cors
    assert cors is not None, "quick_config always makes a policy"
    assert config.admin is not None, "quick_config always makes an admin listener"
    yield "# Start it with: corsgate run FILE\n" + _line("listen", [listener.endpoint])
    yield f"# Status and metrics.\n[admin]\n{_line('listen', config.admin.listen)}"
    servers = [server.origin + server.base_path for server in upstream.servers]
    table = f"[upstreams.{NAME}]\n" + _line("servers", servers)
    if upstream.credentials is not None:
        secret = variable or KINDS[upstream.credentials.kind].variable
        table += f"# The secret is in the environment variable {secret}.\n"
        table += _line("credentials", _credentials(upstream.credentials, secret))
    yield table
    yield (
        "[cors.app]\n"
        + _line("allow_origins", cors.allow_origins)
        + _line("allow_methods", cors.allow_methods)
        + _line("allow_headers", cors.allow_headers)
        + _line("expose_headers", "auto" if cors.expose_auto else cors.expose_headers)
        + (_line("allow_credentials", True) if cors.allow_credentials else "")
        + (_DEBUG if cors.debug else "")
    )
    yield f"[routes.{toml_value(route.prefix)}]\n" + _line("upstream", NAME) + _line("cors", "app")


def _credentials(credentials: Credentials, variable: str) -> dict[str, Toml]:
    secret = {"env": variable}
    match credentials:
        case BearerCredentials():
            return {"type": "bearer", "token": secret}
        case HeaderCredentials(name=name):
            return {"type": "header", "name": name, "value": secret}
    name = getattr(credentials, "username", "")
    return {"type": credentials.kind, "username": name, "password": secret}


def _line(key: str, value: Toml) -> str:
    return f"{key} = {toml_value(value)}\n"
