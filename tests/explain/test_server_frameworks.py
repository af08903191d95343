"""Tests of `corsgate.explain.server_frameworks`."""

from __future__ import annotations

import ast

import attrs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.explain.server_frameworks import aspnet, django, fastapi, spring, traefik
from corsgate.explain.wanted import Wanted

FULL = Wanted(
    origin="https://app.example",
    method="PUT",
    methods="PUT",
    headers="content-type, x-app",
    credentials=True,
    path="/v1/x",
)
SIMPLE = attrs.evolve(FULL, method="GET", methods="", headers="", credentials=False)
MAKERS = (traefik, spring, fastapi, django, aspnet)


class FrameworkTests(SynchronousTestCase):
    """Each maker, for a call that needs everything and for one that needs its origin only."""

    def test_all_parts(self) -> None:
        """Origin, method, headers and credentials are there only if they are needed."""
        for make in MAKERS:
            self.assertIn('"https://app.example"', make(FULL, True))
            self.assertIn('"x-app"', make(FULL, True))
            self.assertIn("credentials", make(FULL, True).lower())
            for part in ("x-app", "credentials"):
                self.assertNotIn(part, make(SIMPLE, False).lower())

    def test_python(self) -> None:
        """What is Python can be parsed, and has no import that it does not use."""
        for want in (FULL, SIMPLE, attrs.evolve(FULL, method="PROPFIND")):
            ast.parse(fastapi(want, True))
            ast.parse(django(want, True))
        self.assertNotIn("import", django(SIMPLE, False))
        self.assertIn(
            '(*default_methods, "PROPFIND")', django(attrs.evolve(FULL, method="PROPFIND"), True)
        )
        self.assertIn("import default_headers\n", django(FULL, True))

    def test_brackets(self) -> None:
        """What has brackets closes them."""
        for make in (spring, fastapi, aspnet):
            for want in (FULL, SIMPLE):
                text = make(want, True)
                for pair in ("()", "{}", "[]"):
                    self.assertEqual(text.count(pair[0]), text.count(pair[1]), text)

    def test_spring_lists_simple_methods(self) -> None:
        """Spring refuses methods that are not listed, also those of simple requests."""
        self.assertIn('.allowedMethods("GET", "HEAD", "POST", "PUT")', spring(FULL, True))
        self.assertIn('addMapping("/v1/**")', spring(FULL, True))
        self.assertIn('addMapping("/**")', spring(attrs.evolve(FULL, path="/"), True))
