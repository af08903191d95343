"""``docs/howto/systemd.md``: drop-ins, configurations and commands are valid, numbers right."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.endpoint import handed_over
from corsgate.config.model.limits import Limits
from corsgate.daemon.notices import DRAIN_INTERVAL_S, STATUS_INTERVAL_S
from tests.programs import require
from tests.prose import Prose
from tests.test_etc import load, text_of, unit
from tests.tree import ROOT, run

SYSTEMD = Prose.read("docs/howto/systemd.md")
SERVICE = unit(text_of("corsgate.service"))


class SystemdDocTests(SynchronousTestCase):
    def test_drop_ins(self) -> None:
        """systemd has nothing to say of any drop-in."""
        analyze = require("systemd-analyze", "systemd")
        blocks = list(SYSTEMD.blocks("ini"))
        self.assertEqual(len(blocks), 3)
        for block in blocks:
            directory = Path(self.mktemp()).absolute()
            (directory / "corsgate.service.d").mkdir(parents=True)
            text = text_of("corsgate.service").replace("/opt/corsgate/bin/twistd", "/bin/sh")
            (directory / "corsgate.service").write_text(text)
            # It asks for a program that is there.
            drop_in = block.replace("/usr/local/bin/twistd", "/bin/sh")
            (directory / "corsgate.service.d" / "override.conf").write_text(drop_in)
            environ = {"SYSTEMD_UNIT_PATH": f"{directory}:/lib/systemd/system"}
            service = str(directory / "corsgate.service")
            done = run([analyze, "verify", "--man=no", service], directory, environ)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""), block)

    def test_drop_in_for_the_systems_python(self) -> None:
        """It is the one that the unit's comment has."""
        first, *_ = SYSTEMD.blocks("ini")
        for line in first.splitlines():
            self.assertIn(f"#   {line}\n", text_of("corsgate.service"))

    def test_configurations(self) -> None:
        """Each fragment belongs to a configuration that loads."""
        password, listen, listener = SYSTEMD.blocks("toml")
        text = text_of("corsgate.toml")
        self.assertIn(password.strip(), text)
        without = re.sub(r"(?m)^listen = .*\n", "", text)
        (one,) = load(listen + without).listeners
        socket = unit(text_of("corsgate.socket"))["Socket"]
        self.assertEqual(handed_over(one.endpoint).name, socket["FileDescriptorName"])
        listener = listener.replace("/etc/corsgate/chain.pem", "/etc/corsgate/fullchain.pem")
        listener = re.sub(r'"/run/[^"]*key.pem"', '"/etc/corsgate/key.pem"', listener)
        (one,) = load(f"{without}\n{listener}").listeners
        self.assertEqual(handed_over(one.endpoint).name, "corsgate-tls")

    def test_commands(self) -> None:
        """Each command is one that there is, about units and files that there are."""
        systemctl = require("systemctl", "systemd")
        verbs = run([systemctl, "--help"], ROOT).stdout
        journalctl = run([require("journalctl", "systemd"), "--help"], ROOT).stdout
        for command in SYSTEMD.commands():
            words = [word for word in shlex.split(command) if not word.startswith("CREDENTIALS_")]
            match words[0]:
                case "systemctl":
                    options = [word for word in words[1:] if word.startswith("-")]
                    verb, *units = [word for word in words[1:] if not word.startswith("-")]
                    self.assertRegex(verbs, rf"(?m)^ +{verb}\b", command)
                    for option in options:
                        self.assertIn(option, verbs)
                    for name in units:
                        self.assertIn(name, ("corsgate", "corsgate.socket"), command)
                case "journalctl":
                    for option in words[1:]:
                        if option.startswith("-"):
                            self.assertIn(option, journalctl)
                case "install":
                    for word in words:
                        if word.startswith("etc/"):
                            self.assertTrue((ROOT / word).is_file(), command)
                case "systemd-ask-password":
                    require(words[0], "systemd")
                case program:
                    known = r"(/opt/corsgate/bin/|/usr/local/bin/)?(python3|pip|twistd|corsgate)"
                    self.assertRegex(program, rf"^{known}$", command)

    def test_check(self) -> None:
        """The command finds a secret of the unit, and the installed file has no other fault."""
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        (directory / "box").write_text("secret")
        installed = (ROOT / "etc/minimal.toml").read_text()
        self.assertIn("install -m 644 etc/minimal.toml /etc/corsgate", SYSTEMD.text)
        file = directory / "corsgate.toml"
        file.write_text(installed.replace('{ env = "BOX_PASSWORD" }', '{ systemd = "box" }'))
        (command,) = [each for each in SYSTEMD.commands() if " check " in each]
        variable, _, *words = shlex.split(command)
        name, _, value = variable.partition("=")
        self.assertTrue(SERVICE["Service"]["ConfigurationDirectory"] in value)
        program = [sys.executable, "-m", "corsgate", *words[:-1], str(file)]
        done = run(program, ROOT, {name: str(directory), "PYTHONPATH": str(ROOT)})
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertEqual(run(program, ROOT, {"PYTHONPATH": str(ROOT)}).returncode, 1)

    def test_numbers(self) -> None:
        """Those of the unit and of the gate."""
        service, limits = SERVICE["Service"], unit(text_of("corsgate.socket"))["Socket"]
        watchdog_s = int(service["WatchdogSec"].removesuffix("s"))
        text = " ".join(SYSTEMD.text.split())
        for said in (
            f"after {limits['TriggerLimitBurst']} starts in"
            f" {limits['TriggerLimitIntervalSec'].removesuffix('s')} s",
            f"`WatchdogSec={watchdog_s}s`: the gate reports every {watchdog_s // 2} s that",
            f"| every {service['RestartSec'].removesuffix('s')} s, without limit |",
            f"`RestartPreventExitStatus={service['RestartPreventExitStatus']}`",
            f"every {DRAIN_INTERVAL_S:.0f} s",
            f"| every {STATUS_INTERVAL_S:.0f} s, if it has changed |",
        ):
            self.assertIn(said, text)
        self.assertEqual(Limits().drain_timeout_s, 30)

    def test_is_pointed_to(self) -> None:
        """The README leads to it."""
        self.assertIn("](docs/howto/systemd.md)", Prose.read("README.md").text)
