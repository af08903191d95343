"""The configurations that cases are played through."""

from __future__ import annotations

from tests.support import BASIC, DIGEST

APP = b"https://app.example"
FOREIGN = b"https://evil.example"
HOST = b"gate.example"

_TOP = (
    'listen = ["tcp:5555:interface=127.0.0.1"]\n'
    'hosts = ["gate.example", "*.tenant.example", "127.0.0.1:5555", "[::1]"]\n'
)
_ONE = 'servers = ["http://127.0.0.1:8001"]\n'
_TWO = 'servers = ["http://127.0.0.1:8001", "http://127.0.0.1:8002"]\n'
_POLICY = """
[cors.app]
allow_origins = ["https://app.example", "https://*.app.example"]
allow_methods = ["GET", "PUT", "POST", "DELETE"]
allow_headers = ["Content-Type", "If-Match"]
expose_headers = ["X-Total"]
allow_credentials = true
max_age = "10m"
[cors.auto]
allow_origins = ["https://app.example"]
expose_headers = "auto"
[cors.any]
allow_origins = ["*"]
allow_methods = ["*"]
allow_headers = ["*"]
enforce_origin = false
[cors.star]
allow_origins = ["https://app.example", "https://*.app.example"]
allow_methods = ["*"]
allow_headers = ["*"]
allow_credentials = true
[cors.strict]
allow_origins = ["https://other.example"]
"""
_ROUTES = """
[routes."/"]
upstream = "a"
cors = "app"
"""
_MORE_ROUTES = """
[upstreams.open]
servers = ["http://127.0.0.1:8009"]
[routes."/v1"]
upstream = "a"
cors = "app"
[routes."/strip"]
upstream = "open"
cors = "any"
strip_prefix = true
[routes."/plain"]
upstream = "a"
[routes."/few"]
upstream = "a"
cors = "app"
methods = ["GET", "PUT"]
[routes."/auto"]
upstream = "a"
cors = "auto"
[routes."/star"]
upstream = "a"
cors = "star"
[routes."/small"]
upstream = "a"
cors = "app"
limits = { max_body_bytes = "1KiB" }
[routes."/trial"]
upstream = "a"
cors = "app"
cors_report_only = "strict"
[routes."one.tenant.example/"]
upstream = "open"
cors = "any"
"""
_REACH = """
[upstreams.geo]
servers = ["http://127.0.0.1:8009/geo"]
[routes."/proxy"]
by_url = ["a", "geo"]
cors = "app"
[routes."/some"]
upstream = "a"
cors = "app"
allow_paths = ["GET /some/docs/**", "/some/*/find"]
"""


def _with(upstream: str, more: str = "", top: str = "") -> str:
    return f"{_TOP}{top}[upstreams.a]\n{upstream}\n{_POLICY}{_ROUTES}{more}"


_STICKY = 'sticky = { cookie = "gate", secret = { env = "PASSWORD" } }\n'

CONFIGS = {
    "cors": _with(_ONE),
    "routes": _with(_ONE + BASIC, _MORE_ROUTES),
    "reach": _with(_ONE + BASIC, _REACH),
    "basic": _with(_ONE + BASIC),
    "digest": _with(_ONE + DIGEST),
    "two": _with(_TWO + "retries = 2"),
    "two-digest": _with(_TWO + DIGEST),
    "sticky": _with(_TWO + _STICKY),
    "path": _with('servers = ["http://127.0.0.1:8001/base"]\npreserve_host = true'),
    "fallback": _with(_ONE + 'on_down = { status = 503, body = "<h1>Back soon.</h1>" }'),
    "one-connection": _with(_ONE + "max_connections = 1\nmax_queue = 2"),
    "limits": _with(
        _ONE,
        "[limits]\nmax_headers = 12\nmax_target_bytes = 200\nmax_head_bytes = 1000\n",
    ),
    "combined": _with(_ONE, top='log_format = "combined"\n'),
    "proxied": _with(_ONE).replace('listen = ["tcp:5555:interface=127.0.0.1"]\n', "")
    + '[[listener]]\nendpoint = "tcp:5555:interface=127.0.0.1"\n'
    'trusted_proxies = ["127.0.0.0/8"]\n',
}
"""By name."""
