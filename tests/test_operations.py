"""``docs/howto/operations.md``: its commands work, and it explains all that the daemon can log."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from bench import run as bench
from bench.loads import LOADS
from corsgate.gate.error_page import title_of
from tests.log_texts import Text, logged, warnings
from tests.prose import Prose
from tests.tree import ROOT, run

DOCUMENT = Prose.read("docs/howto/operations.md")
TEXT = DOCUMENT.text


def rows(title: str = "") -> list[list[str]]:
    """Return the cells of each row of the tables in a section, and below it; by default all."""
    text = TEXT
    if title:
        start = re.search(rf"(?m)^(#+) {re.escape(title)}$", TEXT)
        assert start is not None, title
        rest = TEXT[start.end() :]
        end = re.search(rf"(?m)^#{{1,{len(start[1])}}} ", rest)
        text = rest[: end.start()] if end else rest
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]


def explained() -> list[str]:
    """Return the first cell of each row about a line of the log, as the log has it."""
    cells = [row[0] for row in rows("What it logs")]
    return [cell.replace("`", "").replace("\\|", "|") for cell in cells]


class Lines(SynchronousTestCase):
    """Every warning and error that the source can log has a row."""

    def missing(self, texts: Iterable[Text]) -> list[Text]:
        """Return the texts that no row has."""
        lines = explained()
        return [
            each
            for each in texts
            if not each.is_derived and not any(each.stands_in(line) for line in lines)
        ]

    def test_log(self) -> None:
        """What a Logger gets at a level above info."""
        found = logged()
        self.assertGreater(len(found), 30)
        rows = [
            f"  | `{each.shown}` | what it means | what to do |   (from {each.where})"
            for each in self.missing(found)
        ]
        said = "add to the tables of 'What it logs' in docs/howto/operations.md:\n" + "\n".join(
            rows
        )
        self.assertEqual(rows, [], said)

    def test_configuration(self) -> None:
        """What is warned of in a valid configuration, with its fix."""
        found = dict(warnings())
        self.assertGreater(len(found), 45)
        rows = [
            f"  | `{each.shown}` | {found[each].shown} |   (from {each.where})"
            for each in self.missing(found)
        ]
        said = "add to 'Warnings about the configuration' in docs/howto/operations.md:\n"
        self.assertEqual(rows, [], said + "\n".join(rows))

    def test_rows(self) -> None:
        """Each row about a line of the log has something to log: none is left from the past."""
        known = [*logged(), *(problem for problem, _ in warnings())]
        left = [
            line
            for title in ("Logs and reload", "Clients", "Faults of the gate")
            for row in rows(title)[2:]
            for line in row[0].replace("`", "").split("`, `")
            if not any(text.stands_in(line) for text in known if text.pieces)
        ]
        self.assertEqual(left, [], "remove these rows, or correct them")

    def test_sees(self) -> None:
        """A text that is not there is missed, one with other values is not."""
        there = Text(where="", text="upstream \0: \0 is left out for \0 s: \0")
        self.assertEqual(self.missing([there]), [])
        other = Text(where="", text="upstream \0: \0 was sent to the moon for \0 s")
        self.assertEqual(self.missing([other]), [other])


class Commands(SynchronousTestCase):
    """The commands do what is said of them, below a root of the test's own."""

    def setUp(self) -> None:
        """Make what Debian has."""
        self.root = Path(self.mktemp()).resolve()
        for name in ("opt", "etc/systemd/system"):
            (self.root / name).mkdir(parents=True)

    def moved(self, command: str) -> list[str]:
        """Return the words of a command, with paths below the root."""
        return [re.sub(r"^/(opt|etc)/", rf"{self.root}/\1/", word) for word in shlex.split(command)]

    def test_all_are_known(self) -> None:
        """Each is of a kind that has a test here."""
        known = r"(python3 -m venv|/opt/corsgate\S*/bin/\w+|ln|mv|install|systemctl|journalctl) "
        self.assertEqual([each for each in DOCUMENT.commands() if not re.match(known, each)], [])
        languages = set(re.findall(r"(?m)^```(\w+)$", TEXT))
        self.assertEqual(languages, {"sh", "logrotate"})

    def test_link(self) -> None:
        """The link leads to the first version, then to the second one."""
        for version in ("0.1.0", "0.2.0"):
            (self.root / f"opt/corsgate-{version}").mkdir()
        seen = []
        for command in DOCUMENT.commands():
            if command.startswith(("ln ", "mv ")):
                done = run(self.moved(command), self.root)
                self.assertEqual((done.returncode, done.stderr), (0, ""), command)
                seen.append((self.root / "opt/corsgate").resolve().name)
        self.assertEqual(seen, ["corsgate-0.1.0", "corsgate-0.1.0", "corsgate-0.2.0"])
        self.assertEqual(
            sorted(each.name for each in (self.root / "opt").iterdir()),
            ["corsgate", "corsgate-0.1.0", "corsgate-0.2.0"],
        )

    def test_install(self) -> None:
        """What is installed is in the checkout, and the units name the link."""
        for command in DOCUMENT.commands():
            if command.startswith("install "):
                done = run(self.moved(command), ROOT)
                self.assertEqual((done.returncode, done.stderr), (0, ""), command)
        unit = (self.root / "etc/systemd/system/corsgate.service").read_text("utf-8")
        self.assertIn("ExecStart=/opt/corsgate/bin/twistd ", unit)
        self.assertIn("LogsDirectory=corsgate\n", unit)
        socket = (self.root / "etc/systemd/system/corsgate.socket").read_text("utf-8")
        self.assertIn("FileDescriptorName=corsgate\n", socket)
        self.assertIn("systemd:name=corsgate", TEXT)

    def test_programs(self) -> None:
        """Each program has the subcommand and the options."""
        for command in DOCUMENT.commands():
            words = shlex.split(command)
            if words[0].endswith("/bin/corsgate"):
                done = run([sys.executable, "-m", "corsgate", words[1], "--help"], ROOT)
                self.assertEqual((done.returncode, done.stderr), (0, ""), command)
                for option in re.findall(r"--\w[\w-]*", command.partition('"')[0]):
                    self.assertIn(option, done.stdout, command)
            if words[0].endswith("/bin/pip"):
                extras = re.findall(r"\w+", words[2].partition("[")[2])
                setup = (ROOT / "setup.cfg").read_text("utf-8")
                for extra in extras:
                    self.assertRegex(setup, rf"(?m)^{extra} =$")

    def test_units(self) -> None:
        """systemctl is called with verbs that it has, for the unit that there is."""
        systemctl = shutil.which("systemctl")
        known = "" if systemctl is None else run([systemctl, "--help"], ROOT).stdout
        for command in DOCUMENT.commands():
            words = shlex.split(command)
            if words[0] != "systemctl" or words[1] == "daemon-reload":
                continue
            self.assertIn(words[-1], ("corsgate", "corsgate.socket"))
            if known:
                self.assertRegex(known, rf"(?m)^  {words[1]} ")

    def test_property(self) -> None:
        """Without systemd as process 1, the shell's part of the reload is looked at alone."""
        (command,) = (each for each in DOCUMENT.commands() if " reload --pid " in each)
        script = command.replace("/opt/corsgate/bin/corsgate", "echo").replace(
            "systemctl show --property MainPID --value corsgate", "echo 17"
        )
        shell = ["sh", "-c", script]
        done = subprocess.run(shell, capture_output=True, text=True, check=True, timeout=30)
        self.assertEqual(done.stdout, "reload --pid 17\n")


class Alerts(SynchronousTestCase):
    """The alerts are those of ``etc/alerts.yml``."""

    def test_alerts(self) -> None:
        """Each has one row, and is not mentioned elsewhere."""
        rules = re.findall(r"(?m)^ +- alert: (\w+)$", (ROOT / "etc/alerts.yml").read_text("utf-8"))
        self.assertGreater(len(rules), 10)
        named = [row[0] for row in rows("Alerts")[2:]]
        self.assertEqual(sorted(named), sorted(f"`{rule}`" for rule in rules))
        for rule in rules:
            self.assertEqual(len(re.findall(rf"`{rule}`", TEXT)), 1, rule)


class Figures(SynchronousTestCase):
    """Capacity follows from the figures of docs/explanation/performance.md."""

    def test_capacity(self) -> None:
        """Each is a second over the CPU time of the load, to two digits."""
        performance = (ROOT / "docs/explanation/performance.md").read_text("utf-8")
        titles = {load.name: load.title for load in LOADS}
        found = [row for row in rows("Capacity") if "make bench" in row[-1]]
        self.assertGreater(len(found), 5)
        for _, figure, command in found:
            words = shlex.split(command.strip("`"))
            options = bench.parser().parse_args(shlex.split(words[-1].removeprefix("ARGS=")))
            title = titles[options.only[0]]
            cpu = re.search(rf"(?m)^\| {re.escape(title)} +\| +([\d,]+) \|", performance)
            assert cpu is not None, title
            requests = 1e6 / int(cpu[1].replace(",", ""))
            self.assertEqual(f"{float(f'{requests:.2g}'):,.0f}", figure, title)

    def test_statuses(self) -> None:
        """Each status that is explained is one that there is."""
        for row in rows("Statuses that the gate makes")[2:]:
            for status in map(int, row[0].split(", ")):
                self.assertTrue(status == 499 or title_of(status))

    def test_is_pointed_to(self) -> None:
        """The README leads to it."""
        self.assertIn("](docs/howto/operations.md)", Prose.read("README.md").text)
