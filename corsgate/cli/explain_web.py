"""``corsgate explain --web``: serve the explainer to a browser on this machine."""

from __future__ import annotations

import json
import os
import sys
import webbrowser
from argparse import ArgumentParser, Namespace
from importlib.resources import files
from threading import Thread
from typing import Any, ClassVar, cast

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.task import react
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from corsgate.admin.page import PAGE_POLICY
from corsgate.admin.resource import JSON, AdminResource, AdminRoot, fail, respond
from corsgate.cli.usage import FINE, complain
from corsgate.config.model.limits import Limits
from corsgate.daemon.signals import exit_cleanly_on_signals
from corsgate.explain_web.answer import answer
from corsgate.explain_web.form import MAX_HAR_LENGTH
from corsgate.message.host import HostRules
from corsgate.server.request import GateRequest
from corsgate.server.site import GateSite
from corsgate.server.whole_body import WholeBody
from corsgate.transport.deadlines import Deadlines

DEFAULT_PORT = 5599
_LOOPBACK = "127.0.0.1"

MAX_BODY_BYTES = 3 * MAX_HAR_LENGTH
"""The maximum size of the form as JSON, in which escapes lengthen a HAR file."""

_TOO_MUCH = f"This is too large. The limit is {MAX_HAR_LENGTH // 1_000_000} MB."

_LIMITS = Limits(
    client_head_timeout_s=5.0,
    client_body_timeout_s=30.0,
    keep_alive_timeout_s=30.0,
    max_head_bytes=16 * 1024,
    max_connections=32,
    max_connections_per_client=32,
)

_TYPES = {
    "index.html": b"text/html; charset=utf-8",
    "app.css": b"text/css; charset=utf-8",
    "app.js": b"text/javascript; charset=utf-8",
    "icon.svg": b"image/svg+xml",
}


def serve_given(options: ArgumentParser, given: Namespace) -> int:
    """Serve the explainer with the options of the command line; return the exit status."""
    calls = (given.url, given.config, given.error, given.origin, given.method, *given.header)
    if given.live or given.credentials or given.json or any(each is not None for each in calls):
        options.error("--web can't be combined with a call: paste the call into the page")
    if given.port is not None and not 0 <= given.port <= 65535:
        options.error("--port must be from 0 to 65535")
    return serve(given.port, opens=not given.no_browser)


def serve(port: int | None, *, opens: bool) -> int:
    """Serve the explainer on loopback until Ctrl-C; return the exit status.

    Args:
        port: The port; None for `DEFAULT_PORT`, or a free one if that is in use.
        opens: Whether to open the page in a browser, if this machine has a desktop.
    """
    failed: list[int] = []

    async def run(reactor: Any) -> None:
        exit_cleanly_on_signals(reactor, lambda: None)
        try:
            listening = await _listen(reactor, port)
        except CannotListenError as error:
            reason = getattr(error.socketError, "strerror", None) or "it is not available"
            text = f"port {port} of {_LOOPBACK} can't be used: {reason}; give another --port"
            failed.append(complain(text))
            return
        url = f"http://localhost:{cast(Any, listening.getHost()).port}/"
        print(f"The explainer is at {url}", flush=True)
        print("Nothing that you paste leaves this machine. Press Ctrl-C to stop.", flush=True)
        if opens and _has_desktop():
            # Some browsers return only when they are closed.
            Thread(target=_open, args=(url,), daemon=True).start()
        await Deferred[None]()

    try:
        react(lambda reactor: Deferred.fromCoroutine(run(reactor)))
    except SystemExit as ended:
        return failed[0] if failed else int(ended.code or FINE)
    except KeyboardInterrupt:
        pass
    return FINE


def _has_desktop() -> bool:
    """Return whether a browser would open a window. A text browser would take over the terminal."""
    has_display = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
    return has_display or sys.platform in ("darwin", "win32")


def _open(url: str) -> None:
    try:
        webbrowser.open(url)
    except Exception:  # Any failure of a desktop is harmless, since the URL is printed.
        print("No browser could be opened.", file=sys.stderr)


async def _listen(reactor: Any, port: int | None) -> IListeningPort:
    site = make_site(reactor)
    wanted = DEFAULT_PORT if port is None else port
    try:
        return await _listen_at(reactor, wanted, site)
    except CannotListenError:
        if port is not None:
            raise
        return await _listen_at(reactor, 0, site)


async def _listen_at(reactor: Any, port: int, site: GateSite) -> IListeningPort:
    endpoint = TCP4ServerEndpoint(reactor, port, interface=_LOOPBACK)
    return cast(IListeningPort, await endpoint.listen(site))


def make_site(reactor: Any) -> GateSite:
    """Return the site that serves the page and responds to its form.

    Args:
        reactor: Provides the time, and the threads for explanations.
    """
    # Another site may point its own name at this machine (DNS rebinding).
    root = AdminRoot(HostRules.build(None, loopback=True))
    for name, content_type in _TYPES.items():
        root.add(b"" if name == "index.html" else name.encode(), _File(name, content_type))
    root.add(b"explain", _Explain(reactor))
    return GateSite(
        root,
        deadlines=Deadlines(reactor),
        limits=_LIMITS,
        record=lambda request: None,
        reactor=reactor,
    )


class _File(AdminResource):
    """A file of the page."""

    def __init__(self, name: str, content_type: bytes) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted's
        self._name = name
        self._type = content_type

    def serve(self, request: GateRequest) -> None:
        """Respond with the file."""
        body = (files("corsgate.explain_web") / "static" / self._name).read_bytes()
        respond(request, self._type, body, policy=PAGE_POLICY)


class _Explain(AdminResource):
    """Explains the call in a form that is sent as JSON. Nothing of it is stored or logged."""

    methods: ClassVar[tuple[bytes, ...]] = (b"POST",)

    def __init__(self, reactor: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted's
        self._reactor = reactor

    def serve(self, request: GateRequest) -> None:
        """Respond with an explanation."""
        types = request.index.get(b"content-type", [])
        if [each.partition(b";")[0].strip().lower() for each in types] != [JSON]:
            _respond(request, 415, _error(f"Content-Type must be {JSON.decode()}."))
            return
        if request.body is None:
            _respond(request, 400, _error("The request has no body."))
            return
        lengths = request.index.get(b"content-length", [])
        if any(int(length) > MAX_BODY_BYTES for length in lengths):
            _respond(request, 413, _error(_TOO_MUCH))
            return
        request.body.limit = MAX_BODY_BYTES
        request.body.start(
            WholeBody(
                lambda data: self._explain(request, data),
                lambda: _respond(request, 413, _error(_TOO_MUCH)),
            )
        )

    def _explain(self, request: GateRequest, data: bytes) -> None:
        pool: ThreadPool = self._reactor.getThreadPool()
        # A large HAR file takes a second, during which other requests must be served.
        working = deferToThreadPool(self._reactor, pool, explained, data)
        working.addCallback(lambda found: None if request.gone else _respond(request, *found))
        working.addErrback(lambda failure: fail(request, failure))


def explained(data: bytes) -> tuple[int, dict[str, Any]]:
    """Return the status and the response to a form.

    Args:
        data: The body of the request.
    """
    try:
        form = json.loads(data)
    except (ValueError, RecursionError):
        return 400, _error("The body is not valid JSON.")
    found = answer(form)
    return (200 if found["ok"] else 422), found


def _error(text: str) -> dict[str, Any]:
    return {"ok": False, "field": "", "error": text}


def _respond(request: GateRequest, status: int, found: dict[str, Any]) -> None:
    respond(request, JSON, json.dumps(found).encode(), status=status)
