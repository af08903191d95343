"""What is told of the usual servers."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.cors.call import Call
from corsgate.cors.servers import server_mends
from corsgate.cors.url import Url

CALL = Call(
    origin=b"https://app.example",
    method=b"PUT",
    url=Url.parse("http://localhost:8000/v1/x?y"),
    headers=((b"X-App", b"1"), (b"Content-Type", b"application/json")),
    credentials=True,
)


class ServerTests(SynchronousTestCase):
    """`server_mends`."""

    def test_known(self) -> None:
        """A server that tells what it is gets its own mend, which says all that is needed."""
        for name, value, title in (
            (b"Server", b"nginx/1.27", "nginx"),
            (b"server", b"openresty", "nginx"),
            (b"Server", b"Apache/2.4 (Debian)", "Apache"),
            (b"Server", b"Caddy", "Caddy"),
            (b"X-Powered-By", b"Express", "Express"),
            (b"Server", b"Microsoft-IIS/10.0", "IIS"),
        ):
            mends = server_mends(CALL, [(b"Date", b"x"), (name, value)])
            self.assertEqual(len(mends), 3)
            self.assertEqual(mends[1][0], title)
            for part in ("https://app.example", "PUT", "content-type", "x-app", "redential"):
                self.assertIn(part, mends[1][1])

    def test_unknown(self) -> None:
        """Any other is told the fields, and that a gate would do."""
        (_, fields), (_, gate) = server_mends(CALL, [(b"Server", b"MarkLogic")])
        self.assertEqual(
            fields.splitlines(),
            [
                "Access-Control-Allow-Origin: https://app.example",
                "Vary: Origin",
                "Access-Control-Allow-Credentials: true",
                "Access-Control-Allow-Methods: PUT",
                "Access-Control-Allow-Headers: content-type, x-app",
            ],
        )
        self.assertIn("--upstream http://localhost:8000 --allow-origin https://app.example", gate)

    def test_no_more_than_needed(self) -> None:
        """A simple call needs its origin allowed, and no answer to OPTIONS."""
        simple = Call(origin=b"https://app.example", method=b"GET", url=CALL.url)
        for server in (b"nginx", b"apache", b"caddy"):
            _, (_, text), _ = server_mends(simple, [(b"Server", server)])
            self.assertNotIn("OPTIONS", text)
            self.assertNotIn("Allow-Methods", text)
