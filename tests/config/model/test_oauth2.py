"""Tests of `corsgate.config.model.oauth2`."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.oauth2 import OAuth2Credentials, TokenParam, TokenUrl, parse_token_url
from corsgate.config.model.secret import Secret
from corsgate.errors import BadValue
from tests.certificates import Authority
from tests.config.support import fault_of

SECRET = Secret("hunter2")
ISSUED = Authority.make().issue("gate")


def make(**changes: Any) -> OAuth2Credentials:
    """Return credentials with some fields changed."""
    fields: dict[str, Any] = {
        "grant": "client_credentials",
        "token_url": "https://login.example/token",
        "client_id": "gate",
        "auth_method": "basic",
        "client_secret": SECRET,
    }
    return OAuth2Credentials(**{**fields, **changes})


class UrlTests(SynchronousTestCase):
    def test_parts(self) -> None:
        """Path and query stay as they are, and ports have defaults."""
        for text, parts in (
            ("https://login.example/a/b", ("https", "login.example", 443, "/a/b")),
            ("HTTPS://Login.Example:8443", ("https", "login.example", 8443, "/")),
            ("https://l.example/t/?p=a%20b", ("https", "l.example", 443, "/t/?p=a%20b")),
            ("https://l.example?p=1", ("https", "l.example", 443, "/?p=1")),
            ("http://[::1]:80/t", ("http", "::1", 80, "/t")),
        ):
            scheme, host, port, target = parts
            self.assertEqual(
                parse_token_url(text), TokenUrl(scheme=scheme, host=host, port=port, target=target)
            )

    def test_faults(self) -> None:
        """Each fault has words, and none shows a password or a query."""
        for text, words in (
            ("", '"" is not an http or https URL'),
            ("login.example/token", "is not an http or https URL"),
            ("ftp://login.example/", "is not an http or https URL"),
            ("https:///token", "has no host"),
            ("https://u:hunter2@login.example/token", "contains a user name or password"),
            ("https://login.example/token#f", "has a fragment"),
            ("https://login.example:0/token", "bad port"),
            ("https://login_.example:x/token", "bad port"),
            ("https://lögin.example/token", "is not an ASCII host name"),
            ("https://login.example/to ken", "not allowed in a request target"),
            ("https://login.example/t\r\nX: y", "not allowed in a request target"),
        ):
            fault = fault_of(parse_token_url, text)
            self.assertIn(words, fault, text)
            self.assertNotIn("hunter2", fault)


class ValueTests(SynchronousTestCase):
    def test_valid(self) -> None:
        """Each way to identify the gate can be made, and hides its secrets."""
        key = Secret(ISSUED.key_pem.decode())
        values = (
            make(),
            make(auth_method="post", token_params=(TokenParam("x", SECRET),)),
            make(auth_method="private_key_jwt", client_secret=None, private_key=key),
            make(auth_method="tls", client_secret=None, client_certificate=ISSUED.certified),
            make(
                auth_method="none",
                client_secret=None,
                grant="refresh_token",
                refresh_token=SECRET,
                token_file="/a",
            ),
            make(token_url="http://localhost:8080/token"),
            make(token_url="http://login.internal/token", allow_http=True),
        )
        for each in values:
            self.assertNotIn("hunter2", repr(each))
            self.assertNotIn("PRIVATE", repr(each))
            self.assertEqual(len({each, each}), 1)

    def test_invalid(self) -> None:
        """What can't work is rejected, also when made by a program."""
        for changes in (
            {"grant": "password"},
            {"auth_method": "digest"},
            {"client_secret": None},
            {"auth_method": "tls"},
            {"auth_method": "none"},
            {"auth_method": "private_key_jwt"},
            {"key_id": "k"},
            {"grant": "refresh_token"},
            {"refresh_token": SECRET},
            {"token_file": "/a"},
            {"token_url": "http://login.example/token"},
            {"token_url": "http://localhost/token", "ca_pem": ISSUED.pem},
            {"scope": "a  b"},
            {"scope": 'a"b'},
            {"scope": ""},
            {"resource": ("api",)},
            {"resource": ("https://a.example/#f",)},
            {"client_id": ""},
        ):
            self.assertRaises(BadValue, make, **changes)
