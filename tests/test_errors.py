"""Tests of `corsgate.errors`: how faults are shown, and who catches what."""

from __future__ import annotations

import inspect
from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from corsgate import errors
from corsgate.errors import (
    BadValue,
    ConfigError,
    ConnectFailed,
    CorsgateError,
    Fault,
    PolicyError,
    UpstreamError,
)

RAISED = [
    cls
    for _, cls in inspect.getmembers(errors, inspect.isclass)
    if issubclass(cls, Exception) and cls.__module__ == errors.__name__
]


class FaultTests(SynchronousTestCase):
    """A fault is one line: where, what is wrong, how to fix it."""

    def test_shows_only_what_there_is(self) -> None:
        """Without a line, key or fix, nothing stands in its place."""
        for line, key, fix in product((None, 3), ("", "a.b"), ("", "fix it")):
            fault = Fault(file="c.toml", line=line, key=key, problem="it is wrong", fix=fix)
            self.assertEqual(
                str(fault),
                "c.toml"
                + (":3" if line else "")
                + ":"
                + (" a.b:" if key else "")
                + " it is wrong"
                + ("; fix it" if fix else ""),
            )

    def test_bad_values(self) -> None:
        """They are shown alike, wherever they are caught."""
        self.assertEqual(str(BadValue("it is wrong", "fix it")), "it is wrong; fix it")
        self.assertEqual(str(BadValue("it is wrong", "")), "it is wrong")


class GatheredTests(SynchronousTestCase):
    """Errors that hold many faults."""

    def test_config(self) -> None:
        """Each fault is a line; warnings are kept, but are no reason for the error."""
        faults = [Fault(file="c", problem=problem, fix="") for problem in ("one", "two")]
        error = ConfigError(faults, [Fault(file="c", problem="odd", fix="")])
        self.assertEqual(str(error), "c: one\nc: two")
        self.assertEqual((len(error.faults), len(error.warnings)), (2, 1))
        self.assertEqual(ConfigError(faults).warnings, ())

    def test_policy(self) -> None:
        """Each fault is a line with its key."""
        error = PolicyError([("allow_origins", "it is wrong", "fix it"), ("max_age", "odd", "x")])
        self.assertEqual(str(error), "allow_origins: it is wrong; fix it\nmax_age: odd; x")
        self.assertEqual(error.faults[1], ("max_age", "odd", "x"))

    def test_later_changes_do_not_count(self) -> None:
        """An error keeps what it was raised with."""
        faults = [Fault(file="c", problem="one", fix="")]
        error = ConfigError(faults)
        faults.clear()
        self.assertEqual(len(error.faults), 1)


class FamilyTests(SynchronousTestCase):
    """What an except clause may rely on."""

    def test_one_base(self) -> None:
        """Every exception of ours is caught by its base."""
        self.assertGreater(len(RAISED), 20)
        strangers = [cls.__name__ for cls in RAISED if not issubclass(cls, CorsgateError)]
        self.assertEqual(strangers, [])

    def test_what_was_never_sent_may_go_elsewhere(self) -> None:
        """These mean that no server got any part of a request, so it may try another one."""
        self.assertEqual(
            {cls.__name__ for cls in RAISED if issubclass(cls, ConnectFailed)},
            {"ConnectFailed", "ConnectTimedOut"},
        )
        self.assertEqual(
            {cls.__name__ for cls in RAISED if issubclass(cls, errors.UpstreamBusy)},
            {
                *("UpstreamBusy", "QueueFull", "TunnelsFull"),
                *("UpstreamFull", "OutOfDescriptors"),
            },
        )

    def test_clients_and_servers_are_told_apart(self) -> None:
        """What a client did wrong is never blamed on an upstream."""
        for cls in (
            errors.TargetError,
            errors.MalformedRequest,
            errors.ConnectionFault,
            errors.BodyTooLarge,
            errors.BodyTimedOut,
            errors.ExchangeRevoked,
        ):
            self.assertFalse(issubclass(cls, UpstreamError), cls)

    def test_bad_input_is_a_value_error(self) -> None:
        """Code that reads a value may catch Python's own error."""
        for cls in (BadValue, PolicyError, errors.TargetError):
            self.assertTrue(issubclass(cls, ValueError), cls)

    def test_a_connection_fault_has_its_code(self) -> None:
        """The code goes to the client, and the text only to the log."""
        fault = errors.ConnectionFault(9, "bad HPACK")
        self.assertEqual((fault.code, str(fault)), (9, "bad HPACK"))
