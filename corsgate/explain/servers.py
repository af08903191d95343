"""How to configure common servers to allow a call that one of them blocked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import attrs

from corsgate.config.model.endpoint import is_reached_at
from corsgate.config.quick import DEFAULT_LISTEN
from corsgate.config.toml.lines import Path
from corsgate.config.toml.writer import Toml, toml_tables
from corsgate.cors.names import SAFELISTED_METHODS
from corsgate.errors import PolicyError
from corsgate.explain.call import Call, preflight_reasons, unsafe_names
from corsgate.explain.fix import widen, written
from corsgate.explain.trace import text
from corsgate.message.headers import Header


@attrs.frozen(kw_only=True)
class Wanted:
    """What a response must have for a call to be allowed, as text.

    Attributes:
        origin: The value of Access-Control-Allow-Origin.
        methods: The methods to list; empty if the call's method need not be listed.
        headers: The request headers to list.
        credentials: Whether credentials must be allowed.
        path: The path of the call.
        replaces: The names of these fields that the response already has; they must be removed.
    """

    origin: str
    methods: str
    headers: str
    credentials: bool
    path: str
    replaces: tuple[str, ...] = ()

    @property
    def fields(self) -> list[tuple[str, str]]:
        """The fields of the preflight response, which every other response may have too."""
        found = [("Access-Control-Allow-Origin", self.origin), ("Vary", "Origin")]
        if self.credentials:
            found.append(("Access-Control-Allow-Credentials", "true"))
        if self.methods:
            found.append(("Access-Control-Allow-Methods", self.methods))
        if self.headers:
            found.append(("Access-Control-Allow-Headers", self.headers))
        return found


def wanted(call: Call, headers: Iterable[Header] = ()) -> Wanted:
    """Return the smallest set of response fields that allows a call.

    Args:
        call: The call.
        headers: The fields of the response that blocked it.
    """
    names = unsafe_names(call.sent_headers)
    method = call.sent_method
    listed = not SAFELISTED_METHODS.issuperset((method,))
    found = Wanted(
        origin=text(call.origin),
        methods=text(method) if listed else "",
        headers=", ".join(text(name) for name in names),
        credentials=call.credentials,
        path=call.url.path,
    )
    present = {field.lower() for field, _ in headers}
    replaces = (n for n, _ in found.fields if n != "Vary" and n.lower().encode("ascii") in present)
    return attrs.evolve(found, replaces=tuple(replaces))


def server_fixes(call: Call, headers: Iterable[Header]) -> list[tuple[str, str]]:
    """Return how to configure the server that blocked a call.

    Args:
        call: The call.
        headers: The fields of its response, which identify common servers.

    Returns:
        Title and text, the most likely first. The last is a gate in front of the server, for a
        server that can't be changed, if a gate can allow the call.
    """
    headers = tuple(headers)
    want, needs_preflight = (
        wanted(call, headers),
        bool(preflight_reasons(call.sent_method, unsafe_names(call.sent_headers))),
    )
    software = b" ".join(v for n, v in headers if n.lower() in (b"server", b"x-powered-by"))
    known = [
        (title, make(want, needs_preflight))
        for title, pattern, make in _SERVERS
        if re.search(pattern, software, re.IGNORECASE)
    ]
    fields = "\n".join(f"{name}: {value}" for name, value in want.fields)
    return [
        ("the response must have", fields),
        *known,
        *_gate(call),
    ]


def _nginx(want: Wanted, needs_preflight: bool) -> str:
    lines = [f"location {want.path} {{"]
    # add_header would send a second field next to that of a proxied server.
    lines += [f"    proxy_hide_header {name};" for name in want.replaces]
    fields = [f'    add_header {name} "{value}" always;' for name, value in want.fields]
    if needs_preflight:
        lines += ["    if ($request_method = OPTIONS) {"]
        lines += [f"    {line}" for line in fields]
        lines += ["        return 204;", "    }"]
    return "\n".join([*lines, *fields, "    # ... the present content", "}"])


def _apache(want: Wanted, needs_preflight: bool) -> str:
    lines = [f'<Location "{want.path}">']
    # Apache keeps fields set without "always" in a separate table, and would send both.
    lines += [f"    Header onsuccess unset {name}" for name in want.replaces]
    for name, value in want.fields:
        verb = "merge" if name == "Vary" else "set"
        lines.append(f'    Header always {verb} {name} "{value}"')
    lines.append("</Location>")
    if needs_preflight:
        lines += [
            "RewriteEngine On",
            "RewriteCond %{REQUEST_METHOD} =OPTIONS",
            f"RewriteRule ^{re.escape(want.path)} - [R=204,L]",
        ]
    return "\n".join(lines)


def _caddy(want: Wanted, needs_preflight: bool) -> str:
    lines = [f"header {want.path}* {{"]
    lines += [f'    {name} "{value}"' for name, value in want.fields]
    if want.replaces:
        lines.append("    defer")  # Until the response is there, whose fields these replace.
    lines.append("}")
    if needs_preflight:
        lines += ["@preflight method OPTIONS", "respond @preflight 204"]
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
        return []  # The call already went to a gate's address; a gate can't forward to itself.
    server, origin = text(call.url.origin), text(call.origin)
    if not call.credentials:
        said = f"twistd -n --pidfile= corsgate --upstream {server} --allow-origin {origin}\n"
    else:
        keys: list[tuple[Path, str, Toml]] = [
            ((), "listen", [DEFAULT_LISTEN]),
            (("upstreams", "api"), "servers", [server]),
            (("routes", "/"), "upstream", "api"),
            (("routes", "/"), "cors", written(cors)),
        ]
        said = f"{toml_tables(keys)}\n# twistd -n --pidfile= corsgate --config FILE\n"
    return [
        (
            "a gate in front of it, if the server can't be changed",
            f"{said}# and call http://localhost:5555 instead",
        )
    ]


_SERVERS: tuple[tuple[str, bytes, Callable[[Wanted, bool], str]], ...] = (
    ("nginx", rb"\b(?:nginx|openresty)\b", _nginx),
    ("Apache", rb"\bapache\b", _apache),
    ("Caddy", rb"\bcaddy\b", _caddy),
    ("Express", rb"\bexpress\b", _express),
    ("IIS", rb"\bmicrosoft-iis\b", _iis),
)
