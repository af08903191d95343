"""The shape of the source: who may import what, and how long things may get."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.tree import ROOT, files, run

ORDER = (
    ("errors", "shortcuts"),
    ("message",),
    ("config",),
    ("interfaces",),
    ("routing",),
    ("cors",),
    ("explain",),
    ("learn",),
    ("explain_web",),
    ("credentials",),
    ("adopt",),
    ("balance",),
    ("transport",),
    ("upstream",),
    ("server",),
    ("resource",),
    ("gate",),
    ("admin",),
    ("daemon",),
    ("tap",),
    ("demo",),
    ("cli",),
    ("__main__",),
)
"""Each package imports only from its own row and those above."""

MAY_IMPORT_TWISTED = frozenset(
    (
        "credentials",
        "resource",
        "transport",
        "upstream",
        "server",
        "gate",
        "admin",
        "daemon",
        "tap",
        "demo",
        "cli",
        "__main__",
    )
)
DECIDES = frozenset(
    (
        *("corsgate.credentials.auth_fields", "corsgate.credentials.digest.challenge_cookies"),
        *("corsgate.credentials.digest.answer", "corsgate.credentials.digest.challenge"),
        *("corsgate.credentials.digest.nonce", "corsgate.credentials.digest.server"),
        *("corsgate.credentials.back_off", "corsgate.credentials.oauth2.request"),
        *("corsgate.credentials.oauth2.response", "corsgate.credentials.outside"),
        *("corsgate.credentials.session.cookie_jar", "corsgate.credentials.session.messages"),
        "corsgate.credentials.session.login_urls",
        *("corsgate.credentials.lockout", "corsgate.credentials.refusal"),
        *("corsgate.credentials.echoed_secrets", "corsgate.credentials.spots"),
        *("corsgate.credentials.static", "corsgate.credentials.sigv4"),
        *("corsgate.credentials.attempt", "corsgate.credentials.aws"),
        *("corsgate.credentials.query", "corsgate.credentials.servers"),
        *("corsgate.gate.error_page", "corsgate.gate.guide", "corsgate.gate.near_paths"),
        *("corsgate.gate.request_shape",),
        *("corsgate.gate.response_shape", "corsgate.gate.ruling"),
    )
)
"""Modules inside those packages that decide, and so may import and read as little as the others."""
MAY_IMPORT_REACTOR = frozenset(("tap", "demo", "cli"))

TWISTED = frozenset(("twisted", "treq", "OpenSSL"))
NEEDS_CRYPTOGRAPHY = frozenset(
    ("corsgate.config.model.certificates", "corsgate.config.model.jwt_algorithms")
)
"""What parses certificates and keys: these import cryptography inside the functions that do so."""
PURE = frozenset(
    ("errors", "message", "config", "routing", "cors", "explain", "learn", "explain_web")
)
"""Packages that can be imported where only Python and attrs are (tests/test_pure_imports.py)."""
OUTSIDE_WORLD = frozenset(
    (
        *("asyncio", "concurrent", "glob", "io", "logging", "multiprocessing", "os", "pathlib"),
        *("platform", "random", "secrets", "select", "selectors", "shutil", "signal", "socket"),
        *("socketserver", "ssl", "subprocess", "tempfile", "threading", "time", "uuid"),
        *("http.client", "http.server", "importlib.resources", "urllib.request"),
    )
)
"""Modules that read a clock, chance, the environment, files or the network, or lead there."""
READS = frozenset(("open", "input", "print", "now", "utcnow", "today"))
"""Functions and methods that do so without an import of their own."""

MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def modules() -> list[tuple[str, ast.Module]]:
    """Return the dotted name and the syntax tree of each module of corsgate."""
    return [(dotted(path), ast.parse(path.read_bytes())) for path in files("corsgate") if py(path)]


def py(path: Path) -> bool:
    """Return whether a path is a Python module's."""
    return path.suffix == ".py"


def dotted(path: Path) -> str:
    """Return the name that a module is imported by."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package_of(module: str) -> str:
    """Return the name below corsgate: ``wire`` for ``corsgate.upstream.agent``."""
    return module.split(".")[1] if "." in module else ""


def may_import_twisted(module: str) -> bool:
    """Return whether a module belongs to the shell, and not to what decides."""
    return package_of(module) in MAY_IMPORT_TWISTED and module not in DECIDES


def imports(tree: ast.AST) -> Iterator[str]:
    """Return the dotted names that are imported anywhere in a tree, in functions too.

    ``from a import b`` gives ``a.b``, since ``b`` may be a module.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = "." * node.level + (node.module or "")
            yield from (f"{start}.{alias.name}" for alias in node.names)


def is_in(name: str, roots: frozenset[str]) -> bool:
    """Return whether a dotted name is one of `roots` or below it."""
    return any(name == root or name.startswith(f"{root}.") for root in roots)


def row(package: str) -> int:
    """Return a package's place in `ORDER`; ValueError where it has none."""
    for number, names in enumerate(ORDER):
        if package in names:
            return number
    raise ValueError(package)


def reactor_imports(tree: ast.AST) -> list[ast.AST]:
    """Return the statements that import the reactor, which also installs one."""
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        and any(is_in(name, frozenset(("twisted.internet.reactor",))) for name in imports(node))
    ]


def inside_functions(tree: ast.AST) -> set[int]:
    """Return the ids of the nodes that only run when a function is called."""
    return {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, _FUNCTIONS)
        for node in ast.walk(function)
    }


def runtime_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Return the nodes of a tree, without those that are for type checkers only."""
    if isinstance(tree, ast.If) and ast.unparse(tree.test) == "TYPE_CHECKING":
        return
    yield tree
    for child in ast.iter_child_nodes(tree):
        yield from runtime_nodes(child)


def clean(faults: Sequence[str]) -> str:
    """Return faults one below the other; empty where there are none."""
    return "\n".join(faults)


class ImportTests(SynchronousTestCase):
    """Who may import what."""

    def test_every_package_has_a_place(self) -> None:
        """A new package is put into the order, so that the other tests know its rank."""
        known = {name for names in ORDER for name in names}
        found = {package_of(name) for name, _ in modules()} - {""}
        self.assertEqual(found - known, set())

    def test_downwards_only(self) -> None:
        """A module imports nothing of corsgate's that comes after it, and nothing relatively."""
        faults = [
            f"{module} imports {name}"
            for module, tree in modules()
            if module != "corsgate"
            for name in imports(tree)
            if name.startswith(".")
            or (name.startswith("corsgate.") and row(package_of(name)) > row(package_of(module)))
        ]
        self.assertEqual(clean(faults), "")

    def test_deciding_modules_know_no_twisted(self) -> None:
        """Outside the shell, nothing imports twisted, treq or OpenSSL."""
        faults = [
            f"{module} imports {name}"
            for module, tree in modules()
            if not may_import_twisted(module)
            for name in imports(tree)
            if is_in(name, TWISTED)
        ]
        self.assertEqual(clean(faults), "")

    def test_cryptography_is_imported_late(self) -> None:
        """What decides and reads configurations is imported without cryptography."""
        faults = []
        for module, tree in modules():
            if package_of(module) not in PURE:
                continue
            late = set() if module not in NEEDS_CRYPTOGRAPHY else inside_functions(tree)
            faults += [
                f"{module} imports {name}"
                for node in runtime_nodes(tree)
                if isinstance(node, ast.Import | ast.ImportFrom) and id(node) not in late
                for name in imports(node)
                if is_in(name, frozenset(("cryptography",)))
            ]
        self.assertEqual(clean(faults), "")

    def test_deciding_modules_touch_nothing(self) -> None:
        """Outside the shell, no clock, chance, environment, file or socket is read."""
        faults = []
        for module, tree in modules():
            if may_import_twisted(module):
                continue
            faults += [
                f"{module} imports {name}" for name in imports(tree) if is_in(name, OUTSIDE_WORLD)
            ]
            faults += [f"{module} calls {name}" for name in calls(tree) if name in READS]
        self.assertEqual(clean(faults), "")

    def test_reactor_is_passed(self) -> None:
        """Only what starts a process imports the reactor, and does so inside a function."""
        faults = []
        for module, tree in modules():
            inside = inside_functions(tree)
            for node in reactor_imports(tree):
                if package_of(module) not in MAY_IMPORT_REACTOR or id(node) not in inside:
                    faults.append(f"{module} imports the reactor")
        self.assertEqual(clean(faults), "")

    def test_importing_installs_no_reactor(self) -> None:
        """All modules can be imported before somebody chooses the reactor."""
        names = [name for name, _ in modules() if not name.endswith("__main__")]
        script = (
            "import importlib, sys\n"
            "for name in sys.argv[1:]:\n"
            "    importlib.import_module(name)\n"
            "    if 'twisted.internet.reactor' in sys.modules:\n"
            "        sys.exit(f'{name} installs a reactor')\n"
        )
        done = run([sys.executable, "-c", script, *names], ROOT)
        self.assertEqual((done.returncode, done.stderr), (0, ""))


def calls(tree: ast.AST) -> Iterator[str]:
    """Return the last names of what is called: ``now`` for ``datetime.now()``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield node.func.id
            elif isinstance(node.func, ast.Attribute):
                yield node.func.attr


class DocumentTests(SynchronousTestCase):
    """docs/explanation/architecture.md."""

    TEXT = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")

    def test_names(self) -> None:
        """Each file and folder that it names is there."""
        named = re.findall(r"`([\w/.]+(?:\.py|\.md|\.toml|\.json|/))`", self.TEXT)
        self.assertGreater(len(named), 40)
        missing = [
            name
            for name in named
            if not (ROOT / name).exists() and not (ROOT / "corsgate" / name).exists()
        ]
        self.assertEqual(missing, [])

    def test_map(self) -> None:
        """Each package has its place on the map."""
        packages = {path.parent for path in files("corsgate") if path.name == "__init__.py"}
        named = {str(path.relative_to(ROOT / "corsgate")) for path in packages} - {"."}
        self.assertEqual({name for name in named if f"`{name}/`" not in self.TEXT}, set())


class RuleTests(SynchronousTestCase):
    """The tests above see what they are meant to see."""

    def test_imports_are_seen(self) -> None:
        """Imports count in every spelling and place."""
        source = "import a.b\nfrom c import d\ndef f():\n    from .e import g\n"
        self.assertEqual(list(imports(ast.parse(source))), ["a.b", "c.d", ".e.g"])

    def test_reactor_is_seen(self) -> None:
        """The reactor is found in both spellings; a module named alike isn't it."""
        for source in ("from twisted.internet import reactor", "import twisted.internet.reactor"):
            self.assertEqual(len(reactor_imports(ast.parse(source))), 1, source)
        self.assertEqual(reactor_imports(ast.parse("from twisted.internet import reactors")), [])

    def test_type_checking_is_left_out(self) -> None:
        """Imports for type checkers don't count as imports at run time; others do."""
        source = "import a\nif TYPE_CHECKING:\n    import b\ndef f():\n    import c\n"
        tree = ast.parse(source)
        nodes = [node for node in runtime_nodes(tree) if isinstance(node, ast.Import)]
        self.assertEqual([name for node in nodes for name in imports(node)], ["a", "c"])
        self.assertEqual([id(node) in inside_functions(tree) for node in nodes], [False, True])

    def test_names_are_whole(self) -> None:
        """A module is banned with all below it, not with what its name begins."""
        self.assertTrue(is_in("os.path", OUTSIDE_WORLD))
        self.assertFalse(is_in("osgi", OUTSIDE_WORLD))

    def test_calls_are_seen(self) -> None:
        """Plain functions and methods both count."""
        self.assertEqual(set(calls(ast.parse("open('x'); datetime.now()"))), {"open", "now"})


class SizeTests(SynchronousTestCase):
    """What is too long is two things."""

    def test_modules(self) -> None:
        """No module is past 400 lines."""
        faults = [
            f"{path.relative_to(ROOT)}: {count} lines"
            for path in files("corsgate", "tests", "twisted")
            if py(path) and (count := len(path.read_text().splitlines())) > MAX_MODULE_LINES
        ]
        self.assertEqual(clean(faults), "")

    def test_functions(self) -> None:
        """No function is past a screen."""
        faults = [
            f"{module}.{node.name}: {count} lines"
            for module, tree in modules()
            for node in ast.walk(tree)
            if isinstance(node, _FUNCTIONS)
            and (count := (node.end_lineno or 0) - node.lineno + 1) > MAX_FUNCTION_LINES
        ]
        self.assertEqual(clean(faults), "")


class TreeTests(SynchronousTestCase):
    """What may be in the checkout."""

    def test_twisted_is_not_ours(self) -> None:
        """An ``__init__.py`` under ``twisted/`` would hide Twisted itself from ``twistd``."""
        self.assertEqual(
            [str(path.relative_to(ROOT)) for path in files("twisted")],
            ["twisted/plugins/corsgate_plugin.py"],
        )

    def test_tests_are_packages(self) -> None:
        """Each directory of tests has an ``__init__.py``, without which trial leaves it out."""
        faults = [
            str(path.relative_to(ROOT))
            for path in files("tests")
            if py(path) and not (path.parent / "__init__.py").exists()
        ]
        self.assertEqual(clean(faults), "")

    def test_no_paths_of_this_machine(self) -> None:
        """No file names the place of this checkout, which is another on every machine."""
        here = re.compile(rf"(?<![\w./-]){re.escape(str(ROOT))}(?![\w.-])")
        own = ("Makefile", "README.md", "CHANGELOG.md", "setup.cfg", "pyproject.toml", ".ci")
        faults = [
            str(path.relative_to(ROOT))
            for path in files("corsgate", "tests", "twisted", "etc", "docs", *own)
            if here.search(path.read_bytes().decode("utf-8", "replace"))
        ]
        self.assertEqual(clean(faults), "")
