"""Tests of `corsgate.credentials.oauth2.refresh_token`: where the newest refresh token is kept."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from twisted.internet.defer import Deferred, TimeoutError, fail, maybeDeferred
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Secret
from corsgate.credentials.oauth2.refresh_token import (
    RefreshToken,
    decode_kept,
    encode_kept,
    refresh_token_key,
    replace_private,
)
from tests.credentials.oauth2.helpers import credentials
from tests.gate.fakes import logged

FIRST = Secret("f1rst-refresh")


class RefreshTokenTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make a folder."""
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.path = self.folder / "refresh-token"
        self.lines = logged(self)

    def make(self, first: Secret = FIRST, path: Path | None = None) -> RefreshToken:
        """Return what a new process has."""
        return RefreshToken(first, str(path or self.path), maybeDeferred)

    def newest(self, token: RefreshToken) -> str:
        """Return its newest token."""
        return self.successResultOf(Deferred.fromCoroutine(token.newest())).reveal()

    def replace(self, token: RefreshToken, text: str) -> None:
        """Replace its newest token."""
        self.successResultOf(Deferred.fromCoroutine(token.replace(text)))

    def test_over_a_restart(self) -> None:
        """A new process goes on with the newest token."""
        before = self.make()
        self.assertEqual(self.newest(before), FIRST.reveal())
        self.replace(before, "r2")
        self.replace(before, "r3")
        self.assertEqual(self.newest(before), "r3")
        self.assertEqual(self.newest(self.make()), "r3")

    def test_another_first_token(self) -> None:
        """A token that the operator configures anew replaces what was kept."""
        before = self.make()
        self.newest(before)
        self.replace(before, "r2")
        after = self.make(Secret("an0ther"))
        self.assertEqual(self.newest(after), "an0ther")
        self.assertEqual(self.newest(self.make(Secret("an0ther"))), "an0ther")

    def test_private(self) -> None:
        """Only the owner can read the file, whatever the umask and the file before."""
        self.path.write_bytes(b"")
        self.path.chmod(0o666)
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        self.newest(self.make())
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
        self.assertEqual(os.listdir(self.folder), ["refresh-token"])
        self.assertNotIn(FIRST.reveal(), repr(self.make()))

    def test_damaged(self) -> None:
        """A damaged file is not used, and no reason to fail."""
        for data in (b"", b"{", b"[]", b"null", b'{"refresh_token": 7}', b"\xff", b"[" * 60_000):
            self.path.write_bytes(data)
            self.assertEqual(self.newest(self.make()), FIRST.reveal())

    def test_unwritable(self) -> None:
        """A file that can't be written is reported before the first use, and the gate goes on."""
        token = self.make(path=self.folder / "none" / "refresh-token")
        self.assertEqual(self.newest(token), FIRST.reveal())
        self.assertIn("can't be written", self.lines()[-1])
        self.assertIn("No such file or directory", self.lines()[-1])
        self.replace(token, "r2")
        self.assertEqual(self.newest(token), "r2")
        self.assertNotIn("r2", self.lines()[-1].replace("refresh", ""))

    def test_unreadable(self) -> None:
        """A folder in the place of the file is reported."""
        self.path.mkdir()
        self.assertEqual(self.newest(self.make()), FIRST.reveal())
        self.assertIn("can't be read", self.lines()[0])

    def test_no_response(self) -> None:
        """A file system that does not respond in time is a reason to go on without it."""
        token = RefreshToken(FIRST, str(self.path), lambda *_: fail(TimeoutError()))
        self.assertEqual(self.newest(token), FIRST.reveal())
        self.replace(token, "r2")
        self.assertEqual(self.newest(token), "r2")
        self.assertTrue(self.lines()[-1].endswith("at a restart: it takes too long"))

    def test_link(self) -> None:
        """A symbolic link is replaced, and what it leads to is left alone."""
        other = self.folder / "other"
        other.write_bytes(b"other")
        self.path.symlink_to(other)
        replace_private(str(self.path), b"new")
        self.assertEqual((self.path.read_bytes(), other.read_bytes()), (b"new", b"other"))

    def test_left_over(self) -> None:
        """What a killed process left is no obstacle, and is gone after the next write."""
        (self.folder / "refresh-token.new").write_bytes(b"half")
        self.newest(self.make())
        self.assertEqual(os.listdir(self.folder), ["refresh-token"])

    def test_without_a_file(self) -> None:
        """In memory the newest token is kept too."""
        token = RefreshToken(FIRST, None, maybeDeferred)
        self.assertEqual(self.newest(token), FIRST.reveal())
        self.replace(token, "r2")
        self.assertEqual(self.newest(token), "r2")

    def test_forms(self) -> None:
        """What is written is read, by who has the same first token only."""
        data = encode_kept(Secret("r2"), FIRST)
        self.assertEqual(decode_kept(data, FIRST), Secret("r2"))
        self.assertIsNone(decode_kept(data, Secret("other")))
        self.assertNotIn(FIRST.reveal().encode(), data)

    def test_key(self) -> None:
        """Credentials that differ in what they ask for use one refresh token."""
        made = [
            credentials(grant="refresh_token", refresh_token=FIRST, scope=scope)
            for scope in ("a", "b")
        ]
        self.assertEqual(*map(refresh_token_key, made))
        other = credentials(grant="refresh_token", refresh_token=Secret("x"))
        self.assertNotEqual(refresh_token_key(made[0]), refresh_token_key(other))
