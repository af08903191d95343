"""What a page in a real browser may do through a gate without a file."""

from __future__ import annotations

from typing import Any

from twisted.internet.threads import deferToThread

from corsgate.config.quick import quick_config
from corsgate.cors.check import CORS_RULES
from tests.gate.test_policy_browser import ChromiumTestCase
from tests.peers import response

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "PROPFIND", "REPORT")

CALL = """
    const [url, method, credentials, headers, done] = arguments;
    fetch(url, {method, credentials, headers}).then(
      (response) => done([response.status, response.headers.get("X-Total")]),
    ).catch((error) => done(String(error)));
"""


class QuickInChromium(ChromiumTestCase):
    """Any method and any header, with and without credentials."""

    async def calls(
        self, *, allow_credentials: bool, credentials: str, headers: dict[str, str]
    ) -> tuple[list[Any], list[bytes]]:
        """Return what a page gets for each method, and which methods reached the server."""
        browser, page = await self.browser(), self.page()
        upstream = await self.upstream(
            response(200, [(b"X-Total", b"7"), (b"Set-Cookie", b"who=me; Path=/")])
        )
        gate = self.serve_config(
            quick_config(
                upstream=upstream.url,
                allow_origins=[page],
                listen="tcp:0:interface=127.0.0.1",
                allow_credentials=allow_credentials,
                cors_rules=CORS_RULES,
            )
        )

        def visit() -> list[Any]:
            browser.open(page)
            url = f"http://localhost:{gate.port}/any/path"
            return [
                browser.driver.execute_async_script(CALL, url, method, credentials, headers)
                for method in METHODS
            ]

        found = await deferToThread(visit)
        cookies = [each.fields.get(b"cookie", [b""])[0] for each in upstream.requests]
        self.sent_cookies = [cookie for cookie in cookies if cookie]
        return found, [each.method for each in upstream.requests]

    async def test_without_credentials(self) -> None:
        """Each method works, with any header, and the page may read the response's."""
        headers = {"X-Anything": "1", "Authorization": "Bearer t"}
        found, reached = await self.calls(
            allow_credentials=False, credentials="same-origin", headers=headers
        )
        self.assertEqual(found, [[200, "7"]] * len(METHODS))
        self.assertEqual(reached, [method.encode() for method in METHODS])
        self.assertEqual(self.sent_cookies, [])

    async def test_with_credentials(self) -> None:
        """With ``--allow-credentials`` the same works for a page that sends its cookies."""
        headers = {"X-Anything": "1", "Authorization": "Bearer t"}
        found, reached = await self.calls(
            allow_credentials=True, credentials="include", headers=headers
        )
        self.assertEqual(found, [[200, "7"]] * len(METHODS))
        self.assertEqual(reached, [method.encode() for method in METHODS])
        self.assertEqual(len(self.sent_cookies), len(METHODS) - 1)

    async def test_credentials_not_allowed(self) -> None:
        """Without it, a page that sends its cookies can't read the responses."""
        found, _ = await self.calls(allow_credentials=False, credentials="include", headers={})
        self.assertEqual(found, ["TypeError: Failed to fetch"] * len(METHODS))
