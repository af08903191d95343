"""The WebSocket client of Java's own library, which says that its handshake has no body."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SkipTest

from tests.gate.websocket import EchoServer
from tests.programs import output
from tests.support import GateTestCase

PROGRAM = """
import java.net.URI;
import java.net.http.*;
import java.util.concurrent.*;

public class Echo {
    public static void main(String[] args) throws Exception {
        var said = new LinkedBlockingQueue<String>();
        var listener = new WebSocket.Listener() {
            public CompletionStage<?> onText(WebSocket socket, CharSequence text, boolean last) {
                said.add(text.toString());
                socket.request(1);
                return null;
            }
        };
        var socket = HttpClient.newHttpClient().newWebSocketBuilder().subprotocols("chat")
            .buildAsync(URI.create(args[0]), listener).get(20, TimeUnit.SECONDS);
        socket.sendText("from Java", true).get(20, TimeUnit.SECONDS);
        System.out.println(said.poll(20, TimeUnit.SECONDS));
        socket.sendClose(1000, "").get(20, TimeUnit.SECONDS);
    }
}
"""


class JavaTests(GateTestCase):
    """``java.net.http``, where a JDK is installed."""

    async def test_echo(self) -> None:
        """A message passes both ways."""
        java = shutil.which("java")
        if java is None or shutil.which("javac") is None:
            raise SkipTest("there is no JDK here (Debian: openjdk-17-jdk-headless)")
        server: Any = await EchoServer().start()
        self.addCleanup(lambda: Deferred.fromCoroutine(server.stop()))
        gate = self.front(server)
        program = Path(self.mktemp()).absolute() / "Echo.java"
        program.parent.mkdir()
        program.write_text(PROGRAM)
        said = await output(java, [str(program), f"ws://127.0.0.1:{gate.port}/v1/x"])
        self.assertEqual(said.strip(), "from Java")
        self.assertEqual(server.speakers[0].fields["Upgrade"], "websocket")
