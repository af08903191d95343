"""Rerun commands that print secrets, after a server has rejected such a secret."""

from __future__ import annotations

from collections.abc import Callable

import attrs
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from corsgate.config.model.command import Command, printed_secret
from corsgate.config.model.secret import Secret
from corsgate.errors import BadValue

INTERVAL_S = 10.0
"""The minimum interval between runs of a command, in seconds. Without it, a wrong password could
start a process for each request."""

_log = Logger()


@attrs.define(eq=False)
class _Rerun:
    """The last run of a command.

    Attributes:
        began_s: When it started, in seconds of the reactor's clock.
        running: Whether it is still running.
        text: The secret that it printed; None until it has.
        waiting: Deferreds to fire when it has ended.
        problem: The logged reason of its failure; empty if it succeeded.
    """

    began_s: float
    running: bool = True
    text: str | None = attrs.field(default=None, repr=False)
    waiting: list[Deferred[None]] = attrs.Factory(list)
    problem: str = ""


class SecretCommands:
    """The commands that were rerun, shared by all upstreams and configurations of the process.

    Args:
        seconds: Returns the seconds of the reactor's clock.
        run: Runs a command in a thread; its Deferred fires with the output, or fails with BadValue.
    """

    def __init__(
        self, seconds: Callable[[], float], run: Callable[[Command], Deferred[bytes]]
    ) -> None:
        self.seconds = seconds
        self._run = run
        self._reruns: dict[Command, _Rerun] = {}

    async def newer(self, secret: Secret, since_s: float) -> str | None:
        """Return the output of a secret's command, if it is a new secret.

        The command runs once for all waiting requests, and at most every `INTERVAL_S`.

        Args:
            secret: The rejected secret, which must have a command.
            since_s: Since when it has been in use, in seconds of the reactor's clock.

        Returns:
            The new text; None if it is the same, or the command failed or was run recently.
        """
        command = secret.command
        assert command is not None, "the secret has a command"
        known = self._reruns.get(command)
        if known is not None and known.running:
            await self._ended(known)
        elif not self._is_newer(known, secret, since_s):
            if known is not None and self.seconds() - known.began_s < INTERVAL_S:
                return None
            known = self._start(command, known)
            await self._ended(known)
        return known.text if known is not None and self._is_newer(known, secret, since_s) else None

    def _is_newer(self, known: _Rerun | None, secret: Secret, since_s: float) -> bool:
        """Return whether a different secret was printed after this one."""
        if known is None or known.text is None or known.began_s < since_s:
            return False
        return known.text != secret.reveal()

    def _start(self, command: Command, before: _Rerun | None) -> _Rerun:
        rerun = _Rerun(self.seconds(), problem="" if before is None else before.problem)
        self._reruns[command] = rerun

        def printed(output: bytes) -> None:
            rerun.text = printed_secret(command, output)
            rerun.problem = ""

        def failed(failure: Failure) -> None:
            if failure.check(BadValue) is None:
                _log.failure("a command for a secret could not be run", failure)
                return
            problem = str(failure.value)
            if problem != rerun.problem:
                _log.warn(
                    "a secret was rejected, and its command failed: {problem}", problem=problem
                )
            rerun.problem = problem

        def ended(_: object) -> None:
            rerun.running = False
            waiting, rerun.waiting = rerun.waiting, []
            for each in waiting:
                each.callback(None)

        self._run(command).addCallback(printed).addErrback(failed).addBoth(ended)
        return rerun

    @staticmethod
    def _ended(rerun: _Rerun) -> Deferred[None]:
        """Return a Deferred that fires when a run ends; cancelling it doesn't stop the run."""
        if not rerun.running:
            return succeed(None)
        waiting: Deferred[None] = Deferred(rerun.waiting.remove)
        rerun.waiting.append(waiting)
        return waiting
