"""What was read for a configuration, and how it looked."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.command import Command
from corsgate.config.model.values import BearerCredentials
from corsgate.daemon.loading import Loaded, Loader, look
from corsgate.errors import BadValue, ConfigError
from tests.certificates import self_signed
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

    def test_secrets_again(self) -> None:
        """The files of secrets are read again; the configuration stays as it was loaded."""
        loaded = self.loader.load()
        self.assertEqual(loaded.inputs.secret_files, {str(self.secret): look(str(self.secret))})
        self.secret.write_text("another")
        self.path.write_text("faulty")
        again = self.loader.load_secrets(loaded.inputs)
        self.assertEqual(token(again), "another")
        self.assertEqual(token(loaded), "token")
        self.assertEqual(again.inputs.secret_files, {str(self.secret): look(str(self.secret))})
        self.assertEqual(self.loader.files[str(self.secret)], look(str(self.secret)))
        self.assertEqual(again.document, loaded.document)
        self.assertNotIn("another", repr(again))

    def test_secrets_missing(self) -> None:
        """A secret that can't be read is a fault with its line."""
        loaded = self.loader.load()
        self.secret.unlink()
        error = self.assertRaises(ConfigError, self.loader.load_secrets, loaded.inputs)
        self.assertIn(f"{self.path}:4: upstreams.a.credentials.token: ", str(error))

    def test_other_files_stay(self) -> None:
        """A certificate that is replaced at the same time is not read, nor its absence noted."""
        files = {name: Path(self.mktemp()).absolute() for name in ("chain", "key")}
        issued = self_signed("box")
        files["chain"].write_bytes(issued.pem)
        files["key"].write_bytes(issued.key_pem)
        listener = (
            '[[listener]]\nendpoint = "tcp:0:interface=127.0.0.1"\n'
            'certificates = [{{ chain = "{chain}", key = "{key}" }}]\n'
        ).format(**files)
        self.path.write_text(TOML.format(self.secret).replace(LISTEN, "") + listener)
        loaded = self.loader.load()
        for path in files.values():
            path.unlink()
        self.secret.write_text("another")
        again = self.loader.load_secrets(loaded.inputs)
        self.assertEqual(again.config.listeners, loaded.config.listeners)
        self.assertEqual(token(again), "another")

    def test_commands(self) -> None:
        """A load runs each command once, even if it fails; a reload of secrets runs none."""
        ran: list[Command] = []

        def run(command: Command) -> bytes:
            ran.append(command)
            if "bad" in command.arguments:
                raise BadValue("it failed", "")
            return b"printed"

        loader = Loader(str(self.path), MemoryReactorClock(), run)
        two = TOML.format(self.secret).replace("upstream = ", COMMANDS + "upstream = ")
        self.path.write_text(two.replace("{0}", "good"))
        loaded = loader.load()
        self.assertEqual(len(ran), 1)
        again = loader.load_secrets(loaded.inputs)
        self.assertEqual((len(ran), again.config), (1, loaded.config))
        self.path.write_text(two.replace("{0}", "bad"))
        error = self.assertRaises(ConfigError, loader.load)
        self.assertEqual(len(ran), 2)
        self.assertEqual(str(error).count("it failed"), 2)


COMMANDS = """upstream = "b"
[upstreams.b]
servers = ["http://127.0.0.1:9"]
[upstreams.b.request_headers.set]
X-One = { command = ["{0}"] }
X-Two = { command = ["{0}"] }
[routes."/b"]
"""


def token(loaded: Loaded) -> str:
    """Return the secret of the upstream."""
    credentials = loaded.config.upstreams["a"].credentials
    assert isinstance(credentials, BearerCredentials)
    return credentials.token.reveal()
