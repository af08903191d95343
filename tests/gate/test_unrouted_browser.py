"""What a real browser makes of a path that no route serves."""

from __future__ import annotations

from twisted.internet.threads import deferToThread

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
