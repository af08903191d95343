"""Firefox's console messages."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from corsgate.explain.console import read_message
from tests.explain.console_messages import console_messages
from tests.programs import require

URL = "http://localhost:5555/v1?a=b"


class FirefoxTests(SynchronousTestCase):
    """What Firefox prints."""

    def test_strings_of_the_installed(self) -> None:
        """Every string that the installed Firefox has for CORS and its kind is known."""
        firefox_esr = Path(require("firefox-esr", "firefox-esr")).resolve()
        text = ""
        for file in ("omni.ja", "browser/omni.ja"):
            with zipfile.ZipFile(firefox_esr.parent / file) as archive:
                for name in archive.namelist():
                    if name.endswith((".properties",)):
                        text += archive.read(name).decode("utf-8") + "\n"
        wanted = r"CORS(?!P)\w+|BlockMixedActiveContent|CORPBlocked|ResourceBlockedORB"
        found = re.findall(rf"(?m)^({wanted}) ?= ?(.*)$", text)
        self.assertGreater(len(found), 15)
        for key, said in found:
            message = read_message(said.replace("%1$S", URL).replace("%2$S", "x-app"))
            self.assertIsNotNone(message.cause, key)
            self.assertEqual(str(message.url), URL, key)

    def test_seen(self) -> None:
        """The messages that a real Firefox printed are Firefox's."""
        seen = [said for said in console_messages() if said.seen and "Firefox" in said.place]
        self.assertGreater(len(seen), 30)
        for said in seen:
            self.assertEqual(read_message(said.text).browser, "firefox", said.text)
