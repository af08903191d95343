"""Django: its check of Origin, by Host or by X-Forwarded-Host, and its login form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode

from tests.boxes.box import Box
from tests.boxes.case import BoxTestCase, direct
from tests.boxes.installed import SERVERS, python
from tests.boxes.recipes import blocks

PASSWORD: Final = "password-of-django"
FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
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
        text = blocks("rails-django")[0]
        self.open_text(text.replace('origin = "gate"\n', ""), {8000: box.port})
        self.check_page(box)


class DjangoAdmin(Box):
    """Django's administration site."""

    ready = "/admin/login/"

    def command(self, port: int) -> Sequence[str]:
        """Return what starts it."""
        return [python(), str(SERVERS / "django_admin.py"), str(port), PASSWORD]


class LoginTests(BoxTestCase):
    """The administration site, where the gate logs in."""

    def test_login(self) -> None:
        """A page reads and changes what its session lets it, and reads why it may not."""
        box = self.start(DjangoAdmin)
        self.open("rails-django", {8000: box.port}, {"APP_PASSWORD": PASSWORD}, number=1)
        self.assertIn(b"Site administration", self.read("/admin/").body)
        forms = {"old_password": "wrong", "new_password1": "new", "new_password2": "new"}
        for _ in range(2):
            # With a token that is missing it would be 403, and without a session a redirect.
            sent = self.send("POST", "/admin/password_change/", FORM, urlencode(forms).encode())
            self.assertIn(b"old password was entered incorrectly", self.check(sent).body)
            self.assertIsNone(sent.headers["Set-Cookie"])
            self.assertEqual(direct(box.port, "GET", "/expire", {}).body, b"1")
        refused = self.read("/forbidden", 502)
        self.assertIn(b"redirects to its login page", refused.body)
        self.assertIn(b"Site administration", self.read("/admin/").body)
        # A page's own logout and login don't touch the session.
        self.send("POST", "/admin/logout/", FORM, b"")
        self.send("POST", "/admin/login/", FORM, b"username=other&password=wrong")
        self.assertIn(b"Site administration", self.read("/admin/").body)
        self.assertEqual(direct(box.port, "GET", "/expire", {}).body, b"1")
        logged = self.close_gate()
        self.assertIn("may lack the right to that resource", logged)
        self.assertNotIn(PASSWORD, logged)
        self.check_wrong_password(box)

    def check_wrong_password(self, box: DjangoAdmin) -> None:
        """Django responds to it with its form again: two logins, then none."""
        self.open("rails-django", {8000: box.port}, {"APP_PASSWORD": "wrong"}, number=1)
        line = '"POST /admin/login/'
        before = box.count(line, 0)
        for _ in range(4):
            self.read("/admin/", 502)
        self.assertEqual(box.count(line, before + 2), before + 2)
