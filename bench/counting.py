"""Count function calls and executed bytecodes."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

_ROOTS: Final = (
    sysconfig.get_path("purelib"),
    sysconfig.get_path("stdlib"),
    str(Path(__file__).resolve().parents[1]),
)


class Function:
    """The counts of one function.

    Args:
        code: The function's code object.

    Attributes:
        calls: How often it was entered; a coroutine counts each time that it is resumed.
        bytecodes: How many it has executed itself, without those of functions that it called.
    """

    __slots__ = ("_code", "_step", "bytecodes", "calls")

    def __init__(self, code: CodeType) -> None:
        self.calls = 0
        self.bytecodes = 0
        self._code = code
        # `sys.settrace` needs a function that returns itself. Bind it only once, since it is called
        # for each bytecode.
        self._step = self.step

    @property
    def name(self) -> str:
        """Its file, and its qualified name."""
        file = self._code.co_filename
        root = next((root for root in _ROOTS if Path(file).is_relative_to(root)), None)
        shown = file if root is None else str(Path(file).relative_to(root))
        return f"{shown}:{self._code.co_qualname}"

    def step(self, frame: FrameType, event: str, _: object) -> Any:
        """Handle an event of one of its frames, see `sys.settrace`."""
        if event == "opcode":
            self.bytecodes += 1
        return self._step


class Counts:
    """Counts calls that are made through it.

    Args:
        left_out: The files whose code isn't counted; code that it calls elsewhere is.

    Attributes:
        exchanges: How many exchanges were counted.
        c_calls: How many calls there were of functions not written in Python.
    """

    def __init__(self, left_out: frozenset[str]) -> None:
        self.exchanges = 0
        self.c_calls = 0
        self._left_out = left_out | {__file__}
        # Keyed by the id of the code, because its hash is computed again each time.
        self._functions: dict[int, Function] = {}

    @property
    def functions(self) -> list[Function]:
        """The functions that were called."""
        return list(self._functions.values())

    @property
    def calls_each(self) -> float:
        """Calls of Python functions per exchange."""
        return sum(each.calls for each in self.functions) / self.exchanges

    @property
    def c_calls_each(self) -> float:
        """Calls of other functions per exchange."""
        return self.c_calls / self.exchanges

    @property
    def bytecodes_each(self) -> float:
        """Bytecodes per exchange."""
        return sum(each.bytecodes for each in self.functions) / self.exchanges

    def add(self, other: Counts) -> None:
        """Add the counts of another one."""
        self.exchanges += other.exchanges
        self.c_calls += other.c_calls
        for key, function in other._functions.items():
            own = self._functions.setdefault(key, function)
            if own is not function:
                own.calls += function.calls
                own.bytecodes += function.bytecodes

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        """Call a function and count its work, including the call itself.

        Args:
            function: The function.
            arguments: Its arguments.
        """
        # A debugger or a coverage tool may have set its own functions.
        tracing, profiling = sys.gettrace(), sys.getprofile()
        sys.setprofile(self._note)
        sys.settrace(self._enter)
        try:
            function(*arguments)
        finally:
            sys.settrace(tracing)
            sys.setprofile(profiling)

    def _enter(self, frame: FrameType, event: str, _: object) -> Any:
        code = frame.f_code
        if code.co_filename in self._left_out:
            return None
        function = self._functions.get(id(code))
        if function is None:
            function = self._functions[id(code)] = Function(code)
        function.calls += 1
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return function.step

    def _note(self, frame: FrameType, event: str, _: object) -> None:
        if event == "c_call" and frame.f_code.co_filename not in self._left_out:
            self.c_calls += 1
