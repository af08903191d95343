"""Pages of several origins in one browser: each reads its own account's data, and no other's."""

from __future__ import annotations

from typing import Any

from twisted.internet.threads import deferToThread

from tests.gate.test_by_origin import account
from tests.gate.test_policy_browser import ChromiumTestCase
from tests.peers import Message, response

CALL = """
    const [url, init, done] = arguments;
    fetch(url, init).then(
        async (got) => done([got.status, await got.text(), got.url]),
        (error) => done([0, String(error), ""]),
    );
"""
KEY = "s3cret-of-three"


def box(message: Message) -> bytes:
    """Return whose account a request has, in a response that caches may keep.

    Its session, which is the user's from then on, counts more than the credentials. A path
    without a slash at its end is redirected to one with it, as most servers do.
    """
    path, mark, query = message.target.partition(b"?")
    if path == b"/v1/folder":
        return response(302, [(b"Location", b"/v1/folder/" + mark + query)])
    user = account(message).encode() or query
    user = message.fields.get(b"cookie", [user])[0]
    fields = [(b"Cache-Control", b"max-age=600"), (b"Set-Cookie", b"user=" + user + b"; Path=/")]
    return response(200, fields, user)


class InChromium(ChromiumTestCase):
    """What pages read."""

    async def test_accounts(self) -> None:
        """Neither the browser's cache nor its cookies lead a page to another one's account."""
        one, two, three, none = (self.page() for _ in range(4))
        upstream = await self.upstream()
        upstream.answer = box
        gate = self.serve(
            f'[upstreams.a]\nservers = ["{upstream.url}"]\n[upstreams.a.credentials_by_origin]\n'
            f'"{one}" = "one"\n"{two}" = "two"\n"{three}" = "three"\n'
            '[credentials.one]\ntype = "basic"\nusername = "one"\npassword = "p1"\n'
            '[credentials.two]\ntype = "header"\nname = "X-Key"\nvalue = "k2"\n'
            f'[credentials.three]\ntype = "query"\nname = "key"\nvalue = "{KEY}"\n'
            '[routes."/v1"]\nupstream = "a"\n[routes."/v1".cors]\nallow_credentials = true\n'
            f'allow_origins = ["{one}", "{two}", "{three}", "{none}"]\nallow_methods = ["PUT"]\n'
        )
        url = f"http://localhost:{gate.port}/v1/"
        browser = await self.browser()
        cases = (("GET", "x"), ("GET", "folder"), ("PUT", "x"))

        def visit(page: str) -> list[list[Any]]:
            browser.open(page)
            init = {"credentials": "include"}
            return [
                browser.driver.execute_async_script(CALL, url + to, {"method": how, **init})
                for how, to in cases
            ]

        for page, user in ((one, "one:p1"), (two, "k2"), (three, f"key={KEY}"), (one, "one:p1")):
            found = await deferToThread(visit, page)
            self.assertEqual([each[:2] for each in found], [[200, user]] * 3)
            # A page sees where a redirect has led it.
            self.assertEqual(
                [each[2] for each in found], [url + to for to in ("x", "folder/", "x")]
            )
        for status, text, _ in await deferToThread(visit, none):
            self.assertEqual(status, 403)
            self.assertIn("This route has no credentials for requests from this origin", text)
