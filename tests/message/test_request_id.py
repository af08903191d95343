"""Ids of requests, given and made."""

from __future__ import annotations

import secrets
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.message.request_id import ID_BYTES, MAX_ID_BYTES, given_id, made_ids


class GivenTests(SynchronousTestCase):
    """`given_id`."""

    def test_in_use(self) -> None:
        """The ids that proxies make are valid."""
        for value in (
            b"7f0b4ac8-35ee-4a51-a0f8-6f6a3b0b5b0d",
            b"4bf92f3577b34da6a3ce929d0e0e4736",
            b"Root=1-67891233-abcdef012345678912345678",
            b"host/AbC+/==:1_2.3~4@5",
            b"x" * MAX_ID_BYTES,
        ):
            self.assertEqual(given_id([value]), value.decode())

    def test_refused(self) -> None:
        """An id that is missing, repeated, too long or hard to quote is not taken."""
        for values in ([], [b""], [b"a", b"a"], [b"x" * (MAX_ID_BYTES + 1)]):
            self.assertEqual(given_id(values), "")

    @given(st.binary(max_size=8))
    def test_safe(self, value: bytes) -> None:
        """What is taken needs no escape in a log, a page or a shell."""
        taken = given_id([value])
        self.assertIn(taken, ("", value.decode("latin-1")))
        self.assertFalse(set(taken) & set("\"'<>&\\ \t\r\n\0;$`(){}|,%"))


class MadeTests(SynchronousTestCase):
    """`made_ids`."""

    def test_apart(self) -> None:
        """Each is another one, and none is a successor of the one before."""
        made = list(islice(made_ids(secrets.token_bytes), 1000))
        self.assertEqual(len(set(made)), 1000)
        for each in made:
            self.assertRegex(each, f"^[0-9a-f]{{{ID_BYTES}}}$")
            self.assertEqual(given_id([each.encode()]), each)

    def test_all_bits(self) -> None:
        """An id has all the bits that the source gives, and nothing else."""
        asked: list[int] = []

        def rng(size: int) -> bytes:
            asked.append(size)
            return bytes(range(256)) * (size // 256)

        made = list(islice(made_ids(rng), 65))
        self.assertEqual(made[0], bytes(range(16)).hex())
        self.assertEqual(made[1], bytes(range(16, 32)).hex())
        self.assertEqual(asked, [1024, 1024])
