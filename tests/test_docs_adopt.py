"""Every command in ``docs/howto/adopt.md`` is run."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from unittest import mock

from corsgate.adopt.probes import MAX_BODY_BYTES
from corsgate.cli.adopt_client import TIMEOUT_S
from corsgate.cli.adopt_look import LOOK_S
from tests.boxes.stand_in import Asked, Reply
from tests.cli.commands import corsgate
from tests.cli.test_adopt import PASSWORD, AdoptTestCase
from tests.ports import free_port
from tests.prose import Prose

ADOPT = Prose.read("docs/howto/adopt.md")


class DocsAdoptTests(AdoptTestCase):
    """``docs/howto/adopt.md``."""

    def test_commands(self) -> None:
        """Each is run against a box, and its configuration is proven."""

        def reply(asked: Asked) -> Reply:
            if is_open or "authorization" in asked.headers:
                return Reply(pieces=(b"hello",))
            return Reply(status=401, headers={"WWW-Authenticate": 'Basic realm="r"'})

        box = self.box(reply)
        lines = [line for block in ADOPT.blocks("sh") for line in block.splitlines()]
        self.assertEqual(len(lines), 2)
        for line in lines:
            is_open = "--user" not in line
            given = line.replace("localhost:8000", f"127.0.0.1:{box.port}")
            output = str(Path(self.mktemp()).resolve())
            more = ["--output", output, "--port", str(free_port())]
            with mock.patch.dict(os.environ, {"BOX_PASSWORD": PASSWORD}):
                done = corsgate(*shlex.split(given)[1:], *more)
            self.assertEqual((done.status, done.err), (0, ""), done.out)

    def test_limits(self) -> None:
        """The limits are the code's."""
        text = " ".join(ADOPT.text.split())
        self.assertIn(
            f"A request may take {TIMEOUT_S:g} seconds, and all of them {LOOK_S:g} seconds", text
        )
        self.assertIn(f"At most {MAX_BODY_BYTES // 1024} KiB of a body", text)

    def test_languages(self) -> None:
        """No block is of a language that is not run."""
        languages = set(re.findall(r"(?m)^```(\w*)$", ADOPT.text)) - {""}
        self.assertEqual(languages, {"sh"})

    def test_is_pointed_to(self) -> None:
        """The README leads to it."""
        self.assertIn("](docs/howto/adopt.md)", Prose.read("README.md").text)
