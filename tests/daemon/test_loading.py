"""What was read for a configuration, and how it looked."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.daemon.loading import Loader, look
from corsgate.errors import ConfigError
from tests.support import LISTEN

TOML = (
    LISTEN + '[upstreams.a]\nservers = ["http://127.0.0.1:9"]\n'
    'credentials = {{ type = "bearer", token = {{ file = "{0}" }} }}\n'
    '[routes."/v1"]\nupstream = "a"\n'
)


class LoaderTests(SynchronousTestCase):
    """`Loader`."""

    def setUp(self) -> None:
        """Write a file that names another."""
        self.secret, self.path = Path(self.mktemp()).absolute(), Path(self.mktemp()).absolute()
        self.secret.write_text("token")
        self.path.write_text(TOML.format(self.secret))
        self.loader = Loader(str(self.path), MemoryReactorClock())

    def test_files(self) -> None:
        """Both files are known, each with its signature."""
        loaded = self.loader.load()
        self.assertEqual(
            self.loader.files, {str(p): look(str(p)) for p in (self.path, self.secret)}
        )
        self.assertEqual(list(loaded.document["routes"]), ["/v1"])
        self.assertFalse(loaded.config.watch)

    def test_missing(self) -> None:
        """A file that is missing is known too, so that its return can be seen."""
        self.secret.unlink()
        self.assertRaises(ConfigError, self.loader.load)
        self.assertIsNone(self.loader.files[str(self.secret)])

    def test_link(self) -> None:
        """A link that leads elsewhere is a change."""
        link, other = Path(self.mktemp()), Path(self.mktemp()).absolute()
        other.write_text("token")
        link.symlink_to(self.secret)
        before = look(str(link))
        link.unlink()
        link.symlink_to(other)
        self.assertNotEqual(look(str(link)), before)
