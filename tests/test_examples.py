"""The programs in examples/, run as their reader would run them."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from twisted.trial.unittest import SynchronousTestCase

from tests.running import PATIENCE_S, Answer
from tests.tree import ROOT, files, outside

APP = "http://localhost:4200"


@contextmanager
def running(name: str, *arguments: str) -> Iterator[str]:
    """Run an example, as long as the context lasts; return the URL that it prints."""
    process = subprocess.Popen(
        [sys.executable, ROOT / "examples" / name, *arguments],
        env={**outside(), "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    watchdog = threading.Timer(PATIENCE_S, process.kill)
    watchdog.start()
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def fetch(
    url: str,
    method: str = "GET",
    body: bytes | None = None,
    *,
    origin: str = APP,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Answer:
    """Send a request as a page of an origin would."""
    request = Request(url, body, {"Origin": origin, **headers}, method=method)
    try:
        response = build_opener(ProxyHandler({})).open(request, timeout=PATIENCE_S)
    except HTTPError as error:
        response = error
    with response:
        return Answer(status=response.status, headers=response.headers, body=response.read())


class ExampleTests(SynchronousTestCase):
    """Each does what it says."""

    def test_all(self) -> None:
        """No example is without a test here."""
        names = {path.name for path in files("examples")}
        self.assertEqual(names, {"own_server.py"})

    def test_own_server(self) -> None:
        """The app may read, change and learn of errors; another origin gets and changes nothing."""
        with running("own_server.py", "0") as url:
            self.assertEqual(urlsplit(url).hostname, "localhost")
            answer = fetch(url)
            self.assertEqual((answer.status, answer.body), (200, b'["buy milk"]'))
            self.assertEqual(answer.headers["Access-Control-Allow-Origin"], APP)
            self.assertEqual(answer.headers["Access-Control-Expose-Headers"], "X-Total")
            one = f"{url}/0"
            asks = {
                "Access-Control-Request-Method": "PUT",
                "Access-Control-Request-Headers": "content-type",
            }
            asked = fetch(one, "OPTIONS", headers=asks)
            self.assertEqual((asked.status, asked.headers["Access-Control-Max-Age"]), (204, "600"))
            self.assertEqual(fetch(one, "PUT", b"buy tea").body, b"changed\n")
            missing = fetch(f"{url}/7", "PUT", b"x")
            self.assertEqual((missing.status, missing.body), (404, b"no such note\n"))
            self.assertEqual(missing.headers["Access-Control-Allow-Origin"], APP)
            for method in ("PUT", "OPTIONS", "GET"):
                refused = fetch(one, method, b"evil", origin="http://evil.example", headers=asks)
                self.assertEqual(refused.status, 403)
                self.assertNotIn("Access-Control-Allow-Origin", refused.headers)
            self.assertEqual(fetch(url).body, b'["buy tea"]')
