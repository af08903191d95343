"""What a page in a real browser reads of what the gate refuses, and which methods it may use."""

from __future__ import annotations

from twisted.internet.threads import deferToThread

from tests.gate.test_policy_browser import ChromiumTestCase

LONG = "x" * 200


class RefusedTests(ChromiumTestCase):
    """A page on another port than the gate's."""

    async def test_statuses(self) -> None:
        """It reads the status of what is refused, behind a preflight too; no other page does."""
        browser, page, other = await self.browser(), self.page(), self.page()
        upstream = await self.upstream()
        gate = self.serve(
            f'[upstreams.a]\nservers = ["{upstream.url}"]\n[routes."/v1"]\nupstream = "a"\n'
            f'cors = {{ allow_origins = ["{page}"], allow_methods = ["*"] }}\n'
            "[limits]\nmax_target_bytes = 100\nmax_body_bytes = 10\n"
        )
        url = f"http://localhost:{gate.port}/v1/"
        calls: tuple[tuple[str, str, str | None, int], ...] = (
            ("GET", "%zz", None, 400),
            ("PUT", "%zz", None, 400),
            ("DELETE", "x/%2e%2e%2fy", None, 400),
            ("GET", LONG, None, 414),
            ("PUT", LONG, None, 414),
            ("POST", "x", "x" * 11, 413),
            ("M" * 65, "x", None, 501),
        )

        def visit(origin: str) -> list[object]:
            browser.open(origin)
            told = []
            for method, path, body, _ in calls:
                more = {} if body is None else {"body": body}
                told.append(browser.fetch(url + path, method=method, **more).get("status"))
            return told

        self.assertEqual(await deferToThread(visit, page), [call[-1] for call in calls])
        self.assertEqual(await deferToThread(visit, other), [None] * len(calls))
        self.assertEqual(upstream.requests, [])

    async def test_methods(self) -> None:
        """A method that few servers know passes where the policy lists it, as it is spelled."""
        browser, page = await self.browser(), self.page()
        upstream = await self.upstream()
        gate = self.serve(
            f'[upstreams.a]\nservers = ["{upstream.url}"]\n[routes."/v1"]\nupstream = "a"\n'
            f'cors = {{ allow_origins = ["{page}"], allow_methods = ["LIST", "patch"] }}\n'
        )

        def visit() -> list[object]:
            browser.open(page)
            url = f"http://localhost:{gate.port}/v1/x"
            methods = ("LIST", "patch", "PATCH", "list")
            return [browser.fetch(url, method=method).get("status") for method in methods]

        self.assertEqual(await deferToThread(visit), [200, 200, None, None])
        self.assertEqual([got.method for got in upstream.requests], [b"LIST", b"patch"])
