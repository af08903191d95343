"""Tests of `corsgate.credentials.oauth2.response`: what token servers respond with."""

from __future__ import annotations

import html
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.credentials.oauth2.response import MAX_SHOWN, MAX_TOKEN_CHARS, Grant, read_grant
from corsgate.errors import LoginFailed, NoToken, TokenRefused
from tests.credentials.oauth2.helpers import granted, head


def read(body: bytes, status: int = 200, *headers: tuple[bytes, bytes]) -> Grant:
    """Return the grant of a response."""
    return read_grant(head(status, *headers), body)


class Grants(SynchronousTestCase):
    def test_usual(self) -> None:
        """Token, lifetime and refresh token are read."""
        found = read(granted("t1", expires_in=3599, refresh_token="r2"))
        self.assertEqual(found, Grant(access_token="t1", lifetime_s=3599, refresh_token="r2"))

    def test_variants(self) -> None:
        """What servers do in spite of RFC 6749 5.1 is read."""
        for body in (
            granted("t1", token_type="bearer"),
            granted("t1", token_type="BEARER"),
            granted("t1", token_type=None),
            granted("t1", token_type=""),
            granted("t1", token_type="BearerToken"),
            b'{"access_token": "t1", "token_type": null}',
            b"\xef\xbb\xbf" + granted("t1"),
            b"\r\n " + granted("t1") + b"\n",
            granted("t1", scope=None, id_token="x", more={"a": [1]}),
        ):
            self.assertEqual(read(body).access_token, "t1", body)
        self.assertEqual(read(granted("t1"), 201).access_token, "t1")

    def test_useless_refresh_token(self) -> None:
        """A refresh token that can't be one doesn't replace the one that was used."""
        for value in (None, "", 7, ["r"], "a\n", "\ud800", "\xe9"):
            self.assertIsNone(read(granted("t1", refresh_token=value)).refresh_token, value)

    def test_refresh_token_with_a_space(self) -> None:
        """A refresh token may contain all that RFC 6749 A.17 permits."""
        token = "".join(map(chr, range(0x20, 0x7F)))
        self.assertEqual(read(granted("t1", refresh_token=token)).refresh_token, token)

    def test_hidden(self) -> None:
        """The repr shows neither token."""
        shown = repr(read(granted("acc3ss", refresh_token="r3fresh")))
        self.assertNotIn("acc3ss", shown)
        self.assertNotIn("r3fresh", shown)


class Rubbish(SynchronousTestCase):
    def test_unusable(self) -> None:
        """What has no token that can be sent is an error with a reason."""
        cases: tuple[tuple[bytes, str], ...] = (
            (b"", "without a JSON object"),
            (b"<!doctype html>", "without a JSON object"),
            (b"[1]", "without a JSON object"),
            (b"null", "without a JSON object"),
            (b"\xff\xfe{}", "without a JSON object"),
            (b"[" * 200_000, "without a JSON object"),
            (b'{"expires_in": ' + b"9" * 10_000 + b"}", "without a JSON object"),
            (b"access_token=t1&token_type=bearer", "without a JSON object"),
            (b"{}", "no usable access_token"),
            (granted(""), "no usable access_token"),
            (granted("a b"), "no usable access_token"),
            (granted("a\r\nX: y"), "no usable access_token"),
            (granted("é"), "no usable access_token"),
            (granted("t1", access_token=7), "no usable access_token"),
            (granted("x" * (MAX_TOKEN_CHARS + 1)), "more than 16,384 characters"),
            (granted("t1", token_type="DPoP"), "another type 'DPoP'"),
            (granted("t1", token_type=7), "another type,"),
        )
        for body, reason in cases:
            error = self.assertRaises(NoToken, read, body)
            self.assertIn(reason, str(error), body[:40])

    def test_statuses(self) -> None:
        """Each status that is no grant has words of its own."""
        for status, reason in (
            (301, "a redirect, which is not followed: correct token_url"),
            (302, "a redirect"),
            (404, "token_url is probably wrong"),
            (405, "token_url is probably wrong"),
            (429, "it responds 429"),
            (500, "it responds 500"),
            (503, "it responds 503"),
        ):
            error = self.assertRaises(NoToken, read, granted("t1"), status)
            self.assertIn(reason, str(error))

    def test_retry_after(self) -> None:
        """Seconds are read; a date and rubbish aren't."""
        for value, seconds in ((b"30", 30.0), (b"Wed, 21 Oct 2015 07:28:00 GMT", 0.0), (b"-1", 0)):
            error = self.assertRaises(NoToken, read, b"", 503, (b"retry-after", value))
            self.assertEqual(error.retry_after_s, seconds)

    @given(st.binary(max_size=200), st.sampled_from((200, 400, 401)))
    def test_any_bytes(self, body: bytes, status: int) -> None:
        """No body causes another exception."""
        self.assertRaises(LoginFailed, read, body, status)

    @given(
        st.fixed_dictionaries(
            {},
            optional=dict.fromkeys(
                ("access_token", "token_type", "expires_in", "refresh_token", "error"),
                st.none() | st.text() | st.integers() | st.floats() | st.lists(st.none()),
            ),
        )
    )
    def test_any_members(self, fields: dict[str, Any]) -> None:
        """Whatever the members are, there is a usable grant or an error."""
        try:
            found = read(json.dumps(fields).encode())
        except LoginFailed as error:
            self.assertTrue(str(error).isprintable())
        else:
            self.assertRegex(found.access_token, r"\A[\x21-\x7e]+\Z")
            self.assertTrue(found.lifetime_s is None or found.lifetime_s > 0)


class Refusals(SynchronousTestCase):
    def refused(self, status: int = 400, *secrets: str, **fields: Any) -> str:
        """Return the words of a refusal."""
        body = json.dumps(fields).encode()
        return str(self.assertRaises(TokenRefused, read_grant, head(status), body, secrets))

    def test_codes(self) -> None:
        """Each code of RFC 6749 5.2 says what to look at."""
        for code, reason in (
            ("invalid_client", "client_id or the secret is wrong"),
            ("invalid_grant", "the refresh token has expired"),
            ("invalid_scope", "may not have the scope"),
            ("invalid_target", "resource or audience"),
            ("unauthorized_client", "may not use the grant"),
        ):
            self.assertIn(f"({code}): ", self.refused(error=code))
            self.assertIn(reason, self.refused(error=code))

    def test_unknown_client(self) -> None:
        """What to look at depends on how the gate identified itself."""
        for method, reason in (
            ("basic", "client_id or the secret is wrong"),
            ("private_key_jwt", "the key or key_id, or it wants another assertion_audience"),
            ("tls", "client_id or the certificate"),
            ("none", "or it wants a secret"),
        ):
            body = b'{"error": "invalid_client"}'
            error = self.assertRaises(TokenRefused, read_grant, head(401), body, (), method)
            self.assertIn(reason, str(error))

    def test_secret_as_a_code_or_type(self) -> None:
        """A secret in the place of a code or of a type is not shown either."""
        self.assertEqual(self.refused(400, "hunterhunter", error="hunterhunter"), "it responds 400")
        for kind in ("acc3ss-token", "hunterhunter"):
            body = granted("acc3ss-token", token_type=kind)
            error = self.assertRaises(NoToken, read_grant, head(200), body, ("hunterhunter",))
            self.assertEqual(str(error), "it gives a token of another type, not Bearer")

    def test_success_status(self) -> None:
        """Some servers send errors with 200."""
        self.assertIn("it responds 200 (invalid_client)", self.refused(200, error="invalid_client"))

    def test_without_code(self) -> None:
        """A bare 401 rejects the client too."""
        error = self.assertRaises(TokenRefused, read, b"go away", 401)
        self.assertEqual(str(error), "it responds 401")

    def test_passing(self) -> None:
        """A failure that may pass is no rejection of the client."""
        body = b'{"error": "temporarily_unavailable"}'
        self.assertRaises(NoToken, read, body, 400)

    def test_description(self) -> None:
        """The server's words are shown, shortened and printable."""
        said = self.refused(error="invalid_client", error_description='AADSTS7000215:\n"bad"')
        self.assertTrue(said.endswith('; it says "AADSTS7000215:??bad?"'), said)
        long = self.refused(error="invalid_client", error_description="x" * 5000)
        self.assertLess(len(long), 400)

    def test_description_with_a_secret(self) -> None:
        """They are not shown if they contain a secret in any usual form."""
        secret = "pa ss/w:rd"
        for said in (secret, "pa%20ss%2Fw%3Ard", "pa+ss%2Fw%3Ard", "cGEgc3MvdzpyZA"):
            words = self.refused(400, secret, error="invalid_client", error_description=f"<{said}>")
            self.assertNotIn("it says", words)

    def test_other_texts_with_a_secret(self) -> None:
        """An unknown error code, and the type of a token, are not shown if they repeat one."""
        self.assertEqual(
            self.refused(400, "hunter_of_letters", error="hunter_of_letters"), "it responds 400"
        )
        self.assertIn("(own_code)", self.refused(400, "hunter_of_letters", error="own_code"))
        self.assertIn(
            "(invalid_client)", self.refused(400, "invalid_client", error="invalid_client")
        )
        for kind in ("hunter2-of-the-box", "a-token-of-the-box"):
            body = granted("a-token-of-the-box", token_type=kind)
            error = self.assertRaises(
                NoToken, read_grant, head(200), body, ["my-hunter2-of-the-box"]
            )
            self.assertEqual(str(error), "it gives a token of another type, not Bearer")

    def test_description_with_a_part_of_a_secret(self) -> None:
        """They are not shown if they contain a secret that is shortened or escaped."""
        secret = 'hunter2-of "the" <box> & more'
        shortened = "hunter2-o..."
        for said in (shortened, html.escape(secret), json.dumps(secret), secret.upper()):
            words = self.refused(400, secret, error="invalid_client", error_description=said)
            self.assertNotIn("it says", words, said)
        words = self.refused(400, secret, error="invalid_client", error_description="hunter ends")
        self.assertIn("it says", words)
        # Where it is cut, so is the check.
        said = "x" * MAX_SHOWN + secret
        words = self.refused(400, secret, error="invalid_client", error_description=said)
        self.assertNotIn("hunter", words)

    def test_odd_codes(self) -> None:
        """A code that is not a word is not shown."""
        codes: tuple[Any, ...] = ("a b", "x" * 50, 7, {}, [], "<script>")
        for code in codes:
            self.assertEqual(self.refused(error=code), "it responds 400")
