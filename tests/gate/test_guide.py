"""What a developer gets in addition to a 404."""

from __future__ import annotations

from html.parser import HTMLParser

from twisted.trial.unittest import SynchronousTestCase

from corsgate.gate.guide import Guide

HOSTILE = "/v1/<script>\"'&"


class Links(HTMLParser):
    """Collects the elements and links of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep it."""
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name == "href"]


class GuideTests(SynchronousTestCase):
    """`Guide`."""

    def test_forms(self) -> None:
        """JSON, text and HTML name the same."""
        guide = Guide(
            routes=("/v1", "api.localhost/x"),
            more=1200,
            near=("/v1/x",),
            status_page="http://127.0.0.1:9901/",
        )
        self.assertEqual(
            guide.members,
            {
                "did_you_mean": ["/v1/x"],
                "routes": ["/v1", "api.localhost/x"],
                "more_routes": 1200,
                "status_page": "http://127.0.0.1:9901/",
            },
        )
        self.assertEqual(
            guide.text,
            "Did you mean /v1/x?\nRoutes: /v1, api.localhost/x and 1,200 more\n"
            "Status page: http://127.0.0.1:9901/\n",
        )
        page = guide.html(404, "Not Found", "Nothing is served at this path.", "id7")
        self.assertEqual(Links(page).links, ["/v1/x", "/v1", "http://127.0.0.1:9901/"])
        for words in ("404 Not Found", "api.localhost/x", "and 1,200 more", "Request id7"):
            self.assertIn(words, page)

    def test_without_status_page(self) -> None:
        """A gate without an admin listener names none; a Unix socket is no link."""
        guide = Guide(routes=("/v1",))
        self.assertEqual(guide.members, {"routes": ["/v1"]})
        self.assertNotIn("tatus page", guide.text + guide.html(404, "", "", ""))
        page = Guide(routes=("/v1",), status_page="unix:/run/x").html(404, "", "", "")
        self.assertIn("unix:/run/x", page)
        self.assertEqual(Links(page).links, ["/v1"])

    def test_root(self) -> None:
        """The page of "/" says what the gate is."""
        guide = Guide(routes=("/v1",), is_root=True)
        for shown in (guide.text, guide.html(404, "Not Found", "", "")):
            self.assertIn("pages of allowed origins call REST APIs", shown)
            self.assertIn("corsgate refusals", shown)

    def test_escaped(self) -> None:
        """A path that a client chose is text, also in a link; nothing leads to another host."""
        page = Guide(routes=("//evil.example/x",), near=(HOSTILE,)).html(404, "", "", HOSTILE)
        self.assertNotIn("<script", page)
        found = Links(page)
        self.assertEqual(found.links, [HOSTILE])
        self.assertNotIn("script", found.tags)
