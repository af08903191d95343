"""What the daemon can log, read from its source: for tests that compare it with the documents."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

import attrs

from tests.tree import ROOT, files

LEVELS = frozenset(("warn", "error", "critical", "failure"))
"""The methods of a Logger that log more than information."""

TELLERS = frozenset(("_count", "_in_trouble", "_report", "_tell", "tell", "_warn"))
"""Functions that log the text that they are called with, in a format that has a place for it."""

OF_CONSTANTS = frozenset(("_count",))
"""Those of them whose texts have names; a literal is something else's."""

GAP = "\0"
"""Stands in a text for what is only known when it is logged."""

FEW_LETTERS = 8
"""A text with fewer of its own comes from elsewhere, such as ``{fault}``."""

SAYING = frozenset(("fit", "in_clear", "lapse", "warning", "_open"))
"""Functions that return the text of a warning, or a text and its fix."""

_PLACE = re.compile(r"\{[^{}]*\}")
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@attrs.frozen(kw_only=True)
class Text:
    """A text that may be logged.

    Attributes:
        where: The file and the line that it is logged from.
        text: It, with `GAP` for each part that varies.
    """

    where: str
    text: str

    @property
    def pieces(self) -> list[str]:
        """The parts that never vary."""
        found = (" ".join(piece.split()) for piece in self.text.split(GAP))
        return [piece for piece in found if re.search(r"\w", piece)]

    @property
    def is_derived(self) -> bool:
        """Whether it is little more than a place for another text."""
        return sum(len(re.findall(r"[A-Za-z]", piece)) for piece in self.pieces) < FEW_LETTERS

    @property
    def shown(self) -> str:
        """It, as a document shows it."""
        return " ".join(self.text.replace(GAP, " … ").split())

    def stands_in(self, line: str) -> bool:
        """Return whether a line has all of its parts that never vary, in their order."""
        at = 0
        for piece in self.pieces:
            found = line.find(piece, at)
            if found < 0:
                return False
            at = found + len(piece)
        return True


class _Module:
    """One module of corsgate.

    Args:
        name: Its path in the checkout.
        tree: Its syntax.
    """

    def __init__(self, name: str, tree: ast.Module) -> None:
        self.name, self.tree = name, tree
        self._constants = dict(_assigned(tree.body))

    def functions(self) -> Iterator[tuple[ast.AST, Mapping[str, list[ast.expr]]]]:
        """Return each function with what its names may stand for, and the module's own level."""
        for node in ast.walk(self.tree):
            if isinstance(node, _FUNCTIONS):
                local: dict[str, list[ast.expr]] = {}
                for name, values in _assigned(list(ast.walk(node))):
                    local.setdefault(name, []).extend(values)
                yield node, {**self._constants, **local}

    def findings(self) -> dict[str, tuple[Text, Text]]:
        """Return the problems and fixes that stand at the module's own level, as pairs."""
        found = {}
        for values in self._constants.values():
            for value in values:
                if isinstance(value, ast.Tuple) and len(value.elts) == 2:
                    problem, fix = (next(self.texts(e, self._constants)) for e in value.elts)
                    if not problem.is_derived and " " in problem.text:
                        found[problem.text] = (problem, fix)
        return found

    def texts(self, node: ast.expr, names: Mapping[str, list[ast.expr]]) -> Iterator[Text]:
        """Return all that an expression may stand for."""
        where = f"{self.name}:{node.lineno}"
        for text in _values(node, names, formatted=False):
            yield Text(where=where, text=_PLACE.sub(GAP, text))


def _assigned(nodes: Sequence[ast.AST]) -> Iterator[tuple[str, list[ast.expr]]]:
    """Return each name that is assigned to, with the value."""
    for node in nodes:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield from _unpacked(target, node.value)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            yield from _unpacked(node.target, node.value)


def _unpacked(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, list[ast.expr]]]:
    if isinstance(target, ast.Name):
        yield target.id, [value]
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, other in zip(target.elts, value.elts, strict=False):
            yield from _unpacked(one, other)


def _values(
    node: ast.expr, names: Mapping[str, list[ast.expr]], *, formatted: bool
) -> Iterator[str]:
    """Return the texts that an expression may have; `GAP` stands for what can't be seen."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield from _joined(list(node.values), names)
    elif isinstance(node, ast.FormattedValue):
        found = list(_values(node.value, names, formatted=True))
        yield from found
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        yield from _joined([node.left, node.right], names)
    elif isinstance(node, ast.IfExp):
        yield from _values(node.body, names, formatted=formatted)
        yield from _values(node.orelse, names, formatted=formatted)
    elif isinstance(node, ast.Name) and node.id in names and not formatted:
        # A name that stands for itself in part, as in `text += more`, is looked at once.
        others = {name: value for name, value in names.items() if name != node.id}
        for value in names[node.id]:
            yield from _values(value, others, formatted=formatted)
    elif (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "format"
    ):
        yield from _values(node.func.value, names, formatted=formatted)
    else:
        yield GAP


def _joined(parts: list[ast.expr], names: Mapping[str, list[ast.expr]]) -> Iterator[str]:
    texts = [""]
    for part in parts:
        texts = [
            before + text for before in texts for text in _values(part, names, formatted=False)
        ]
    yield from texts


@cache
def _modules() -> tuple[_Module, ...]:
    return tuple(
        _Module(str(path.relative_to(ROOT)), ast.parse(path.read_bytes()))
        for path in files("corsgate")
        if path.suffix == ".py"
    )


def _is_of_log(node: ast.AST, names: Mapping[str, list[ast.expr]]) -> bool:
    """Return whether an expression may be a method of a Logger that logs a warning or worse."""
    if isinstance(node, ast.Name) and node.id in names:
        values = [each for value in names[node.id] for each in ast.walk(value)]
        return any(_is_of_log(each, {}) for each in values)
    if not (isinstance(node, ast.Attribute) and node.attr in LEVELS):
        return False
    owner = node.value
    name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
    return name.strip("_").endswith("log")


@cache
def logged() -> tuple[Text, ...]:
    """Return each text that is logged as a warning or worse, those of `TELLERS` too."""
    found: dict[str, Text] = {}
    for module in _modules():
        for function, names in module.functions():
            for node in ast.walk(function):
                if not isinstance(node, ast.Call):
                    continue
                called = getattr(node.func, "attr", getattr(node.func, "id", ""))
                # What is called in another thread comes as an argument, its text after it.
                after = [at for at, each in enumerate(node.args) if _is_of_log(each, names)]
                arguments = node.args[after[0] + 1 :] if after else node.args
                if not (_is_of_log(node.func, names) or after or called in TELLERS):
                    continue
                # The text may come after what it is about.
                for argument in arguments[: 1 if _is_of_log(node.func, names) or after else None]:
                    if called in OF_CONSTANTS and not isinstance(argument, ast.Name):
                        continue
                    for text in module.texts(argument, names):
                        found.setdefault(text.text, text)
    return tuple(found.values())


@cache
def warnings() -> tuple[tuple[Text, Text], ...]:
    """Return the problem and the fix of each warning about a valid configuration.

    These are the arguments of ``notes.warn(path, problem, fix)``, and the tuples of a key, a
    problem and a fix that functions of warnings, findings and risks make.
    """
    found: dict[str, tuple[Text, Text]] = {}
    for module in _modules():
        found |= module.findings()
        for function, names in module.functions():
            name = getattr(function, "name", "")
            of_findings = module.name in ("corsgate/cors/warnings.py", "corsgate/cors/risks.py")
            of_findings = of_findings or name.endswith(("_warnings", "_findings"))
            for node in ast.walk(function):
                parts: list[ast.expr] = []
                if isinstance(node, ast.Call) and len(node.args) == 3:
                    method = node.func
                    if isinstance(method, ast.Attribute) and method.attr == "warn":
                        parts = node.args[1:]
                elif isinstance(node, ast.Tuple) and of_findings and len(node.elts) > 1:
                    parts = node.elts[-2:] if len(node.elts) > 2 else [node.elts[-1]]
                elif isinstance(node, ast.Return) and name in SAYING and node.value is not None:
                    value = node.value
                    parts = value.elts if isinstance(value, ast.Tuple) else [value]
                elif isinstance(node, ast.Assign) and name in SAYING:
                    parts = [value for target, (value,) in _assigned([node]) if target == "line"]
                if not parts:
                    continue
                fixes = list(module.texts(parts[-1], names))
                for problem in module.texts(parts[0], names):
                    if not problem.is_derived and " " in problem.text:
                        found.setdefault(problem.text, (problem, fixes[0]))
    return tuple(found.values())
