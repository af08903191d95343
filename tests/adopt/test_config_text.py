"""The written configuration."""

from __future__ import annotations

import tomllib

from twisted.trial.unittest import SynchronousTestCase

from corsgate.adopt.config_text import Plan, config_text, prefix_of
from corsgate.adopt.findings import CORS, Finding
from corsgate.adopt.login import Account, Login
from corsgate.explain.url import Url

ENDS = ("\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\x00", "\x7f", "\ud800", '"', "\\")


def text(*found: Finding, url: str = "http://box:80/v1/", words: str = "") -> str:
    """Return a configuration."""
    plan = Plan(
        url=Url.parse(url),
        origins=("http://localhost:4200",),
        port=5555,
        found=found,
        login=Login(kinds=("basic",), words=words, wanted=True),
        account=Account(kind="basic", user="a", variable="PW"),
        today="2026-01-01",
    )
    return config_text(plan)


class ConfigTextTests(SynchronousTestCase):
    """TOML with comments."""

    def test_comments(self) -> None:
        """Each key stands below what was seen; only the variable of the secret is there."""
        found = Finding(topic="form", words="closes connections", keys={"keep_alive": False})
        written = text(found, words="401 offers Basic")
        self.assertIn("# form: closes connections\nkeep_alive = false\n", written)
        self.assertIn('# login: 401 offers Basic\ntype = "basic"', written)
        self.assertEqual(tomllib.loads(written)["credentials"]["box"]["password"], {"env": "PW"})

    def test_injection(self) -> None:
        """Nothing in words or values ends its line."""
        plain = tomllib.loads(text(Finding(topic="a", words="b"), words="c"))
        for end in ENDS:
            evil = f'x"{end}debug = false # {end}[limits]'
            found = Finding(topic="a", words=evil)
            self.assertEqual(tomllib.loads(text(found, words=evil)), plain, repr(end))
            if end not in ("\ud800",):
                kept = Finding(topic="a", words="b", keys={"aliases": [evil]})
                aliases = tomllib.loads(text(kept))["upstreams"]["box"]["aliases"]
                self.assertEqual(aliases, [evil])

    def test_first_key_counts(self) -> None:
        """Two findings with one key do not repeat it."""
        one = Finding(topic="a", words="b", keys={"via": False})
        two = Finding(topic="c", words="d", keys={"via": True})
        self.assertFalse(tomllib.loads(text(one, two))["upstreams"]["box"]["via"])

    def test_off(self) -> None:
        """What the reader must decide is a comment."""
        off = Finding(topic="a", words="b", table=CORS, off={"allow_credentials": True})
        self.assertIn("# allow_credentials = true\n", text(off))
        self.assertNotIn("allow_credentials", tomllib.loads(text(off))["routes"]["/v1"]["cors"])

    def test_prefix(self) -> None:
        """The URL's path is the route's prefix."""
        prefixes = {"http://b/": "/", "http://b/v1/": "/v1", "http://b/a/b?c=d": "/a/b"}
        for url, prefix in prefixes.items():
            self.assertEqual(prefix_of(Url.parse(url)), prefix)
