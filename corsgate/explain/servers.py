"""How to configure common servers so that they allow a blocked call."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TypeAlias
from urllib.parse import unquote

import attrs

from corsgate.config.model.endpoint import is_reached_at
from corsgate.config.quick import DEFAULT_LISTEN
from corsgate.config.toml.lines import Path
from corsgate.config.toml.writer import Toml, toml_tables
from corsgate.errors import PolicyError
from corsgate.explain.call import Call, preflight_reasons, unsafe_names
from corsgate.explain.fix import widen, written
from corsgate.explain.server_frameworks import aspnet, django, fastapi, spring, traefik
from corsgate.explain.trace import text
from corsgate.explain.wanted import Wanted, wanted
from corsgate.message.headers import Header


@attrs.frozen(kw_only=True)
class ServerFix:
    """How to configure one kind of server.

    Attributes:
        name: The server's name.
        text: The configuration or code.
        note: Where to put it, or what it requires; one or two sentences.
        is_likely: Whether the response names this server.
    """

    name: str
    text: str
    note: str
    is_likely: bool = False


def all_fixes(
    call: Call, headers: Iterable[Header] = (), *, preflight: bool = False
) -> list[ServerFix]:
    """Return how to allow a call on each known kind of server.

    Args:
        call: The call.
        headers: The fields of the response that blocked it, if known.
        preflight: Whether there was a preflight, even if the call as known needs none.

    Returns:
        First a gate, if one can allow the call, then the servers that the response names, then
        the others.
    """
    headers = tuple(headers)
    want = wanted(call, headers)
    is_asked = preflight or needs_preflight(call)
    software = _software(headers)
    found = [
        ServerFix(
            name=name,
            text=make(want, is_asked),
            note=note,
            is_likely=re.search(pattern, software, re.IGNORECASE) is not None,
        )
        for name, pattern, make, note in (*_SERVERS, *_FRAMEWORKS)
    ]
    gate = [ServerFix(name="corsgate", text=said, note=_GATE_NOTE) for _, said in _gate(call)]
    return [*gate, *sorted(found, key=lambda fix: not fix.is_likely)]


def server_fixes(call: Call, headers: Iterable[Header]) -> list[tuple[str, str]]:
    """Return how to configure the server that blocked a call.

    Args:
        call: The call.
        headers: The fields of its response, which identify common servers.

    Returns:
        Title and text, the most likely first. If a gate can allow the call, the last is a gate in
        front of the server, for servers that can't be changed.
    """
    headers = tuple(headers)
    want, software = wanted(call, headers), _software(headers)
    known = [
        (title, make(want, needs_preflight(call)))
        for title, pattern, make, _ in _SERVERS
        if re.search(pattern, software, re.IGNORECASE)
    ]
    fields = "\n".join(f"{name}: {value}" for name, value in want.fields)
    return [
        ("the response must have", fields),
        *known,
        *_gate(call),
    ]


def _software(headers: Iterable[Header]) -> bytes:
    return b" ".join(v for n, v in headers if n.lower() in (b"server", b"x-powered-by"))


def needs_preflight(call: Call) -> bool:
    """Return whether a browser sends a preflight before a call."""
    return bool(preflight_reasons(call.sent_method, unsafe_names(call.sent_headers)))


def _nginx(want: Wanted, needs_preflight: bool) -> str:
    lines = [f"location {_nginx_path(want.path)} {{"]
    # Without this, add_header would send a second field besides that of a proxied server.
    lines += [f"    proxy_hide_header {name};" for name in want.replaces]
    fields = [f'    add_header {name} "{value}" always;' for name, value in want.fields]
    if needs_preflight:
        lines += ["    if ($request_method = OPTIONS) {"]
        lines += [f"    {line}" for line in fields]
        lines += ["        return 204;", "    }"]
    return "\n".join([*lines, *fields, "    # ... the present content", "}"])


def _nginx_path(path: str) -> str:
    """Return a path as nginx compares it: decoded, and quoted if it has special characters."""
    plain = unquote(path)
    if re.fullmatch(r"[\w/.~-]+", plain, re.ASCII):
        return plain
    return f'"{_escaped(plain)}"'


def _escaped(said: str) -> str:
    """Escape text for use within double quotes."""
    return said.replace("\\", "\\\\").replace('"', '\\"')


def _apache(want: Wanted, needs_preflight: bool) -> str:
    path = _escaped(unquote(want.path))  # Apache also compares the decoded path.
    lines = [f'<Location "{path}">']
    # Apache keeps fields set without "always" in a separate table, and would send both.
    lines += [f"    Header onsuccess unset {name}" for name in want.replaces]
    for name, value in want.fields:
        verb = "merge" if name == "Vary" else "set"
        lines.append(f'    Header always {verb} {name} "{value}"')
    lines.append("</Location>")
    if needs_preflight:
        # RewriteRule has its own parser of arguments, without escaped quotes.
        pattern = re.escape(unquote(want.path)).replace('"', r"\x22")
        lines += [
            "RewriteEngine On",
            "RewriteCond %{REQUEST_METHOD} =OPTIONS",
            f'RewriteRule "^{pattern}" - [R=204,L]',
        ]
    return "\n".join(lines)


def _caddy(want: Wanted, needs_preflight: bool) -> str:
    lines = [f"header {want.path}* {{"]
    # Vary may already have other names, which must be kept.
    lines += [f'    {"+" if name == "Vary" else ""}{name} "{value}"' for name, value in want.fields]
    if want.replaces:
        lines.append("    defer")  # Until the response exists, since these replace its fields.
    lines.append("}")
    if needs_preflight:
        lines += [
            "@preflight {",
            "    method OPTIONS",
            f"    path {want.path}*",
            "    header Access-Control-Request-Method *",
            "}",
            "respond @preflight 204",
        ]
    return "\n".join(lines)


def _express(want: Wanted, _needs_preflight: bool) -> str:
    options = [f'origin: "{want.origin}"']
    if want.methods:
        options.append(f'methods: ["{want.methods}"]')
    if want.headers:
        names = ", ".join(f'"{name}"' for name in want.headers.split(", "))
        options.append(f"allowedHeaders: [{names}]")
    if want.credentials:
        options.append("credentials: true")
    return f'app.use(require("cors")({{ {", ".join(options)} }}))  // before every route'


def _iis(want: Wanted, _needs_preflight: bool) -> str:
    credentials = ' allowCredentials="true"' if want.credentials else ""
    lines = [
        '<cors enabled="true">  <!-- in system.webServer of web.config; the IIS CORS module -->',
        f'  <add origin="{want.origin}"{credentials}>',
    ]
    if want.methods:
        lines.append(f'    <allowMethods><add method="{want.methods}" /></allowMethods>')
    if want.headers:
        names = "".join(f'<add header="{name}" />' for name in want.headers.split(", "))
        lines.append(f"    <allowHeaders>{names}</allowHeaders>")
    return "\n".join([*lines, "  </add>", "</cors>"])


def _gate(call: Call) -> list[tuple[str, str]]:
    """Return how to run a gate that allows a call; empty if no gate can."""
    try:
        cors = widen(None, call)
    except PolicyError:
        return []
    if is_reached_at(DEFAULT_LISTEN, call.url.host, call.url.effective_port):
        return []  # The call goes to a gate's address, and a gate can't forward to itself.
    server, origin = text(call.url.origin), text(call.origin)
    if not call.credentials:
        said = f"corsgate run {server} --allow {origin}\n"
    else:
        keys: list[tuple[Path, str, Toml]] = [
            ((), "listen", [DEFAULT_LISTEN]),
            (("upstreams", "api"), "servers", [server]),
            (("routes", "/"), "upstream", "api"),
            (("routes", "/"), "cors", written(cors)),
        ]
        said = f"# gate.toml; start it with: corsgate run gate.toml\n{toml_tables(keys)}\n"
    return [
        (
            "a gate in front of it, if the server can't be changed",
            f"{said}# and call http://localhost:5555 instead",
        )
    ]


_Fix: TypeAlias = tuple[str, bytes, Callable[[Wanted, bool], str], str]
"""Its name, a pattern for its Server or X-Powered-By field, the maker of its fix, and a note."""

_GATE_NOTE = "For a server that can't be changed. The page then calls the gate instead."

_SERVERS: tuple[_Fix, ...] = (
    (
        "nginx",
        rb"\b(?:nginx|openresty)\b",
        _nginx,
        "In the server block. Keep what your location contains today, such as proxy_pass.",
    ),
    ("Caddy", rb"\bcaddy\b", _caddy, "In the site's block of the Caddyfile."),
    (
        "Express",
        rb"\bexpress\b",
        _express,
        "Requires the package: npm install cors. It responds to preflights itself.",
    ),
    (
        "Apache",
        rb"\bapache\b",
        _apache,
        "In the VirtualHost. Requires the modules headers and rewrite: a2enmod headers rewrite.",
    ),
    ("IIS", rb"\bmicrosoft-iis\b", _iis, "Requires the IIS CORS module of Microsoft."),
)

_FRAMEWORKS: tuple[_Fix, ...] = (
    (
        "Traefik",
        rb"\btraefik\b",
        traefik,
        "In the dynamic configuration. Name the middleware in the router: middlewares: [cors].",
    ),
    (
        "Spring",
        rb"\bspring\b",
        spring,
        "With Spring Security, also call http.cors(withDefaults()), or it refuses preflights.",
    ),
    (
        "FastAPI and Starlette",
        rb"\b(?:uvicorn|hypercorn)\b",
        fastapi,
        "Add it last, so that it is the outermost middleware. Responses to unhandled exceptions"
        " (500) don't pass through it.",
    ),
    (
        "Django",
        rb"\b(?:wsgiserver|gunicorn|daphne)\b",
        django,
        "Requires the package: pip install django-cors-headers.",
    ),
    (
        "ASP.NET Core",
        rb"\bkestrel\b",
        aspnet,
        "Call UseCors after UseRouting, and before UseAuthentication and UseAuthorization.",
    ),
)
