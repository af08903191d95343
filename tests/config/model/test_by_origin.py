"""Credentials by Origin: which origins can be named, and who gets what."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.by_origin import OriginCredentials, check_exact_origin, chosen
from corsgate.config.model.values import BearerCredentials, Secret, Server, Upstream
from corsgate.errors import BadValue

TOKEN = BearerCredentials(token=Secret("t"))
OTHER = BearerCredentials(token=Secret("u"))


class OriginTests(SynchronousTestCase):
    """`check_exact_origin`."""

    def test_valid(self) -> None:
        """One origin as browsers write it."""
        for text in (
            "http://localhost:4200",
            "https://app.example",
            "http://[::1]:8080",
            "chrome-extension://abcdefghijklmnop",
        ):
            check_exact_origin(text)

    def test_invalid(self) -> None:
        """No pattern, no word, nothing that a browser would write in another way."""
        for text in (
            *("", "*", "null", "server", "gate", "drop", "keep", "app.example"),
            *("https://*.app.example", "http://localhost:*", "chrome-extension://*"),
            *("https://app.example/", "https://App.example", "https://app.example:443"),
            *("http://u@app.example", "ftp://app.example"),
        ):
            with self.assertRaises(BadValue, msg=text):
                check_exact_origin(text)


class ChosenTests(SynchronousTestCase):
    """`chosen`."""

    def test_one_origin(self) -> None:
        """The very origin, once; all else gets what is left, or nothing."""
        named = {b"http://a": 1, b"http://b": 2}
        for origins, expected in (
            ([b"http://a"], 1),
            ([b"http://b"], 2),
            ([b"http://c"], 9),
            ([b"http://A"], 9),
            ([b"http://a", b"http://a"], 9),
            ([b"http://a,http://b"], 9),
            ([b""], 9),
            ([], 9),
        ):
            self.assertEqual(chosen(named, 9, origins), expected)
            self.assertEqual(chosen(named, None, origins), None if expected == 9 else expected)


class UpstreamTests(SynchronousTestCase):
    """What an upstream has."""

    def test_all(self) -> None:
        """Whoever asks for its credentials sees all of them."""
        servers = (Server(scheme="http", host="h", port=1),)
        named = (OriginCredentials(origin="http://a", credentials=TOKEN),)
        alone = Upstream(name="a", servers=servers, credentials_by_origin=named)
        both = Upstream(name="a", servers=servers, credentials=OTHER, credentials_by_origin=named)
        self.assertEqual(alone.all_credentials, (TOKEN,))
        self.assertEqual(both.all_credentials, (OTHER, TOKEN))
        self.assertTrue(alone.adds_secrets)
        self.assertFalse(Upstream(name="a", servers=servers).adds_secrets)
