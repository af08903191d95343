"""Django, which refuses changes whose Origin is not its own, by Host or by X-Forwarded-Host."""

from __future__ import annotations

from collections.abc import Sequence

from tests.boxes.box import Box
from tests.boxes.case import BoxTestCase, direct
from tests.boxes.installed import SERVERS, python
from tests.boxes.recipes import blocks

CHANGE = """
const get = await fetch(`${args[0]}/token`, {credentials: "include"});
const headers = {"X-CSRFToken": (await get.json()).token, "Content-Type": "text/plain"};
const options = {method: "PUT", body: "é", credentials: "include", headers};
const put = await fetch(`${args[0]}/change`, options);
return [put.status, (await put.json()).changed];
"""


class Django(Box):
    """A Django site that compares with Host."""

    forwarded = "no"
    ready = "/token"

    def command(self, port: int) -> Sequence[str]:
        """Return what starts it."""
        return [python(), str(SERVERS / "django_app.py"), str(port), self.forwarded]


class ForwardedDjango(Django):
    """A Django site that compares with X-Forwarded-Host."""

    forwarded = "yes"


class DjangoTests(BoxTestCase):
    """Django."""

    def check_page(self, box: Django) -> None:
        """A page gets a token and changes something; without the token it reads the refusal."""
        refused = direct(box.port, "PUT", "/change", {"Origin": self.app.origin})
        self.assertIn(b"Forbidden", refused.body)
        self.assertEqual(self.run_script(self.browser(), CHANGE, self.url), [200, "é"])
        self.check(self.send("PUT", "/change", {}, b"no token"), 403)
        self.check_stranger("PUT", "/change", b"no")

    def test_forwarded_host(self) -> None:
        """The recipe serves one that compares with X-Forwarded-Host."""
        box = self.start(ForwardedDjango)
        self.open("rails-django", {8000: box.port})
        self.check_page(box)

    def test_host(self) -> None:
        """Without its line on the origin, it serves one that compares with Host."""
        box = self.start(Django)
        (text,) = blocks("rails-django")
        self.open_text(text.replace('origin = "gate"\n', ""), {8000: box.port})
        self.check_page(box)
