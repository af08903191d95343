"""What an installation holds: the gate's modules, its plugin, its command and its demo."""

from __future__ import annotations

import ast
import configparser
import re
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from email.parser import Parser
from importlib.metadata import packages_distributions, requires
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.installing import build, copy_tree, install
from tests.running import Gate
from tests.test_architecture import imports
from tests.tree import ROOT, TWISTD, files, run

TOP = ("CHANGELOG.md", "LICENSE", "MANIFEST.in", "Makefile", "README.md")
SETUP = ("pyproject.toml", "setup.cfg")

APP = "http://localhost:4200"
METRICS = ("families.py", "metrics.py")
"""The modules of the admin listener that need prometheus-client."""


def names(*places: str) -> set[str]:
    """Return the paths, relative to the checkout, of the files at or below places in it."""
    return {path.relative_to(ROOT).as_posix() for path in files(*places)}


def metadata() -> configparser.ConfigParser:
    """Return ``setup.cfg``."""
    setup = configparser.ConfigParser(interpolation=None)
    setup.read_string((ROOT / "setup.cfg").read_text(encoding="utf-8"))
    return setup


def project(requirement: str) -> str:
    """Return the normalised name in a requirement, such as ``Twisted[tls] >= 26.10``."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement.strip())[0]).lower()


def projects(requirements: Iterable[str]) -> set[str]:
    """Return the names in requirements, except for empty ones."""
    return {project(requirement) for requirement in requirements if requirement.strip()}


class ArchiveTests(SynchronousTestCase):
    """What is in the archives that a build makes."""

    def test_wheel(self) -> None:
        """The wheel, made from the sdist, holds every module, the plugin and the demo's files."""
        with zipfile.ZipFile(build().wheel) as wheel:
            found = {name for name in wheel.namelist() if ".dist-info/" not in name}
        shared = {f"corsgate-0.1.0.data/data/{name}" for name in names("share")}
        self.assertEqual(found, names("corsgate", "twisted") | shared)
        self.assertIn("twisted/plugins/corsgate_plugin.py", found)
        self.assertIn("corsgate/py.typed", found)

    def test_sdist(self) -> None:
        """The sdist holds all that the tests and the Makefile need as well."""
        with tarfile.open(build().sdist) as sdist:
            found = {
                member.name.partition("/")[2] for member in sdist.getmembers() if member.isfile()
            }
        found = {name for name in found if not name.startswith("corsgate.egg-info/")} - {"PKG-INFO"}
        code = ("bench", "corsgate", "examples", "tests", "twisted")
        places = (*code, "etc", "docs", "share", ".ci", *TOP, *SETUP)
        self.assertEqual(found, names(*places))

    def test_metadata(self) -> None:
        """The wheel says what it is, what it needs and which command it brings."""
        with zipfile.ZipFile(build().wheel) as wheel:
            (place,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
            said = Parser().parsestr(wheel.read(place).decode())
            commands = wheel.read(place.replace("METADATA", "entry_points.txt")).decode()
        self.assertEqual((said["Name"], said["Version"]), ("corsgate", "0.1.0"))
        self.assertEqual((said["Requires-Python"], said["License-Expression"]), (">=3.11", "MIT"))
        needed = [text for text in said.get_all("Requires-Dist", []) if "extra ==" not in text]
        self.assertEqual(
            projects(needed),
            {
                *("twisted", "treq", "service-identity", "attrs", "httptools"),
                *("publicsuffixlist", "shtab", "tomlkit"),
            },
        )
        self.assertIn("corsgate = corsgate.cli:main", commands)


def extra_of(path: Path) -> str:
    """Return the extra that a module is for; empty for one that is always there."""
    if "http2" in path.parts:
        return "http2"
    if path.name in ("client_assertion.py", "ntlm_messages.py"):
        return {"client_assertion.py": "oauth2", "ntlm_messages.py": "ntlm"}[path.name]
    return "metrics" if path.parent.name == "admin" and path.name in METRICS else ""


class RequirementTests(SynchronousTestCase):
    """Whatever is imported is asked for."""

    def check(
        self,
        place: str,
        declared: set[str],
        *,
        own: Iterable[str] = ("corsgate", "tests"),
        of: str | None = None,
    ) -> None:
        """Find each project that is imported below a place among those declared.

        Args:
            place: A directory.
            declared: The projects.
            own: The packages of the checkout itself that may be imported there.
            of: The extra whose modules to look at; empty for those of no extra, None for all.
        """
        own = {"corsgate", "tests", *(["bench", "docs"] if place == "tests" else [])}
        comes_with = {name for need in declared for name in projects(requires(need) or ())}
        owners = packages_distributions()
        missing = {
            name
            for path in files(place)
            if path.suffix == ".py" and of in (None, extra_of(path))
            # Another interpreter runs these, with what `make test-boxes` installs.
            if path.parent != ROOT / "tests" / "boxes" / "servers"
            for name in imports(ast.parse(path.read_bytes()))
            if (root := name.split(".")[0]) not in {*sys.stdlib_module_names, *own}
            and not projects(owners.get(root, ())) & (declared | comes_with)
        }
        self.assertEqual(missing, set())

    def test_modules(self) -> None:
        """The gate imports what it requires, or what that brings, and nothing else."""
        needed = projects(metadata()["options"]["install_requires"].splitlines())
        self.check("corsgate", needed, of="")

    def test_extras(self) -> None:
        """The modules of an extra import what it brings besides, and no other module does."""
        setup = metadata()
        extras = setup["options.extras_require"]
        needed = projects(setup["options"]["install_requires"].splitlines())
        for name in ("http2", "metrics", "oauth2"):
            extra = projects(extras[name].splitlines())
            self.assertLessEqual(extra, projects(extras["test"].splitlines()))
            self.check("corsgate", needed | extra, of=name)
            others = {
                each.split(".")[0].replace("_", "-")
                for path in files("corsgate")
                if path.suffix == ".py" and extra_of(path) != name
                for each in imports(ast.parse(path.read_bytes()))
            }
            self.assertEqual(others & extra, set())

    def test_tests(self) -> None:
        """The tests and examples import what the extra ``test`` brings besides."""
        setup = metadata()
        needed = setup["options"]["install_requires"].splitlines()
        declared = projects([*needed, *setup["options.extras_require"]["test"].splitlines()])
        self.check("tests", declared, own=("bench", "corsgate", "docs", "tests"))
        self.check("examples", declared)


class InstallTests(SynchronousTestCase):
    """``twistd`` finds the plugin, however the gate was installed."""

    def install(self, *what: str | Path) -> Path:
        """Return a new virtual environment with the gate and nothing else of its own."""
        return install(Path(self.mktemp()), *what)

    def check(self, environment: Path, place: Path) -> None:
        """The gate comes from a place, with its plugin, its command and its demo's page."""
        empty = Path(self.mktemp())
        empty.mkdir()
        python = environment / "bin" / "python"
        listed = run([python, *TWISTD[1:], "--help"], empty)
        self.assertRegex(listed.stdout, r"(?m)^ +corsgate +\w", listed.stderr)
        options = run([python, *TWISTD[1:], "corsgate", "--help"], empty)
        self.assertIn("--allow-origin", options.stdout, options.stderr)

        command = environment / "bin" / "corsgate"
        checked = run([command, "check", ROOT / "etc" / "demo.toml"], empty)
        self.assertEqual(checked.returncode, 0, checked.stderr)
        for line in checked.stderr.splitlines():
            # The demo's password is no secret, so it stands where the umask lets others read it.
            self.assertIn("credentials.box.password: the secret is written in this file", line)

        # As pipx and uvx run it: no twistd on the PATH.
        quick = [str(command), "run", "http://127.0.0.1:1", "--allow", APP]
        with Gate([*quick, "--listen", "tcp:0:interface=127.0.0.1"], {"PATH": ""}) as gate:
            response = gate.get("/x", APP)
            self.assertEqual(response.status, 502)
            self.assertEqual(response.headers["Access-Control-Allow-Origin"], APP)

        script = (
            "import corsgate, importlib.resources as r\n"
            "print(corsgate.__file__)\n"
            "print(r.files('corsgate.demo').joinpath('index.html').is_file())\n"
        )
        found = run([python, "-P", "-c", script], empty)
        self.assertEqual(
            found.stdout.splitlines(), [str(place / "corsgate" / "__init__.py"), "True"]
        )

    def site_packages(self, environment: Path) -> Path:
        """Return where an environment keeps what is installed in it."""
        (packages,) = environment.glob("lib/python*/site-packages")
        return packages

    def test_regular(self) -> None:
        """``pip install .``"""
        environment = self.install(copy_tree())
        self.check(environment, self.site_packages(environment))
        for page in ("man1/corsgate.1", "man5/corsgate.toml.5"):
            # man looks there for the programs of the environment.
            installed = environment / "share" / "man" / page
            self.assertEqual(installed.read_bytes(), (ROOT / "share/man" / page).read_bytes())

    def test_editable(self) -> None:
        """``pip install --editable .``"""
        copy = copy_tree()
        self.check(self.install("--editable", copy), copy)

    def test_wheel(self) -> None:
        """``pip install corsgate-*.whl``, the wheel made from the sdist"""
        environment = self.install(build().wheel)
        self.check(environment, self.site_packages(environment))
