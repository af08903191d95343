"""Tests of `corsgate.demo.explain_command`: the command can be typed where the demo was started."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from corsgate.demo.explain_command import explain_command, shown_path


class CommandTests(SynchronousTestCase):
    """The command."""

    def test_command(self) -> None:
        """It is the shortest that works: by name, beside the Python, or by its module."""
        folder = Path(self.mktemp()).resolve()
        (folder / ".venv/bin").mkdir(parents=True)
        python, config = str(folder / ".venv/bin/python"), folder / "etc/demo.toml"
        found = explain_command(config, folder, python, None)
        self.assertEqual(found["explain"], f"{python} -m corsgate explain")
        (folder / ".venv/bin/corsgate").touch()
        found = explain_command(config, folder, python, None)
        self.assertEqual(found["explain"], ".venv/bin/corsgate explain")
        found = explain_command(config, folder, python, "/usr/bin/corsgate")
        self.assertEqual(found, {"explain": "corsgate explain", "config": "--config etc/demo.toml"})

    def test_quoted(self) -> None:
        """Paths with blanks stay whole in a shell."""
        found = explain_command(Path("/a b/c.toml"), Path("/d"), "/e f/python", None)
        self.assertEqual(found["explain"], "'/e f/python' -m corsgate explain")
        self.assertEqual(found["config"], "--config '/a b/c.toml'")

    def test_path(self) -> None:
        """A path elsewhere is shown in full."""
        self.assertEqual(shown_path(Path("/a/b"), Path("/a")), "b")
        self.assertEqual(shown_path(Path("/a/b"), Path("/c")), "/a/b")
