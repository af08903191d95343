"""What a real browser makes of a path that no route serves."""

from __future__ import annotations

from typing import Any

from twisted.internet.threads import deferToThread

from tests.admin.pages import Chromium, accessibility_faults
from tests.gate.test_policy_browser import ChromiumTestCase


class UnroutedTests(ChromiumTestCase):
    """A page on another port than the gate's."""

    async def test_status(self) -> None:
        """With debug the page and the console see 404, also after a preflight; others do not."""
        browser, page, other = await self.browser(), self.page(), self.page()
        upstream = await self.upstream()
        toml = (
            f'[upstreams.a]\nservers = ["{upstream.url}"]\n[routes."/v1"]\nupstream = "a"\n'
            f'cors = {{ allow_origins = ["{page}"], debug = true }}\n'
        )
        gate = self.serve(toml)
        quiet = self.serve(toml.replace(", debug = true", ""))

        def visit(origin: str, port: int) -> tuple[list[object], str]:
            browser.open(origin)
            browser.console()
            url = f"http://localhost:{port}/v2/x"
            found: list[object] = [
                browser.fetch(url, **options).get("status")
                for options in (
                    {},
                    {"method": "DELETE"},
                    {"method": "PUT", "headers": {"X-App": "1", "Authorization": "x"}},
                )
            ]
            return found, "\n".join(browser.console())

        statuses, console = await deferToThread(visit, page, gate.port)
        self.assertEqual(statuses, [404] * 3)
        self.assertIn("404 (Not Found)", console)
        self.assertNotIn("CORS", console)
        for origin, port in ((other, gate.port), (page, quiet.port)):
            statuses, console = await deferToThread(visit, origin, port)
            self.assertEqual(statuses, [None] * 3)
            self.assertIn("CORS", console)
        self.assertEqual(upstream.requests, [])

    async def test_guide(self) -> None:
        """The pages of a developer's gate are readable in light, in dark, and on a phone."""
        gate = self.serve(
            '[upstreams.a]\nservers = ["http://127.0.0.1:9"]\n[routes."/v1"]\nupstream = "a"\n'
            'cors = { allow_origins = ["http://localhost:4200"], debug = true }\n'
        )
        gate.service.status_page = lambda: "http://127.0.0.1:9901/"

        def visit(**options: Any) -> tuple[list[str], list[str]]:
            page = Chromium(**options)
            try:
                texts, faults = [], []
                for path in ("/", "/v2/" + "x" * 70):
                    page.open(f"http://localhost:{gate.port}{path}")
                    texts.append(page.run("document.body.innerText"))
                    faults += page.run("violations") + accessibility_faults(page)
                    wide = page.run("document.documentElement.scrollWidth - innerWidth")
                    faults += [f"{path}: {wide} pixels too wide"] if wide > 0 else []
                return texts, faults
            finally:
                page.close()

        for options in ({}, {"dark": True}, {"width": 360, "height": 640}):
            (root, missing), faults = await deferToThread(visit, **options)
            self.assertEqual(faults, [], options)
            self.assertIn("pages of allowed origins call REST APIs", root)
            self.assertIn("Did you mean /v1/", missing)
            self.assertIn("http://127.0.0.1:9901/", missing)
