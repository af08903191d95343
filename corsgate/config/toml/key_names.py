"""Find the intended key for a misspelled name, or a name from another tool."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from corsgate.config.model.rules import check_entry_name, did_you_mean, one_of, show
from corsgate.config.toml.lines import Path, key_text
from corsgate.errors import BadValue

TOP_KEYS = ("listen", "hosts", "log_format", "access_log", "watch")
"""Keys that belong at the top of the file, above the first heading."""

_HEADINGS = {"routes": '[routes."/v1"]', "cors": "[cors.app]", "upstreams": "[upstreams.box]"}

ALIASES: Mapping[str, str] = {
    # Policies: the names of other CORS libraries, and of the fields themselves.
    "allow_origins": "origin origins allow_origin allowed_origin allowed_origins cors_origin"
    " cors_origins cors_allowed_origins access_control_allow_origin",
    "allow_methods": "method methods verbs allowed_method allowed_methods"
    " access_control_allow_methods cors_methods",
    "allow_headers": "header headers allowed_header allowed_headers request_headers"
    " access_control_allow_headers cors_headers",
    "expose_headers": "expose exposed exposed_header exposed_headers"
    " access_control_expose_headers cors_expose_headers",
    "allow_credentials": "credentials credential with_credentials support_credentials"
    " supports_credentials access_control_allow_credentials cors_allow_credentials",
    "max_age": "maxage preflight_max_age max_age_seconds cors_max_age access_control_max_age ttl",
    # Upstreams.
    "servers": "server url urls target targets host hosts address addresses backend backends node"
    " nodes member members upstream base_url endpoint endpoints proxy_pass",
    "credentials": "auth authentication authorization login credential basic_auth",
    "preserve_host": "change_origin host_header pass_host pass_host_header",
    "verify": "insecure skip_verify insecure_skip_verify tls_verify ssl_verify verify_ssl secure"
    " tls_insecure_skip_verify proxy_ssl_verify verify_tls",
    "tls": "ssl",
    "ca": "ca_file cafile ca_cert ca_certs ca_bundle root_ca trusted_ca",
    "balance": "lb lb_policy load_balancing load_balancer strategy algorithm",
    "health": "health_check health_checks health_uri healthcheck",
    # Routes.
    "upstream": "backend service target proxy_pass proxy to server servers url upstreams",
    "cors": "policy cors_policy",
    "methods": "method verbs allow_methods allowed_methods limit_methods",
    "strip_prefix": "rewrite path_rewrite remove_prefix strip_path strip_uri strip",
    # Credentials.
    "username": "user name login account",
    "password": "pass passwd pwd secret",
    "type": "kind scheme mechanism auth method",
    "token": "access_token bearer api_key secret value",
    # Listeners and the top of the file.
    "endpoint": "listen port bind address",
    "certificates": "cert certs certificate ssl tls",
    "listen": "port bind address addr listeners listen_address listen_addr",
    "upstreams": "backend backends server servers service services target targets box boxes",
    "routes": "paths location locations path proxies",
    "access_log": "log log_file logfile",
    "admin": "status metrics dashboard",
    "limits": "limit timeouts",
    # Limits.
    "connect_timeout": "proxy_connect_timeout dial_timeout",
    "first_byte_timeout": "proxy_read_timeout read_timeout response_header_timeout proxy_timeout",
    "max_body_bytes": "client_max_body_size max_body body_limit"
    " max_request_body_size max_body_size",
}
"""The names that other tools use for a key. They are compared in the form of `_plain`."""


def meant_key(key: str, known: Collection[str]) -> str | None:
    """Return the known key that has an unknown one as another spelling or name, or None.

    Args:
        key: The unknown key.
        known: All keys of its table.
    """
    plain = _plain(key)
    for name in known:
        if plain == _plain(name):
            return name
    for name in known:
        if plain in map(_plain, ALIASES.get(name, "").split()):
            return name
    return None


def unknown_key(key: str, path: Path, known: Sequence[str]) -> tuple[str, str]:
    """Return the key that an unknown one probably means, and the fix for the fault.

    Args:
        key: The unknown key.
        path: The place of its table; empty for the top of the file.
        known: All keys of its table.

    Returns:
        The intended key, or the unknown key itself if none is recognized; and the fix.
    """
    name = meant_key(key, known)
    if name is not None:
        return name, f"did you mean {show(name)}?"
    if path and key in TOP_KEYS:
        return key, "move it to the top of the file, above the first heading in brackets"
    usual = [name for name in known if not name.startswith("dangerously_")]
    return key, did_you_mean(key, known, f"remove it, or write {one_of(usual)}")


def unnamed_entry(section: str) -> tuple[str, str]:
    """Return the problem and the fix for a key that is directly in a section of named tables."""
    return "it is not a table", f"give the heading a name, such as {heading(section)}"


def missing_entry(section: str, name: str) -> str:
    """Return the problem of a name that a section does not have.

    The text is not shown if it may be a misplaced secret.
    """
    if "://" in name:
        return f"it is a URL instead of a name under [{section}]"
    try:
        check_entry_name(name)
    except BadValue:
        return f"no such name under [{section}]"
    return f"there is no [{key_text((section, name))}]"


def heading(section: str) -> str:
    """Return an example of a heading in a section, such as ``[upstreams.box]``."""
    return _HEADINGS.get(section, f"[{section}.box]")


def _plain(name: str) -> str:
    """Return a name in lower case and without separators, which differ between tools."""
    return name.lower().replace("_", "").replace("-", "")
