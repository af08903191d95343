"""What the log says when a configuration begins to be served."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Listener
from corsgate.gate.start_lines import MAX_SHOWN, listening_line, summary
from tests.support import LISTEN, parse


def lines(toml: str) -> list[str]:
    """Return the lines about a configuration."""
    return list(summary(parse(LISTEN + toml), "gate.toml"))


class ListeningTests(SynchronousTestCase):
    """`listening_line`."""

    def test_protocols(self) -> None:
        """The line says whether it speaks TLS."""
        address = IPv4Address("TCP", "127.0.0.1", 1)
        for listener, scheme in (
            (Listener(endpoint="tcp:1"), "http"),
            (Listener(endpoint="tls:/etc/keys:443"), "https"),
        ):
            told = f"corsgate listens on 127.0.0.1:1 ({scheme})"
            self.assertEqual(listening_line(listener, address), told)
        over_tls: Any = type("L", (), {"endpoint": "tcp:1", "certificates": (1,), "http2": True})
        self.assertIn("(https with HTTP/2)", listening_line(over_tls, address))


class SummaryTests(SynchronousTestCase):
    """`summary`."""

    def test_routes(self) -> None:
        """A route has its place, who may call, what is restricted, and its upstream."""
        found = lines(
            'hosts = ["api.example"]\n'
            '[upstreams.a]\nservers = ["http://h:1"]\n[upstreams.b]\nservers = ["http://i:1"]\n'
            '[routes."/"]\nupstream = "a"\n'
            '[routes."api.example/v1"]\nupstream = "b"\nmethods = ["GET", "PUT"]\n'
            'allow_paths = ["/v1/x/**"]\ncors = { allow_origins = ["http://o"] }\n'
            '[routes."/any"]\nupstream = "a"\ncors = { allow_origins = ["*"] }\n'
            '[routes."/proxy"]\nby_url = ["a", "b"]\n'
        )
        self.assertEqual(
            found[:4],
            [
                "route /: no cross-origin access, forwarded to a",
                "route api.example/v1: http://o may call, GET, PUT only, 1 path(s) only, "
                "forwarded to b",
                "route /any: any origin may call, forwarded to a",
                "route /proxy: no cross-origin access, forwarded to the upstream of the URL: a, b",
            ],
        )

    def test_upstreams(self) -> None:
        """An upstream has its servers and the kind of its credentials, but nothing secret."""
        found = lines(
            '[upstreams.a]\nservers = ["https://h/base", "https://i"]\nverify = "dangerously-off"\n'
            'credentials = { type = "digest", username = "user-u", password = "pass-p" }\n'
            'health = { path = "/up" }\n'
            '[upstreams.b]\nservers = ["dns+https://x"]\n'
            'credentials = { type = "bearer", token = "pass-p" }\n'
            '[upstreams.c]\nservers = ["https://y"]\n'
            'credentials = { type = "header", name = "X-Key", value = "pass-p" }\n'
            '[upstreams.d]\nservers = ["https://z"]\n'
            'credentials = { type = "basic", username = "user-u", password = "pass-p" }\n'
            '[upstreams.e]\nservers = ["https://z"]\n'
            'credentials = [{ type = "query", name = "key", value = "pass-p" },'
            ' { type = "header", headers = { X-A = "pass-p" } },'
            ' { type = "aws_sigv4", region = "r", service = "s3",'
            ' access_key = "pass-p", secret_key = "pass-p" }]\n'
            '[upstreams.f]\nservers = ["https://z"]\n'
            'credentials = { type = "oauth2", grant = "client_credentials", client_id = "user-u",'
            ' token_url = "https://login.example:8443/token", client_secret = "pass-p" }\n'
            + "".join(f'[routes."/{name}"]\nupstream = "{name}"\n' for name in "abcdef")
        )
        self.assertEqual(
            found[6:],
            [
                "upstream a: https://h/base, https://i, digest credentials, "
                "balanced by round_robin, probed at /up, certificates NOT verified",
                "upstream b: dns+https://x, a bearer token",
                "upstream c: https://y, a secret in X-Key",
                "upstream d: https://z, basic credentials",
                "upstream e: https://z, a secret in the query (key), a secret in X-A"
                " and AWS signatures for s3 in r",
                "upstream f: https://z, tokens from https://login.example:8443 (oauth2)",
            ],
        )
        self.assertNotIn("pass-p", "".join(found))
        self.assertNotIn("user-u", "".join(found))

    def test_many(self) -> None:
        """Of very many only the first have a line; the rest are counted."""
        servers = ", ".join(f'"http://h{number}"' for number in range(100))
        origins = ", ".join(f'"http://o{number}"' for number in range(100))
        found = lines(
            f"[cors.c]\nallow_origins = [{origins}]\n"
            + f"[upstreams.big]\nservers = [{servers}]\n"
            + "".join(f'[upstreams.u{n}]\nservers = ["http://h{n}"]\n' for n in range(2000))
            + "".join(f'[routes."/{n}"]\nupstream = "u{n}"\ncors = "c"\n' for n in range(2000))
            + '[routes."/big"]\nupstream = "big"\n'
        )
        self.assertEqual(len(found), 2 * MAX_SHOWN + 2)
        self.assertEqual(found[MAX_SHOWN], "and 1,981 more routes in gate.toml")
        self.assertEqual(found[-1], "and 1,981 more upstreams in gate.toml")
        self.assertIn("http://o5 and 94 more may call", found[0])
        self.assertIn("http://h5 and 94 more, no credentials", found[MAX_SHOWN + 1])
        self.assertLess(max(map(len, found)), 200)
