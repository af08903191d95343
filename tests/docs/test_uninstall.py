"""``docs/howto/uninstall.md``: its commands remove all that the other pages install."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.prose import Prose
from tests.tree import ROOT, run

PAGE = Prose.read("docs/howto/uninstall.md")
INSTALLED = (
    *("etc/corsgate/corsgate.toml", "etc/corsgate/credentials/box", "etc/logrotate.d/corsgate"),
    *("etc/systemd/system/corsgate.service", "etc/systemd/system/corsgate.socket"),
    *("etc/systemd/system/corsgate.service.d/override.conf", "opt/corsgate-0.1.0/bin/twistd"),
    *("var/log/private/corsgate/access.log", "var/lib/private/corsgate/token"),
)
OTHERS = ("etc/passwd", "etc/systemd/system/other.service", "opt/other/bin/x", "var/log/syslog")


class UninstallTests(SynchronousTestCase):
    """The page, below a root of the test's own."""

    def test_removes_all(self) -> None:
        """What is installed is gone, and nothing else is."""
        root = Path(self.mktemp()).resolve()
        for name in (*INSTALLED, *OTHERS):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text("")
        (root / "opt/corsgate").symlink_to(root / "opt/corsgate-0.1.0")
        removes = [command for command in PAGE.commands() if command.startswith("rm ")]
        self.assertGreater(len(removes), 5)
        for command in removes:
            moved = re.sub(r" /", f" {root}/", command)
            done = run(["sh", "-c", moved], root)
            self.assertEqual((done.returncode, done.stderr), (0, ""), command)
        left = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
        self.assertEqual(left, set(OTHERS))
        self.assertFalse((root / "opt/corsgate").is_symlink())

    def test_paths_are_those_installed(self) -> None:
        """Each place that the runbook installs something in is one that the test above has."""
        for command in Prose.read("docs/howto/operations.md").commands():
            words = shlex.split(command)
            if words[0] == "install" and "-d" not in words:
                self.assertIn(words[-1].removeprefix("/"), INSTALLED, command)

    def test_the_rest(self) -> None:
        """The other commands are about the units, and about pipx."""
        others = [command for command in PAGE.commands() if not command.startswith("rm ")]
        self.assertEqual(
            others,
            [
                "systemctl disable --now corsgate corsgate.socket",
                "systemctl daemon-reload",
                "pipx uninstall corsgate",
            ],
        )
        self.assertIn("rm -rf $(VENV)", (ROOT / "Makefile").read_text("utf-8"))
