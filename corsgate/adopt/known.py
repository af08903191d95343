"""Recognizes kinds of boxes by signs in their responses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

import attrs

from corsgate.adopt.probes import Look, Reply

_WRITES = ("PUT", "PATCH", "DELETE")
_DAV = ("PUT", "DELETE", "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK")
_DAV_HEADERS = ("Content-Type", "Depth", "Destination", "If", "If-Match", "If-None-Match")
_DAV_MORE = ("Lock-Token", "Overwrite", "Timeout")
_TUS = ("Tus-Resumable", "Upload-Length", "Upload-Offset", "Upload-Metadata", "Upload-Concat")


@attrs.frozen(kw_only=True)
class Known:
    """A kind of box.

    Attributes:
        name: Its name.
        recipe: The page of docs/recipes, without ``.md``; empty for none.
        login: The kind of credentials that it requires, if no challenge names it; see
            `corsgate.adopt.login`.
        methods: The methods that its clients use besides GET, HEAD and POST.
        headers: The header fields that its clients send.
        more: Targets with more information about it.
    """

    name: str
    recipe: str
    login: str = ""
    methods: tuple[str, ...] = _WRITES
    headers: tuple[str, ...] = ("Content-Type",)
    more: tuple[str, ...] = ()


def _field(name: bytes, pattern: bytes = b"") -> Callable[[Reply], bool]:
    """Return a test of the values of a response's fields. The name is lower-cased."""
    wanted = re.compile(pattern, re.I)
    return lambda reply: any(wanted.search(value) for value in reply.values(name))


def _named(prefix: bytes) -> Callable[[Reply], bool]:
    """Return a test for a field whose name starts with a prefix."""
    return lambda reply: any(name.lower().startswith(prefix) for name, _ in reply.headers)


def _body(pattern: bytes) -> Callable[[Reply], bool]:
    """Return a test of a response's body."""
    wanted = re.compile(pattern, re.I)
    return lambda reply: wanted.search(reply.body) is not None


def _realm(pattern: bytes) -> Callable[[Reply], bool]:
    return _field(b"www-authenticate", rb'realm="?' + pattern)


_Sign = tuple[Known, tuple[Callable[[Reply], bool], ...]]

_SIGNS: tuple[_Sign, ...] = (
    (
        Known(name="corsgate", recipe=""),
        (_named(b"corsgate-"), _body(rb'"detail":.*"request_id":')),
    ),
    (
        Known(name="Transmission", recipe="logins", login="transmission", methods=(),
              more=("/transmission/rpc",)),
        (_named(b"x-transmission-session-id"), _realm(rb"Transmission"),
         _field(b"server", rb"^Transmission"), _field(b"location", rb"/transmission/")),
    ),
    (
        Known(name="Syncthing", recipe="logins", login="syncthing", more=("/rest/ping",)),
        (_named(b"x-syncthing-"), _field(b"set-cookie", rb"^CSRF-Token-[0-9A-Z]{5}="),
         _body(rb"<title>[^<]*Syncthing")),
    ),
    (
        Known(name="CouchDB", recipe="couchdb", login="basic",
              methods=("PUT", "DELETE", "COPY"), more=("/_all_dbs",),
              headers=("Content-Type", "If-Match", "Destination", "X-Couch-Full-Commit")),
        (_field(b"server", rb"^CouchDB"), _body(rb'"(couchdb|express-pouchdb)"\s*:\s*"Welcome')),
    ),
    (
        Known(name="Jenkins", recipe="logins", login="jenkins"),
        (_named(b"x-jenkins"), _named(b"x-hudson")),
    ),
    (
        Known(name="MarkLogic", recipe="marklogic",
              headers=("Content-Type", "If-Match", "If-None-Match")),
        (_field(b"server", rb"MarkLogic"), _realm(rb"public\b.*Digest|public\b")),
    ),
    (
        Known(name="OpenSearch", recipe="elasticsearch", login="basic"),
        (_realm(rb"OpenSearch"), _body(rb'"distribution"\s*:\s*"opensearch"')),
    ),
    (
        Known(name="Elasticsearch", recipe="elasticsearch", login="basic",
              headers=("Content-Type", "X-Elastic-Client-Meta")),
        (_named(b"x-elastic-product"), _field(b"www-authenticate", rb"^ApiKey"),
         _body(rb"You Know, for Search"), _realm(rb"security\b")),
    ),
    (
        Known(name="InfluxDB", recipe="influxdb", login="influxdb",
              more=("/query?q=SHOW+DATABASES",)),
        (_named(b"x-influxdb-"),),
    ),
    (
        Known(name="Ollama", recipe="local-models", methods=("DELETE",),
              headers=("Content-Type", "Authorization")),
        (_body(rb"^Ollama is running"),),
    ),
    (
        Known(name="MLflow", recipe="mlflow", methods=("PATCH", "DELETE")),
        (_body(rb"<title>MLflow"), _realm(rb"mlflow")),
    ),
    (
        Known(name="Grafana", recipe="prometheus", login="bearer",
              headers=("Content-Type", "X-Grafana-Org-Id")),
        (_body(rb"<title>Grafana"), _field(b"set-cookie", rb"^grafana_session"),
         _body(rb'"message"\s*:\s*"(Unauthorized|invalid API key)"')),
    ),
    (
        Known(name="Prometheus", recipe="prometheus", methods=()),
        (_body(rb"<title>Prometheus"), _field(b"location", rb"^(/classic)?/graph$|^/query$")),
    ),
    (
        Known(name="Vault or OpenBao", recipe="vault", login="vault", methods=("LIST", *_WRITES),
              headers=("Content-Type", "X-Vault-Token", "X-Vault-Namespace", "X-Vault-Request")),
        (_named(b"x-vault-"), _body(rb'"errors"\s*:\s*\[\s*"(missing client token|permission den)'),
         _body(rb"<title>(Vault|OpenBao)")),
    ),
    (
        Known(name="a server with S3's API", recipe="s3", login="aws_sigv4",
              methods=("PUT", "DELETE"), headers=("*",)),
        (_named(b"x-amz"), _body(rb"<ListAllMyBucketsResult"), _field(b"server", rb"^MinIO"),
         _body(rb"<Error>\s*<Code>\w+</Code>")),
    ),
    (
        Known(name="Streamlit", recipe="python-apps", methods=("PUT", "DELETE"),
              headers=("Content-Type", "X-Xsrftoken")),
        (_body(rb"<title>Streamlit"), _field(b"set-cookie", rb"^_streamlit")),
    ),
    (
        Known(name="Bokeh", recipe="python-apps", headers=("Content-Type", "Bokeh-Session-Id")),
        (_body(rb"bokeh[^<>]*\.js|<title>Bokeh"),),
    ),
    (
        Known(name="Gradio", recipe="python-apps", methods=()),
        (_body(rb"window\.gradio_config|<gradio-app"),),
    ),
    (
        Known(name="Jupyter", recipe="jupyter", login="bearer"),
        (_body(rb"<title>[^<]*Jupyter"), _field(b"content-security-policy", rb"/api/security/csp"),
         _realm(rb"Jupyter")),
    ),
    (
        Known(name="GeoServer", recipe="maps"),
        (_body(rb"<title>[^<]*GeoServer"), _realm(rb"GeoServer")),
    ),
    (
        Known(name="ArcGIS", recipe="maps", login="arcgis"),
        (_body(rb"ArcGIS REST Services Directory|\"currentVersion\"\s*:"),),
    ),
    (
        Known(name="MapProxy", recipe="maps", methods=()),
        (_body(rb"Welcome to MapProxy|<title>MapProxy"),),
    ),
    (
        Known(name="a tus server", recipe="realtime", methods=("PATCH", "DELETE"),
              headers=("Content-Type", *_TUS)),
        (_named(b"tus-"),),
    ),
    (
        Known(name="socket.io", recipe="realtime", methods=()),
        (_body(rb'^0\{"sid":'), _body(rb'"message"\s*:\s*"Transport unknown"')),
    ),
    (
        Known(name="a GraphQL server", recipe="realtime", methods=()),
        (_body(rb"Must provide query string|Missing query|GET query missing"),
         _field(b"sec-websocket-protocol", rb"graphql")),
    ),
    (
        Known(name="SAP", recipe="logins", login="sap"),
        (_named(b"sap-"), _field(b"set-cookie", rb"^sap-")),
    ),
    (
        Known(name="UniFi", recipe="logins", login="unifi"),
        (_body(rb"<title>UniFi"),),
    ),
    (
        Known(name="qBittorrent", recipe="qbittorrent"),
        (_body(rb"<title>qBittorrent"),),
    ),
    (
        Known(name="Django", recipe="rails-django", headers=("Content-Type", "X-CSRFToken")),
        (_field(b"set-cookie", rb"^csrftoken="), _body(rb"csrfmiddlewaretoken")),
    ),
    (
        Known(name="Rails", recipe="rails-django", headers=("Content-Type", "X-CSRF-Token")),
        (_body(rb'<meta name="csrf-token"'), _field(b"set-cookie", rb"^_\w+_session=")),
    ),
    (
        Known(name="a WebDAV server", recipe="webdav", methods=_DAV,
              headers=(*_DAV_HEADERS, *_DAV_MORE)),
        (_named(b"dav"), _field(b"server", rb"^WsgiDAV")),
    ),
    (
        Known(name="a camera", recipe="cameras", methods=()),
        (_field(b"content-type", rb"multipart/x-mixed-replace"),
         _field(b"server", rb"^(Motion|GoAhead|Boa|mini_httpd|Hikvision|App-webs|Camera|esp32)"),
         _realm(rb"[^\",]*(camera|AXIS_)"), _realm(rb"Motion\b")),
    ),
    (
        Known(name="a web server", recipe="web-servers", methods=(),
              headers=("If-Modified-Since", "If-None-Match", "Range")),
        (_field(b"server", rb"^(nginx|Apache|lighttpd|Caddy|SimpleHTTP)"),),
    ),
)  # fmt: skip
"""The kinds with their signs, the most specific first. One sign is enough."""


def known_box(replies: Sequence[Reply]) -> Known | None:
    """Return the kind of a box, or None if no sign fits.

    Args:
        replies: Its responses.
    """
    for kind, signs in _SIGNS:
        if any(sign(reply) for sign in signs for reply in replies):
            return kind
    return None


def more_targets(look: Look) -> Iterator[str]:
    """Return further targets to probe, which depend on the kind of the box."""
    kind = known_box(list(look.all_replies))
    if kind is not None:
        yield from (target for target in kind.more if target != look.spot)
    elif look.page.status >= 400 and b"Tornado" in look.page.value(b"server"):
        yield "/api"
