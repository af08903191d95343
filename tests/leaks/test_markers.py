"""The search for secrets finds each form, and nothing else."""

from __future__ import annotations

import html
import json
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.leaks.markers import leaks, marker

PLANTED = marker("planted", "+/=~ \u00e9%\"<&>'\\")
OTHER = marker("other")


class FoundTests(SynchronousTestCase):
    """`leaks`."""

    def assert_found(self, data: bytes, form: str = "") -> None:
        """Assert that the secret is found in some data, and no other one."""
        found = leaks(b"before" + data + b"after", [PLANTED, OTHER])
        self.assertTrue(found, data)
        for each in found:
            self.assertTrue(each.startswith("planted, "), each)
        self.assertTrue(any(form in each for each in found), found)

    def test_forms(self) -> None:
        """Each form of the whole secret is found."""
        text = PLANTED.text
        data = text.encode()
        for form, leak in (
            ("as it is", data),
            ("as it is", quote(text, safe="").encode()),
            ("in lower case", quote(text, safe="").lower().encode()),
            ("as it is", html.escape(text).encode()),
            ("as it is", json.dumps(text).encode()),
            ("as it is", repr(data).encode()),
            ("as it is", data[:12]),
            ("in lower case", data.lower()),
            ("reversed", data[::-1]),
            ("hex", data.hex().encode()),
            ("hex", data.hex().upper().encode()),
            ("percent-encoded", "".join(f"%{each:02x}" for each in data).encode()),
            ("percent-encoded", "".join(f"%{each:02X}" for each in data).encode()),
            ("UTF-16", text.encode("utf-16-le")),
            ("numbers", str(list(data)).encode()),
        ):
            self.assert_found(leak, form)

    @given(st.binary(max_size=9), st.binary(max_size=9), st.booleans())
    def test_base64(self, before: bytes, after: bytes, is_reversed: bool) -> None:
        """In Base64, the secret is found whatever it is encoded with, such as a user name."""
        data = PLANTED.text.encode()
        whole = before + (data[::-1] if is_reversed else data) + after
        for encode in (b64encode, urlsafe_b64encode):
            self.assert_found(encode(whole), "Base64")
            self.assert_found(encode(whole).rstrip(b"="), "Base64")
            self.assert_found(encode(b"admin:" + whole), "Base64")

    def test_nothing(self) -> None:
        """What has no secret is clean, and other secrets are not mistaken for one."""
        self.assertEqual(leaks(bytes(range(256)) * 4, [PLANTED, OTHER]), [])
        self.assertEqual(leaks(OTHER.text.encode(), [PLANTED]), [])
        cores = {marker(str(number)).core[:10] for number in range(1000)}
        self.assertEqual(len(cores), 1000)
