"""Credentials on the command line, whole and in parts."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.quick_auth import KINDS, QuickAuth, credentials_of, parse_auth, with_variable
from corsgate.config.sections.credential_keys import KINDS as ALL_KINDS
from corsgate.errors import BadValue

MARK = "hunter2"


class ParsingTests(SynchronousTestCase):
    """`parse_auth`."""

    def test_parts(self) -> None:
        """The name and the secret may be missing; a token has no name."""
        for text, name, secret in (
            ("digest", None, None),
            ("digest:", None, None),
            ("digest:me", "me", None),
            ("digest:me:", "me", ""),
            ("digest:me:a:b", "me", "a:b"),
            ("basic::a", "", "a"),
            ("header:X-Key", "X-Key", None),
            ("header:X-Key:a:b", "X-Key", "a:b"),
        ):
            kind = text.partition(":")[0]
            self.assertEqual(parse_auth(text), QuickAuth(kind=kind, name=name, secret=secret))
        self.assertEqual(parse_auth("bearer"), QuickAuth(kind="bearer"))
        self.assertEqual(parse_auth("bearer:a:b"), QuickAuth(kind="bearer", secret="a:b"))
        self.assertFalse(parse_auth("bearer").lacks_name)
        self.assertTrue(parse_auth("header").lacks_name)

    def test_other_kinds(self) -> None:
        """Anything else is a fault that shows no part of it."""
        for text in ("", MARK, f"Digest:{MARK}", f"oauth2:{MARK}", f":{MARK}"):
            with self.assertRaises(BadValue) as caught:
                parse_auth(text)
            self.assertNotIn(MARK, f"{caught.exception!r} {caught.exception}")

    def test_needs_a_file(self) -> None:
        """A kind that only a file can have leads to the file."""
        for kind in set(ALL_KINDS) - set(KINDS):
            for text in (kind, f"{kind}:{MARK}"):
                with self.assertRaises(BadValue) as caught:
                    parse_auth(text)
                self.assertIn(f"type {kind} ", caught.exception.problem)
                self.assertIn("corsgate run FILE.toml", caught.exception.fix)
                self.assertNotIn(MARK, str(caught.exception))

    def test_did_you_mean(self) -> None:
        """A mistyped kind gets the likely one."""
        for text, kind in (("digset", "digest"), (f"Digest:{MARK}", "digest"), ("berer", "bearer")):
            with self.assertRaises(BadValue) as caught:
                parse_auth(text)
            self.assertIn(f"did you mean {kind}?", str(caught.exception))
            self.assertNotIn(MARK, str(caught.exception))


class VariableTests(SynchronousTestCase):
    """`with_variable`."""

    def test_completes(self) -> None:
        """The variable has what --auth lacks."""
        for auth, value, name, secret in (
            (None, "digest:me:a:b", "me", "a:b"),
            ("digest", "me:a:b", "me", "a:b"),
            ("digest:me", "a:b", "me", "a:b"),
            ("bearer", "a:b", None, "a:b"),
            ("header:X-Key", "a:b", "X-Key", "a:b"),
        ):
            found = with_variable(None if auth is None else parse_auth(auth), value)
            self.assertEqual((found.name, found.secret), (name, secret), auth)

    def test_wrong_forms(self) -> None:
        """A value without a colon, or a second secret, is a fault that does not show it."""
        for auth, part in (("digest", "no colon"), ("digest:me:x", "already has the secret")):
            with self.assertRaises(BadValue) as caught:
                with_variable(parse_auth(auth), MARK)
            self.assertIn(part, caught.exception.problem)
            self.assertNotIn(MARK, f"{caught.exception!r} {caught.exception.fix}")


class CredentialsTests(SynchronousTestCase):
    """`credentials_of`."""

    def test_each_kind(self) -> None:
        """Each kind makes credentials of that type."""
        for kind in KINDS:
            made = credentials_of(QuickAuth(kind=kind, name="X-Key", secret="a"))
            self.assertEqual(made.kind, kind)

    def test_missing(self) -> None:
        """What is missing is named, with what to write."""
        for auth, problem, fix in (
            ("digest", "it has no user name", "--auth digest:USER --auth-env VARIABLE"),
            ("digest:me", "it has no password", "--auth digest:USER --auth-env VARIABLE"),
            ("bearer", "it has no token", "--auth bearer --auth-env VARIABLE"),
            ("header", "it has no header name", "--auth header:NAME --auth-env VARIABLE"),
        ):
            with self.assertRaises(BadValue) as caught:
                credentials_of(parse_auth(auth))
            self.assertEqual(caught.exception.problem, problem)
            self.assertIn(fix, caught.exception.fix)

    def test_ntlm_needs_its_library(self) -> None:
        """Without pyspnego, NTLM is a fault that says how to install it."""
        with self.assertRaises(BadValue) as caught:
            credentials_of(parse_auth("ntlm:a:b"), has_spnego=False)
        self.assertIn("corsgate[ntlm]", caught.exception.fix)

    def test_hidden(self) -> None:
        """Neither the name nor the secret is in the repr: the name may be a mistyped secret."""
        self.assertNotIn(MARK, repr(parse_auth(f"digest:{MARK}:{MARK}")))
