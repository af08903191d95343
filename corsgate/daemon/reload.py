"""Reloads the running gate, and keeps the outcome of the last reload."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure

from corsgate.config.diff import Difference, differences
from corsgate.config.model.values import Config
from corsgate.daemon.loading import Loaded, Loader, Signature
from corsgate.errors import ConfigError, Fault
from corsgate.gate.service import GateService
from corsgate.gate.snapshot import Snapshot

STOPPING = "the gate is stopping; start it again"
BROKEN = "the reload failed because of a bug in corsgate, see the log; restart the gate"

_log = Logger()


@attrs.frozen(kw_only=True)
class ReloadOutcome:
    """The outcome of a reload.

    Attributes:
        time_s: When it ended, in seconds since 1970.
        trigger: The cause of the reload, such as ``SIGHUP``.
        faults: The faults that keep the old configuration in force, one text for each; empty if
            the new one is in force.
        changes: The effects of the change, as ``corsgate diff`` describes them.
    """

    time_s: float
    trigger: str
    faults: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()


class Reloader:
    """Reloads the gate on request, one reload at a time.

    A thread loads and checks the configuration, so requests continue in the meantime. Then it comes
    into force in one turn of the reactor, or nothing changes.

    Args:
        gate: The gate.
        reactor: The gate's reactor.
        wall_clock: Returns the seconds since 1970.
        loader: Loads the configuration file; None for a gate without a file, which can't reload.
        loaded: The configuration that was loaded at the start.
        follow: Called with a configuration just before the gate serves it, to apply its other
            settings. If it fails, nothing changes.

    Attributes:
        last: The outcome of the last reload; None before the first one. A reload that only reads
            secrets does not replace a failure of the configuration file, which still can't start.
        succeeded: How many reloads succeeded.
        failed: How many reloads kept the old configuration.
        began: Called when a reload starts.
        ended: Called with the outcome when it ends.
    """

    def __init__(
        self,
        gate: GateService,
        reactor: Any,
        wall_clock: Callable[[], float],
        loader: Loader | None = None,
        loaded: Loaded | None = None,
        follow: Callable[[Config], None] = lambda config: None,
    ) -> None:
        self._gate = gate
        self._follow = follow
        self._reactor = reactor
        self._wall_clock = wall_clock
        self._loader = loader
        self._loaded = loaded
        self._running = False
        # The requests since the running reload started, each with its trigger.
        self._asked: list[tuple[str, Deferred[ReloadOutcome]]] = []
        self._secrets_only = True
        self._file_is_faulty = False
        self.last: ReloadOutcome | None = None
        self.succeeded = 0
        self.failed = 0
        self.began: list[Callable[[], None]] = []
        self.ended: list[Callable[[ReloadOutcome], None]] = []

    @property
    def secret_files(self) -> Mapping[str, Signature]:
        """The files of the secrets in force, each with its signature just before it was read."""
        return {} if self._loaded is None else self._loaded.inputs.secret_files

    def reload(self, trigger: str, *, secrets_only: bool = False) -> Deferred[ReloadOutcome]:
        """Read the configuration file again, with all files that it names, and serve it.

        If anything has a fault, the whole old configuration stays in force.

        Args:
            trigger: The cause, for the log.
            secrets_only: Whether to read only the files of secrets again, for the current
                configuration.

        Returns:
            A Deferred of the outcome of a reload that starts after this call. While one runs, all
            callers share the next one.
        """
        asked: Deferred[ReloadOutcome] = Deferred()
        self._asked.append((trigger, asked))
        self._secrets_only = self._secrets_only and secrets_only
        if not self._running:
            self._next()
        return asked

    def _next(self) -> None:
        asked, self._asked = self._asked, []
        if not asked:
            return
        self._running = True
        secrets_only, self._secrets_only = self._secrets_only, True
        triggers = ", ".join(dict.fromkeys(trigger for trigger, _ in asked))
        running: Deferred[ReloadOutcome] = Deferred.fromCoroutine(
            self._run(triggers, secrets_only=secrets_only)
        )

        def ended(outcome: ReloadOutcome) -> None:
            self._running = False
            for _, each in asked:
                each.callback(outcome)
            self._next()

        def broke_off(failure: Failure) -> ReloadOutcome:
            # Otherwise no later reload would ever start.
            _log.failure("a reload ended with an error", failure)
            return ReloadOutcome(time_s=self._wall_clock(), trigger="", faults=(BROKEN,))

        running.addErrback(broke_off)
        running.addCallback(ended)
        running.addErrback(
            lambda failure: _log.failure("the outcome of a reload was not reported", failure)
        )

    async def _run(self, trigger: str, *, secrets_only: bool) -> ReloadOutcome:
        """Reload, and log the outcome."""
        began_s = self._reactor.seconds()
        self._notify(self.began)
        faults: Sequence[str] = ()
        changes: Sequence[Difference] = ()
        try:
            changes = await self._replace(secrets_only=secrets_only)
        except ConfigError as error:
            faults = [str(fault) for fault in error.faults]
        except Exception:
            _log.failure("a reload failed")
            faults = [BROKEN]
        outcome = ReloadOutcome(
            time_s=self._wall_clock(),
            trigger=trigger,
            faults=tuple(faults),
            changes=tuple(map(str, changes)),
        )
        if not secrets_only:
            self._file_is_faulty = bool(faults)
        if not (secrets_only and self._file_is_faulty):
            self.last = outcome
        self.succeeded += not faults
        self.failed += bool(faults)
        self._report(outcome, self._reactor.seconds() - began_s)
        self._notify(self.ended, outcome)
        return outcome

    async def _replace(self, *, secrets_only: bool) -> Sequence[Difference]:
        """Put the file's configuration into force; return the changes.

        Raises:
            ConfigError: The file has faults. Nothing has changed.
        """
        gate = self._gate
        if gate.draining:
            raise ConfigError([Fault(file=gate.file, problem=STOPPING, fix="")])
        if self._loader is None:
            return ()
        pool = self._reactor.getThreadPool()
        try:
            loaded, snapshot, changes = await deferToThreadPool(
                self._reactor, pool, self._prepare, secrets_only
            )
            await gate.swap(snapshot, self._follow)
        except ConfigError:
            # The cause may be logrotate, which has renamed the log.
            gate.reopen_log()
            raise
        self._loaded = loaded
        for line in loaded.lines:
            _log.warn("{line}", line=line)
        return changes

    def _prepare(self, secrets_only: bool) -> tuple[Loaded, Snapshot, Sequence[Difference]]:
        """Load the file and prepare its configuration, in a thread."""
        assert self._loader is not None
        loader, old = self._loader, self._loaded
        if secrets_only and old is not None:
            loaded = loader.load_secrets(old.inputs)
        else:
            loaded = loader.load()
        changes: Sequence[Difference] = ()
        if old is not None:
            changes = differences(old.config, loaded.config, old.document, loaded.document)
        return loaded, self._gate.prepare(loaded.fitted), changes

    def _report(self, outcome: ReloadOutcome, took_s: float) -> None:
        trigger, took = outcome.trigger, f"{took_s:.2f}"
        for fault in outcome.faults:
            _log.error("reload: {fault}", fault=fault)
        for change in outcome.changes:
            _log.info("reload: {change}", change=change)
        if outcome.faults:
            _log.error(
                "reload ({trigger}) failed after {took} s with {count} fault(s): the old"
                " configuration stays in force",
                trigger=trigger,
                took=took,
                count=len(outcome.faults),
            )
        elif self._loader is None:
            _log.info(
                "reload ({trigger}): there is no configuration file, so there is nothing to reload",
                trigger=trigger,
            )
        else:
            count = len(outcome.changes)
            _log.info(
                "reload ({trigger}) took {took} s: {what}",
                trigger=trigger,
                took=took,
                what=f"{count} change(s) in force" if count else "nothing changed",
            )

    def _notify(self, callbacks: Sequence[Callable[..., None]], *arguments: Any) -> None:
        for each in callbacks:
            try:
                each(*arguments)
            except Exception:
                _log.failure("a part of the gate did not follow a reload")
