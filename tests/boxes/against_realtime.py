"""socket.io, GraphQL over WebSocket, and tus: their servers, and their clients in Chromium."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.boxes.box import Box
from tests.boxes.case import BoxTestCase, from_json
from tests.boxes.installed import node
from tests.boxes.recipes import blocks
from tests.ports import free_port


class SocketIo(Box):
    """A socket.io server that echoes."""

    ready = "/socket.io/?EIO=4&transport=polling"

    def command(self, port: int) -> Sequence[str]:
        """Return what starts it."""
        return [*node("socketio.cjs"), str(port)]


class GraphQl(Box):
    """A GraphQL server with a query and a subscription."""

    ready = "/graphql"

    def command(self, port: int) -> Sequence[str]:
        """Return what starts it."""
        return [*node("graphql.cjs"), str(port)]


class Tus(Box):
    """A server for resumable uploads, which names itself in Location by the Host that it gets."""

    forwarded = "no"

    def command(self, port: int) -> Sequence[str]:
        """Return what starts it."""
        return [*node("tus.mjs"), str(port)]

    def environ(self, port: int) -> Mapping[str, str]:
        """Say whether it heeds X-Forwarded-Host."""
        return {"RESPECT_FORWARDED": self.forwarded}


class ForwardedTus(Tus):
    """The same, which names itself by X-Forwarded-Host."""

    forwarded = "yes"


class RealtimeTestCase(BoxTestCase):
    """The gate before one of the three."""

    def open_before(self, **ports: int) -> None:
        """Start the gate before ``chat``, ``graphql`` or ``tus``; the others are not there."""
        free = free_port()
        self.open(
            "realtime",
            {
                3000: ports.get("chat", free),
                4000: ports.get("graphql", free),
                1080: ports.get("tus", free),
            },
        )


class SocketIoTests(RealtimeTestCase):
    """socket.io."""

    def setUp(self) -> None:
        """Start it behind the gate."""
        super().setUp()
        self.open_before(chat=self.start(SocketIo).port)

    def test_client(self) -> None:
        """The client connects by polling, changes to a WebSocket, and is echoed on both."""
        browser = self.browser("socket.io.js")
        seen = self.run_script(
            browser,
            """
            const socket = io(args[0], {reconnection: false});
            const first = await new Promise((resolve, reject) => {
              socket.on("transport", resolve);
              socket.on("connect_error", reject);
            });
            await new Promise((resolve) => {
              if (socket.io.engine.transport.name === "websocket") resolve();
              else socket.io.engine.on("upgrade", resolve);
            });
            const reply = await socket.emitWithAck("echo", "é");
            socket.close();
            return [first, reply.value, reply.transport];
            """,
            self.url,
        )
        self.assertEqual(seen, ["polling", "é", "websocket"])

    def test_refusals(self) -> None:
        """An unknown session is an error that the app can read; a stranger gets nothing."""
        self.read("/socket.io/?EIO=4&transport=polling&sid=none", 400)
        self.check_stranger("GET", "/socket.io/?EIO=4&transport=polling")
        self.check_strange_socket("/socket.io/?EIO=4&transport=websocket")


class SeveralSocketIoTests(BoxTestCase):
    """Two servers of socket.io, each with sessions of its own."""

    def test_sticky(self) -> None:
        """With the recipe's cookie, each session stays at its server, by polling too."""
        ports = [self.start(SocketIo).port for _ in range(2)]
        (text,) = blocks("realtime")
        both = ", ".join(f'"http://localhost:{port}"' for port in ports)
        sticky = 'sticky = { cookie = "chat-server" }'
        text = text.replace(
            'servers = ["http://localhost:3000"]', f"servers = [{both}]\n{sticky}", 1
        )
        text = text.replace("[cors.app]\n", "[cors.app]\nallow_credentials = true\n", 1)
        self.open_text(text, {4000: free_port(), 1080: free_port()})
        browser = self.browser("socket.io.js")
        seen = self.run_script(
            browser,
            """
            const replies = [];
            for (let session = 0; session < 4; session++) {
              const options = {
                transports: ["polling"], withCredentials: true, forceNew: true, reconnection: false,
              };
              const socket = io(args[0], options);
              await new Promise((resolve, reject) => {
                socket.on("connect", resolve);
                socket.on("connect_error", reject);
              });
              for (const value of [1, 2, 3]) {
                replies.push((await socket.emitWithAck("echo", value)).value);
              }
              socket.close();
            }
            return replies;
            """,
            self.url,
        )
        self.assertEqual(seen, [1, 2, 3] * 4)


class GraphQlTests(RealtimeTestCase):
    """graphql-ws."""

    def setUp(self) -> None:
        """Start it behind the gate."""
        super().setUp()
        self.open_before(graphql=self.start(GraphQl).port)

    def test_client(self) -> None:
        """A query by fetch and a subscription by WebSocket both work in a browser."""
        browser = self.browser("graphql-ws.js")
        seen = self.run_script(
            browser,
            """
            const response = await fetch(`${args[0]}/graphql`, {
              method: "POST",
              headers: {"Content-Type": "application/json"},
              body: JSON.stringify({query: "{ hello }"}),
            });
            const hello = (await response.json()).data.hello;
            const url = `${args[0].replace("http", "ws")}/graphql`;
            const client = graphqlWs.createClient({url, retryAttempts: 0});
            const counts = [];
            await new Promise((resolve, reject) => client.subscribe(
              {query: "subscription { count }"},
              {next: (value) => counts.push(value.data.count), error: reject, complete: resolve},
            ));
            await client.dispose();
            return [hello, counts];
            """,
            self.url,
        )
        self.assertEqual(seen, ["hello from the box", [1, 2, 3]])

    def test_refusals(self) -> None:
        """The server's 400 and 405 can be read; a stranger reaches neither protocol."""
        self.check_preflight("/graphql", "POST", "Content-Type")
        answer = self.write("POST", "/graphql", {"query": "{ unknown }"}, 400)
        self.assertIn("unknown", from_json(answer)["errors"][0]["message"])
        self.read("/graphql", 405)
        self.check_stranger("POST", "/graphql", b'{"query": "{hello}"}')
        self.check_strange_socket("/graphql", protocols=["graphql-transport-ws"])


class TusTests(RealtimeTestCase):
    """tus."""

    def check_upload(self, box: Tus) -> None:
        """Upload in pieces from a page, and look at what the server has got."""
        self.open_before(tus=box.port)
        browser = self.browser("tus.js")
        url = self.run_script(
            browser,
            """
            const blob = new Blob([new Uint8Array(300000).fill(65)]);
            return await new Promise((resolve, reject) => {
              const upload = new tus.Upload(blob, {
                endpoint: `${args[0]}/files`,
                chunkSize: 100000,
                retryDelays: null,
                metadata: {filename: "é.bin"},
                onError: reject,
                onSuccess: () => resolve(upload.url),
              });
              upload.start();
            });
            """,
            self.url,
        )
        self.assertTrue(url.startswith(f"{self.url}/files/"), url)
        kept = box.home / "uploads" / url.rpartition("/")[2]
        self.assertEqual(kept.read_bytes(), b"A" * 300_000)
        head = self.send("HEAD", url.removeprefix(self.url), {"Tus-Resumable": "1.0.0"})
        self.check(head)
        self.assertEqual(head.headers["Upload-Offset"], "300000")

    def test_upload(self) -> None:
        """A file arrives in pieces, whose address is the gate's."""
        self.check_upload(self.start(Tus))

    def test_upload_to_a_server_that_heeds_forwarded_fields(self) -> None:
        """So it does where the server itself already names the gate."""
        self.check_upload(self.start(ForwardedTus))

    def test_refusals(self) -> None:
        """Errors can be read; an OPTIONS of tus itself is forwarded; a stranger gets nothing."""
        self.open_before(tus=self.start(Tus).port)
        self.check_preflight("/files", "PATCH", "Tus-Resumable", "Upload-Offset")
        self.check(self.send("POST", "/files"), 400, 412)
        own = self.check(self.send("OPTIONS", "/files"), 204)
        self.assertIn("creation", own.headers["Tus-Extension"])
        self.check_stranger("POST", "/files", b"")
