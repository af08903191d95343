"""Counts what functions take: the calls that they make, and the bytecodes that are run."""

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
    """What was counted of one function.

    Args:
        code: The function's.

    Attributes:
        calls: How often it was entered; a coroutine counts each time that it goes on.
        bytecodes: How many it has run, without those of what it has called.
    """

    __slots__ = ("_code", "_step", "bytecodes", "calls")

    def __init__(self, code: CodeType) -> None:
        self.calls = 0
        self.bytecodes = 0
        self._code = code
        # It is called for each bytecode, and must return itself.
        self._step = self.step

    @property
    def name(self) -> str:
        """Its file and its name in that."""
        file = self._code.co_filename
        root = next((root for root in _ROOTS if Path(file).is_relative_to(root)), None)
        shown = file if root is None else str(Path(file).relative_to(root))
        return f"{shown}:{self._code.co_qualname}"

    def step(self, frame: FrameType, event: str, _: object) -> Any:
        """Take an event of a frame that runs it, as `sys.settrace` has it."""
        if event == "opcode":
            self.bytecodes += 1
        return self._step


class Counts:
    """Counts what is called through it.

    Args:
        left_out: The files whose code doesn't count; what that calls elsewhere does.

    Attributes:
        exchanges: How many exchanges were counted.
        c_calls: How many calls there were of what is not written in Python.
    """

    def __init__(self, left_out: frozenset[str]) -> None:
        self.exchanges = 0
        self.c_calls = 0
        self._left_out = left_out | {__file__}
        # By the identity of their code: its hash is worked out anew each time.
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
        """Add what another one has counted."""
        self.exchanges += other.exchanges
        self.c_calls += other.c_calls
        for key, function in other._functions.items():
            own = self._functions.setdefault(key, function)
            if own is not function:
                own.calls += function.calls
                own.bytecodes += function.bytecodes

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        """Call a function and count what that takes, its own call included.

        Args:
            function: The function.
            arguments: Its arguments.
        """
        # A debugger or a coverage tool may have set theirs.
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
