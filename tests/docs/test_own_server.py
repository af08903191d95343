"""``docs/howto/own-server.md``: what it shows serves an application by its policy."""

from __future__ import annotations

import shlex
from typing import Any

from klein import Klein
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import Site

from tests.demo.wire import ask
from tests.prose import Prose
from tests.test_examples import running

PAGE = Prose.read("docs/howto/own-server.md")
APP = "http://localhost:4200"


class OwnServerTests(SynchronousTestCase):
    """The page."""

    def test_python(self) -> None:
        """The Python shown serves an application by its policy."""
        self.assertEqual(PAGE.languages(), {"python", "sh"})
        (text,) = PAGE.blocks("python")
        scope: dict[str, Any] = {"app": Klein(), "Site": Site}
        exec(text, scope)
        answer = ask(scope["site"].resource, "GET", "/", ("Origin", APP))
        self.assertEqual(answer.status, 404)
        self.assertEqual(answer.one(b"access-control-allow-origin"), APP.encode())

    def test_example(self) -> None:
        """The named example starts and prints its address; test_examples has more."""
        (command,) = PAGE.commands()
        _, example, port = shlex.split(command)
        with running(example.removeprefix("examples/"), "0") as url:
            self.assertRegex(url, r"^http://localhost:\d+/")
        self.assertTrue(port.isdecimal())
