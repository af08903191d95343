"""Tests of `corsgate.config.model.rules`: valid single values, and messages for others."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from corsgate.config.model import rules
from corsgate.config.model.units import format_duration
from tests.config.support import TableTestCase, fault_of


class WordTests(TableTestCase):
    """The words of messages."""

    def test_shows_no_password(self) -> None:
        """Text before an "@" that has a colon may be a password; other text is shown."""
        for text, shown in {
            "http://user:pass@host/": '"...@host/"',
            "user:pa@ss@host": '"...@host"',
            "user@host": '"user@host"',
            "a:b": '"a:b"',
            "": '""',
        }.items():
            self.assertEqual(rules.show(text), shown)

    def test_shows_no_control_characters(self) -> None:
        """A message stays one line, and can't drive a terminal."""
        self.assertEqual(rules.show("a\r\n\x1b[2J\u202eb"), r'"a\u000d\u000a\u001b[2J\u202eb"')
        self.assertEqual(rules.show("é"), '"é"')

    @given(st.text(max_size=300))
    def test_shown_text_is_bounded(self, text: str) -> None:
        """Whatever the text, the message is printable and short."""
        shown = rules.show(text)
        self.assertTrue(shown.isprintable())
        self.assertLessEqual(len(shown), 10 * rules.SHOWN_LENGTH)

    def test_cuts_long_text(self) -> None:
        """Exactly the first characters are shown, with an ellipsis only if there are more."""
        exact = "x" * rules.SHOWN_LENGTH
        self.assertEqual(rules.show(exact), f'"{exact}"')
        self.assertEqual(rules.show(exact + "y"), f'"{exact}..."')

    def test_lists_words(self) -> None:
        """The last word is joined by "or"."""
        self.assertEqual(rules.one_of(["a"]), '"a"')
        self.assertEqual(rules.one_of(["a", "b"]), '"a" or "b"')
        self.assertEqual(rules.one_of(["a", "b", "c"]), '"a", "b" or "c"')

    def test_choices(self) -> None:
        """A word is one of those that are known, in their own case."""
        bad = {"A": '"A" is unknown; write "a" or "b"', "": '"" is unknown; write "a" or "b"'}
        self.assert_checked(lambda word: rules.check_choice(word, ("a", "b")), ["a", "b"], bad)

    def test_suggests_only_near_words(self) -> None:
        """A typing mistake gets the word that was meant; another word gets the other fix."""
        known = ("listen", "limits")
        self.assertEqual(rules.did_you_mean("lisen", known, "x"), 'did you mean "listen"?')
        self.assertEqual(rules.did_you_mean("routes", known, "x"), "x")


class NumberTests(TableTestCase):
    """Numbers in a range."""

    def test_both_ends_are_valid(self) -> None:
        """Just outside, the message names the end that was passed."""
        good = [(1, 1, 9), (9, 1, 9)]
        bad = {
            (0, 1, 9): "0 is too small; write 1 or more",
            (10, 1, 9): "10 is too large; write 9 or less",
        }
        self.assert_checked(rules.check_between, good, bad)

    def test_seconds_are_shown_as_written(self) -> None:
        """A message has units, as a file does; what is not finite is no number at all."""
        good = [(0.001, 0.001, 60), (60, 0.001, 60)]
        bad = {
            (0.0, 0.001, 60.0): "0s is too small; write 1ms or more",
            (3600.0, 0.001, 60.0): "1h is too large; write 1m or less",
            (float("inf"), 0.0, 60.0): "inf is not a duration; write a number of seconds",
        }
        self.assert_checked(rules.check_seconds, good, bad)
        self.assertIn("nan is not a duration", fault_of(rules.check_seconds, float("nan"), 0, 1))

    def test_bytes_are_shown_as_written(self) -> None:
        """Sizes are named in powers of 1024."""
        bad = {(2048, 1, 1024): "2KiB is too large; write 1KiB or less"}
        self.assert_checked(rules.check_bytes, [(1024, 1, 1024)], bad)

    @given(st.integers(-100, 100), st.integers(-100, 100), st.integers(0, 100))
    def test_accepts_exactly_the_range(self, value: int, low: int, width: int) -> None:
        """A number is rejected if and only if it is outside."""
        fault = fault_of(rules.check_between, value, low, low + width, format_duration)
        self.assertEqual(not fault, low <= value <= low + width)


class NameTests(TableTestCase):
    """Methods, fields and other names."""

    def test_methods(self) -> None:
        """Methods are case-sensitive: a known one in lower case is a mistake."""
        bad = {
            "get": '"get" is not upper-case; write "GET"',
            "Delete": '"Delete" is not upper-case; write "DELETE"',
            "": '"" is not a method; write a method, such as "GET"',
            "A B": '"A B" is not a method; write a method, such as "GET"',
            "é": '"é" is not a method; write a method, such as "GET"',
        }
        good = ["GET", "PROPFIND", "propfind", "patch", "M-SEARCH", "VERSION-CONTROL"]
        self.assert_checked(rules.check_method, good, bad)
        for method in ("CONNECT", "TRACE", "trace", "TRACK"):
            bad[method] = f'"{method}" is refused on every route; remove it'
        self.assert_checked(rules.check_served_method, good, bad)

    def test_tokens(self) -> None:
        """Names of cookies and the like (RFC 9110 5.6.2)."""
        wrong = "is not a valid name; remove spaces and separators"
        bad = {name: f'"{name}" {wrong}' for name in ("", "a b", "a=b", "a;b", "a:b", "é", "(a)")}
        self.assert_checked(rules.check_token, ["a", "A-b_c.9", "!#$%&'*+^`|~"], bad)

    def test_entry_names(self) -> None:
        """Names under [upstreams] and the like fit a log line, and are at most 64 long."""
        good = ["a", "A-b_c.9", "x" * 64]
        long = "x" * 65
        for name in ("", "a b", "é", "a/b", long, "a\n"):
            self.assertIn("is not a usable name", fault_of(rules.check_entry_name, name), name)
        self.assert_checked(rules.check_entry_name, good, {})

    def test_fields_for_secrets(self) -> None:
        """Credentials can't go in a field that the gate writes, in any spelling that CGI knows."""
        own = "is set by the gate itself; name the header that holds the secret"
        written = ["Host", "connection", "TE", "Content-Length", "Content_Length", "Expect"]
        written += ["Origin", "Referer", "Via", "Forwarded", "X-Forwarded-For", "X-Request-Id"]
        bad = {name: f'"{name}" {own}' for name in written}
        self.assert_checked(rules.check_field_name, ["X-Api-Key", "Authorization", "Cookie"], bad)
        self.assertIn("is not a header name", fault_of(rules.check_field_name, "X Key"))

    def test_fields_from_clients(self) -> None:
        """A client can't set what the gate writes, in any spelling that a CGI reads alike."""
        for name in ("X-Forwarded-For", "x_forwarded_for", "Forwarded", "EXPECT", "Host"):
            fault = fault_of(rules.check_passed_header, name)
            self.assertIn("is written by the gate itself", fault, name)
        self.assert_checked(rules.check_passed_header, ["X-Real-IP", "X-Remote-User"], {})
        self.assertIn("is not a header name", fault_of(rules.check_passed_header, "a:b"))

    def test_probe_targets(self) -> None:
        """A path and query in the form that goes into a request line."""
        unsafe = "contains characters that are not allowed in a request target"
        fix = "percent-encode them as UTF-8"
        bad = {
            "health": '"health" does not start with a slash; write "/health"',
            "/a b": f'"/a b" {unsafe}; {fix}',
            "/a#b": f'"/a#b" {unsafe}; {fix}',
            "/%zz": f'"/%zz" {unsafe}; {fix}',
            "/é": f'"/é" {unsafe}; {fix}',
        }
        self.assert_checked(rules.check_probe_target, ["/", "/a?b=c", "/%C3%A9", "/?"], bad)


class SecretTests(TableTestCase):
    """Secrets; no message shows any part of one."""

    def test_what_each_kind_carries(self) -> None:
        """Each kind of credentials takes what its header can carry."""
        empty = "the secret is empty; add a value"
        control = (
            "the secret contains control characters;"
            " remove line breaks and other control characters"
        )
        token = (
            "the token contains spaces or other characters that are not allowed in a token;"
            ' write the token alone, without "Bearer "'
        )
        value = (
            "the secret contains non-ASCII characters, or leading or trailing spaces; remove them"
        )
        shared = {"": empty, "hunter2\n": control, "hun\x7fter2": control}
        self.assert_checked(rules.check_secret, ["a b", "é", " a"], shared)
        self.assert_checked(
            rules.check_bearer_token,
            ["aA9._~+/-", "aa=="],
            {**shared, "Bearer hunter2": token, "=a": token, "é": token},
        )
        self.assert_checked(
            rules.check_field_value,
            ["a", "a b", "a=;,b"],
            {**shared, " hunter2": value, "hunter2 ": value, "hunter2é": value},
        )

    @given(st.text(min_size=4))
    def test_never_shown(self, secret: str) -> None:
        """Whatever is wrong with a secret, its text is not in the message."""
        marked = f"hunter2{secret}"
        for check in (rules.check_secret, rules.check_bearer_token, rules.check_field_value):
            self.assertNotIn("hunter2", fault_of(check, marked))

    def test_user_names(self) -> None:
        """A user name may be empty; Basic separates it from the password by a colon."""
        self.assert_checked(rules.check_username, ["", "a:b", "é"], {})
        colon = '"a:b" has a colon, which Basic can\'t carry; use another user'
        self.assert_checked(rules.check_basic_username, ["", "é"], {"a:b": colon})
        for check in (rules.check_username, rules.check_basic_username):
            self.assertIn("contains control characters", fault_of(check, "a\r"))
