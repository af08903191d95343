"""A real Chromium treats responses as `corsgate.explain.browser` says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.cli.live import send
from corsgate.errors import BadValue
from corsgate.explain.block_causes import Cause
from corsgate.explain.browser import fetch
from corsgate.explain.call import Call
from corsgate.explain.console import Message, read_message
from corsgate.explain.url import Url
from corsgate.message.headers import Header
from tests.browser import Browser, need_browser
from tests.cli.servers import Server
from tests.explain.test_browser import ALLOWED, APP, BLOCKED, Script

_NO_MESSAGE = (Cause.REDIRECTS, Cause.REDIRECT_SCHEME)
"""Causes for which Chromium's console message is not about CORS."""

_ELSEWHERE = ("trace", "mixed", "same origin", "null", "loopback is trustworthy")
"""Cases without a response, or with another page than the test's."""

_LENIENT = ("star is no Authorization",)
"""Where Chromium still differs from Fetch: "*" covers Authorization, with a warning."""


def cases() -> Iterator[tuple[str, Call, Script, Cause | None]]:
    """Return the cases that a page on loopback can play."""
    for name, call, script, cause in (*BLOCKED, *((*each, None) for each in ALLOWED)):
        if name not in (*_ELSEWHERE, *_LENIENT):
            yield name, call, script, cause


class ChromiumTests(SynchronousTestCase):
    """The cases of ``test_browser``, played by Chromium."""

    def test_agrees(self) -> None:
        """Chromium blocks exactly the same calls, for the same causes."""
        need_browser()
        page = Server(lambda method, path: (200, {"Content-Type": "text/html"}))
        self.addCleanup(page.stop)
        api = Server(lambda method, path: (404, {}))
        self.addCleanup(api.stop)
        origin = page.url.replace("127.0.0.1", "localhost")
        browser = Browser()
        self.addCleanup(browser.close)
        browser.open(origin)
        count = 0
        for number, (name, call, script, cause) in enumerate(cases()):
            answers = _here(script, origin, api.url)
            url = f"{api.url}/{number}"
            left = iter(answers)
            api.answer = lambda method, path, left=left: next(left, (404, []))  # type: ignore[misc]  # a closure over one value
            headers = {key.decode(): value.decode() for key, value in call.headers}
            browser.console()
            got = browser.fetch(
                url,
                method=call.method.decode(),
                headers=headers,
                credentials="include" if call.credentials else "same-origin",
            )
            self.assertEqual((name, "error" in got), (name, cause is not None), got)
            again = iter(answers)
            api.answer = lambda method, path, left=again: next(left, (404, []))  # type: ignore[misc]  # as above
            ours = fetch(attrs.evolve(call, origin=origin.encode(), url=Url.parse(url)), send)
            self.assertEqual((name, ours.allowed), (name, cause is None))
            if cause is not None and cause not in _NO_MESSAGE:
                message = _message(browser.console())
                assert message is not None, name
                self.assertEqual((name, message.cause), (name, cause))
                self.assertEqual(message.origin, origin)
                count += 1
        self.assertGreater(count, 20)


def _here(script: Script, origin: str, api: str) -> list[tuple[int, list[tuple[str, str]]]]:
    """Return a script that uses this test's page and server."""

    def fields(headers: Sequence[Header]) -> list[tuple[str, str]]:
        return [
            (
                name.decode(),
                value.decode()
                .replace(APP.decode(), origin)
                .replace(APP.decode().upper(), origin.upper())
                .replace("https://u:p@api.example", api.replace("http://", "http://u:p@")),
            )
            for name, value in headers
        ]

    return [(status, fields(headers)) for status, headers in script]


def _message(said: Sequence[str]) -> Message | None:
    for line in said:
        try:
            return read_message(line.replace("\\u003C", "<"))
        except BadValue:
            continue
    return None
