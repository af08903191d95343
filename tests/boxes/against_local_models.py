"""A stand-in for Ollama: its check of Origin, and streams of JSON lines and events."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from tests.boxes.case import BoxTestCase, direct
from tests.boxes.stand_in import Asked, Reply, StandIn

WORDS = ("Hello", " from", " the", " model")
LOCAL = ("localhost", "127.0.0.1", "0.0.0.0")


def ollama(asked: Asked) -> Reply:
    """Answer as Ollama does: 403 without a body for an Origin that is not of this machine."""
    origin = asked.headers.get("origin")
    if origin is not None and urlsplit(origin).hostname not in LOCAL:
        return Reply(status=403)
    if asked.target == "/api/tags":
        return Reply(pieces=(b'{"models": [{"name": "tiny"}]}',))
    if json.loads(asked.body)["model"] != "tiny":
        return Reply(status=404, pieces=(b'{"error": "model not found, try pulling it first"}',))
    if asked.target == "/api/chat":
        lines = tuple(json.dumps({"message": {"content": word}}).encode() for word in WORDS)
        return Reply(
            headers={"Content-Type": "application/x-ndjson"},
            pieces=tuple(line + b"\n" for line in lines),
        )
    events = tuple(
        b"data: %b\n\n" % json.dumps({"choices": [{"delta": {"content": word}}]}).encode()
        for word in WORDS
    )
    return Reply(
        headers={"Content-Type": "text/event-stream"}, pieces=(*events, b"data: [DONE]\n\n")
    )


class OllamaTests(BoxTestCase):
    """A stand-in for Ollama."""

    def test_page(self) -> None:
        """Pages that the box does not know chat with it; others do not."""
        box = StandIn(ollama)
        self.addCleanup(box.stop)
        self.assertEqual(direct(box.port, "GET", "/api/tags", {"Origin": self.lan}).status, 403)
        self.open("local-models", {11434: box.port})
        self.check_preflight("/v1/chat/completions", "POST", "Content-Type", "Authorization")
        for origin in (self.app.origin, self.lan):
            chat = {"model": "tiny", "messages": []}
            lines = self.write("POST", "/api/chat", chat, origin=origin).body.splitlines()
            said = "".join(json.loads(line)["message"]["content"] for line in lines)
            self.assertEqual(said, "".join(WORDS))
            events = self.write("POST", "/v1/chat/completions", chat, origin=origin).body
            self.assertTrue(events.endswith(b"data: [DONE]\n\n"), events)
        self.write("POST", "/api/chat", {"model": "none"}, 404, origin=self.lan)
        self.check_stranger("POST", "/api/chat", b"{}")
        self.check_stranger("DELETE", "/api/delete", b'{"model": "tiny"}')
