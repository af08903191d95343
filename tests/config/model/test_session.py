"""Tests of `corsgate.config.model.session`."""

from __future__ import annotations

import attrs

from corsgate.config.model.secret import Secret
from corsgate.config.model.session import (
    Csrf,
    Expired,
    SessionCredentials,
    check_call,
    check_query_name,
    check_token_header,
    check_token_path,
    parse_call,
)
from corsgate.errors import BadValue
from tests.config.support import TableTestCase

P = Secret("p")


class CallTests(TableTestCase):
    """`parse_call` and the other checks."""

    def test_parsed(self) -> None:
        """A URL has a path, perhaps a server, and perhaps a method before it."""
        found = {
            "/login?a=b": ("", "", "/login?a=b"),
            "HEAD /": ("HEAD", "", "/"),
            "http://Box.example:80/x": ("", "http://box.example", "/x"),
            "PUT https://10.0.0.1:8443/x": ("PUT", "https://10.0.0.1:8443", "/x"),
            "https://box:443/": ("", "https://box", "/"),
        }
        for text, parts in found.items():
            self.assertEqual(attrs.astuple(parse_call(text)), parts, text)
        self.assertEqual(parse_call("/login?token=s3cret").path, "/login")

    def test_rejected(self) -> None:
        """Anything else is rejected, and what may be a secret is not shown."""
        for text in ("login", "head /", "ftp://a/", "http://a", "/ä", "/a b", "//", "GET", "/x\n"):
            if text != "//":
                self.assertRaises(BadValue, check_call, text)
        for text in ("login?k=s3cret", "http://u:s3cret@box/login"):
            with self.assertRaises(BadValue) as caught:
                check_call(text)
            self.assertNotIn("s3cret", str(caught.exception))
        check_call("")

    def test_reprs(self) -> None:
        """The query of a URL may contain a key, which no repr shows."""
        url = "/login?key=s3cret"
        session = SessionCredentials(
            login_url=url,
            logout_url=url,
            json=(("p", P),),
            csrf=Csrf(header="X", fetch=url),
            expired=Expired(location=url),
        )
        self.assertEqual(repr(session).count("'/login'"), 4)
        self.assertNotIn("s3cret", f"{session!r} {parse_call(url)!r}")

    def test_places_of_tokens(self) -> None:
        """A header says where its token goes; paths and names are plain."""
        for text in ("Authorization: Bearer {token}", "X-T:{token}", "X-T: a {token} b", ""):
            check_token_header(text)
        for text in (
            "X-T",
            "X-T: t",
            "{token}",
            "a b: {token}",
            "Host: {token}",
            "X: {token}{token}",
        ):
            self.assertRaises(BadValue, check_token_header, text)
        for text in ("t", "data.token", "a.0.b-c", ""):
            check_token_path(text)
        for text in (".", "a.", ".a", "a..b", "a b"):
            self.assertRaises(BadValue, check_token_path, text)
        check_query_name("api_key")
        self.assertRaises(BadValue, check_query_name, "a&b")


class CredentialsTests(TableTestCase):
    """`SessionCredentials`."""

    def test_secrets_are_hidden(self) -> None:
        """The repr has no field of the login."""
        login = SessionCredentials(
            login_url="/login", json=(("user", Secret("s3cret-u")), ("pin", 1234))
        )
        self.assertNotIn("s3cret", repr(login))
        self.assertNotIn("1234", repr(login))

    def test_valid_or_not_made(self) -> None:
        """What doesn't fit together can't be made."""
        csrf = Csrf(header="X-T", status=409)
        form = (("a", P),)
        SessionCredentials(csrf=csrf)
        SessionCredentials(login_url="/", basic=True, password=P)
        for values in (
            {},
            {"login_url": "/"},
            {"form": form},
            {"login_url": "/", "form": form, "json": form},
            {"login_url": "/", "basic": True},
            {"login_url": "/", "form": form, "password": P},
            {"login_url": "/", "form": form, "token_path": "t"},
            {
                "login_url": "/",
                "form": form,
                "token_path": "t",
                "query": "t",
                "header": "X: {token}",
            },
            {"login_url": "/", "form": form, "query": "t"},
            {"login_url": "/", "form": form, "lifetime_s": 0.1},
            {"csrf": csrf, "token_path": "t", "query": "t"},
        ):
            with self.assertRaises(BadValue, msg=str(values)):
                SessionCredentials(**values)

    def test_field_names(self) -> None:
        """The fields that belong to the gate."""
        login = SessionCredentials(
            login_url="/",
            form=(("a", P),),
            token_path="t",
            header="X-Auth: T {token}",
            csrf=Csrf(header="X-T"),
        )
        self.assertEqual(login.field_names, ("X-Auth", "X-T"))
        self.assertEqual(login.token_header, ("X-Auth", "T {token}"))
