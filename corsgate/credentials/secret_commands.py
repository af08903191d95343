"""Rerun commands that print secrets, after a server has rejected such a secret."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import attrs
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from corsgate.config.model.command import Command, printed_secret
from corsgate.config.model.secret import Secret
from corsgate.credentials.single_flight import SingleFlight
from corsgate.errors import BadValue

INTERVAL_S = 10.0
"""The minimum interval between runs of a command, in seconds. Without it, a wrong password could
start a process for each request."""

_log = Logger()


@attrs.define(eq=False)
class _Reruns:
    """The reruns of one command.

    Attributes:
        began_s: When the last one started, in seconds of the reactor's clock; None if none has.
        text: The secret that it printed; None until it has.
        problem: The logged reason of the last failure; empty after a success.
        running: The one that is running.
    """

    began_s: float | None = None
    text: str | None = attrs.field(default=None, repr=False)
    problem: str = ""
    running: SingleFlight[None] = attrs.Factory(SingleFlight)


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
        self._reruns: dict[Command, _Reruns] = {}

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
        known = self._reruns.setdefault(command, _Reruns())
        if known.running.is_running or self._is_due(known, secret, since_s):
            await known.running.join(partial(self._rerun, command, known))
        return known.text if self._is_newer(known, secret, since_s) else None

    def _is_due(self, known: _Reruns, secret: Secret, since_s: float) -> bool:
        """Return whether a rerun may help, and the last one was not too recently."""
        if self._is_newer(known, secret, since_s):
            return False
        return known.began_s is None or self.seconds() - known.began_s >= INTERVAL_S

    def _is_newer(self, known: _Reruns, secret: Secret, since_s: float) -> bool:
        """Return whether a different secret was printed after this one came into use."""
        if known.text is None or known.began_s is None or known.began_s < since_s:
            return False
        return known.text != secret.reveal()

    async def _rerun(self, command: Command, known: _Reruns) -> None:
        """Run a command and record its output; failures are logged."""
        known.began_s, known.text = self.seconds(), None
        try:
            known.text = printed_secret(command, await self._run(command))
        except BadValue as error:
            before, known.problem = known.problem, str(error)
            if known.problem != before:
                _log.warn(
                    "a secret was rejected, and its command failed: {problem}",
                    problem=known.problem,
                )
        except Exception:
            _log.failure("a command for a secret could not be run")
        else:
            known.problem = ""
