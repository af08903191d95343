"""Logins that boxes offer."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.adopt.known import known_box
from corsgate.adopt.login import Account, Login, credentials, login_form, login_of
from corsgate.adopt.probes import Look, Reply
from corsgate.explain.url import Url
from tests.adopt.play import reply


def login(page: Reply, **others: Reply) -> Login:
    """Return the login of a box."""
    look = Look(url=Url.parse("http://box/"), replies={"page": page, **others})
    return login_of(look, known_box(list(look.all_replies)))


class LoginTests(SynchronousTestCase):
    """What is offered."""

    def test_challenges(self) -> None:
        """The strongest scheme comes first, whatever the order; unknown ones don't count."""
        asked = 'Basic realm="a", Digest realm="a", nonce="n", Hoba x="y"'
        found = login(reply(401, WWW_Authenticate=asked))
        self.assertEqual((found.kinds, found.wanted), (("digest", "basic"), True))
        self.assertIn('realm "a"', found.words)
        self.assertEqual(login(reply(401, WWW_Authenticate="Negotiate, NTLM")).kinds, ("ntlm",))
        self.assertEqual(login(reply(401, WWW_Authenticate="Bearer")).kinds, ("bearer",))
        self.assertEqual(login(reply(401, WWW_Authenticate="Hoba x=y")).kinds, ())

    def test_none(self) -> None:
        """A refusal of the page's Origin is no login."""
        variants = {"app-origin": reply(403)}
        self.assertFalse(login(reply(200), **variants).wanted)
        self.assertTrue(login(reply(403)).wanted)
        self.assertEqual(login(reply(403)).kinds, ())

    def test_transmission(self) -> None:
        """The 409 with the token is its sign, with and without a password."""
        self.assertEqual(
            login(reply(409, X_Transmission_Session_Id="x")).kinds, ("transmission-open",)
        )
        asked = reply(401, WWW_Authenticate='Basic realm="Transmission"')
        self.assertEqual(login(asked).kinds, ("transmission",))

    def test_syncthing(self) -> None:
        """The names of its cookies come from the box, and nothing else does."""
        cookie = reply(200, Set_Cookie="CSRF-Token-ABCDE=secret; Path=/")
        found = login(reply(403), root=cookie)
        self.assertEqual((found.kinds, found.token), (("syncthing-open",), "ABCDE"))
        table = credentials(found, Account(kind="syncthing-open"))
        self.assertIn("CSRF-Token-ABCDE", str(table))
        self.assertNotIn("secret", str(table))
        odd = reply(401, X_Syncthing_Id="ab\x1bcd", WWW_Authenticate='Basic realm="x"')
        self.assertEqual(login(odd).kinds, ("basic",))

    def test_form(self) -> None:
        """A form with a password; its action stays in the box."""
        page = b"""<form action="/search"><input name=q></form>
            <form method=POST action="in?next=/">
            <input type=hidden name=csrfmiddlewaretoken value=t>
            <input name=user><input type=password name=pw></form>"""
        form = login_form(page, "/accounts/login/")
        assert form is not None
        self.assertEqual(
            (form.action, form.user_field, form.password_field),
            ("/accounts/login/in", "user", "pw"),
        )
        table = credentials(
            Login(kinds=("form",), form=form), Account(kind="form", user="me", variable="PW")
        )
        self.assertEqual(table["form"], {"user": "me", "pw": {"env": "PW"}})
        self.assertIn("csrftoken", str(table["csrf"]))
        for bad in (
            page.replace(b"POST", b"GET"),
            page.replace(b'"in?next=/"', b'"https://evil.example/"'),
            page.replace(b'"in?next=/"', b'"http://["'),
            page.replace(b'"in?next=/"', b'"/a b"'),
            page.replace(b"name=user", b'name="u&#10;x"'),
            b"<form method=post><input type=password>",
            b"password" + b"<form " * 10_000,
        ):
            self.assertIsNone(login_form(bad, "/"), bad[:60])
