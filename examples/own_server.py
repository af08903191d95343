"""A small API, written with Klein, that the app at http://localhost:4200 may call.

Run it with `python examples/own_server.py [PORT]`; the default port is 8080.
"""

import json
import sys
from typing import Any

from klein import Klein
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.task import react
from twisted.web.server import Request, Site

from corsgate import cors_resource

app = Klein()
notes = ["buy milk"]


@app.route("/notes", methods=["GET"])
def list_notes(request: Request) -> bytes:
    """Return all notes."""
    request.setHeader(b"Content-Type", b"application/json")
    request.setHeader(b"X-Total", b"%d" % len(notes))
    return json.dumps(notes).encode()


@app.route("/notes/<int:number>", methods=["PUT"])
def change_note(request: Request, number: int) -> bytes:
    """Change a note; respond 404 if there is none, which the app can also read."""
    if number >= len(notes):
        request.setResponseCode(404)
        return b"no such note\n"
    assert request.content is not None
    notes[number] = request.content.read().decode()
    return b"changed\n"


# A server without CORS would use app.resource() here.
site = Site(
    cors_resource(
        app.resource(),
        allow_origins=["http://localhost:4200"],
        allow_methods=["PUT"],
        allow_headers=["Content-Type"],
        expose_headers=["X-Total"],
        max_age="10m",
    )
)


async def serve(reactor: Any, port: str = "8080") -> None:
    """Listen, and serve until interrupted."""
    listening = await serverFromString(reactor, f"tcp:{port}:interface=127.0.0.1").listen(site)
    print(f"http://localhost:{listening.getHost().port}/notes", flush=True)
    await Deferred()


if __name__ == "__main__":
    react(lambda *arguments: Deferred.fromCoroutine(serve(*arguments)), sys.argv[1:])
