"""Finds out what login a box requires, after it has refused the gate's credentials."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from corsgate.cli.live import NoAnswer
from corsgate.config.model.by_origin import chosen
from corsgate.config.model.values import Config, Route, Server
from corsgate.credentials.refusal import kind_of, refusal_words
from corsgate.explain.call import Call
from corsgate.explain.explanation import SimulatedGate
from corsgate.explain.trace import Answer, Request
from corsgate.explain.url import Url
from corsgate.message.target import join_base, strip_segments

_SAFE = (b"GET", b"HEAD")


def box_refusal(
    config: Config, call: Call, status: int, send: Callable[[Request], Answer]
) -> Iterator[str]:
    """Explain a server's 401 or 403 by the configuration of the gate in front of it.

    The gate doesn't forward the server's challenge. So this sends a GET or HEAD without credentials
    to the server directly, and compares its challenge with the gate's credentials.

    Args:
        config: The gate's configuration; its secrets are not used.
        call: The call that went through the gate.
        status: The status that the server responded with.
        send: Sends a request, and returns the response or raises NoAnswer.

    Returns:
        The findings, each one or more sentences. There are none if the gate has no credentials for
        the call's route.
    """
    route = SimulatedGate(config).route(call)
    if route is None or route.by_url:
        return
    upstream, name = route.upstream, route.upstream.name
    by_origin = {each.origin.encode(): each.credentials for each in upstream.credentials_by_origin}
    # A GET to the page's own origin has no Origin field.
    origins = (call.origin,) if call.origin else ()
    credentials = chosen(by_origin, upstream.credentials, origins)
    if credentials is None:
        return
    if status == 403:
        yield f"Upstream {name}: {refusal_words(credentials, status, ())}."
        return
    refused = (
        f"Upstream {name}: the server refused the gate's credentials ({kind_of(credentials)})."
    )
    if not route.upstream.servers:
        yield f"{refused} See the gate's log for what it asks for: the file names no server."
    for server in route.upstream.servers:
        try:
            answer = send(_request(call, route, server))
        except NoAnswer as error:
            yield f"{refused} See the gate's log for what it asks for: from here, {error}."
            continue
        if answer.status == 401:
            words = refusal_words(credentials, 401, answer.headers)
            yield f"Upstream {name}, server {server.origin}: {words}."
        else:
            yield (
                f"Upstream {name}, server {server.origin}: without credentials it responds with"
                f" {answer.status} instead of 401. See the gate's log for what it asked for."
            )


def _request(call: Call, route: Route, server: Server) -> Request:
    """Return a call as it reaches a server, without credentials and Origin."""
    target = call.url.target.encode("ascii")
    if route.strip_prefix:
        target = strip_segments(target, route.prefix.rstrip("/").count("/"))
    target = join_base(server.base_path, target)
    if server.socket is not None:
        raise NoAnswer(f"{server.origin} is a Unix socket, which this command does not use")
    return Request(
        method=call.method if call.method in _SAFE else b"HEAD",
        url=Url.parse(server.origin + target.decode("latin-1")),
        headers=(),
        credentials=False,
    )
