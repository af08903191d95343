"""The turns in which a connection's streams send."""

from __future__ import annotations

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from corsgate.server.http2.pump import FRAMES_PER_WRITE, Pump


class Stream:
    """A stream with so many frames to send.

    Args:
        name: What each of them is noted as.
        frames: How many there are.
        noted: Where.
        then: Called after each.
    """

    def __init__(
        self, name: str, frames: int, noted: list[str], then: Callable[[], None] | None = None
    ) -> None:
        self._name = name
        self._left = frames
        self._noted = noted
        self._then = then

    def send_some(self) -> bool:
        """Send a frame, if there is one."""
        self._left -= 1
        if self._left >= 0:
            self._noted.append(self._name)
        return self._left >= 0

    def turn_ended(self, *, sent: bool) -> None:
        """Do what the test wants."""
        if self._then is not None and sent:
            self._then()


class PumpTests(SynchronousTestCase):
    """`Pump`."""

    def setUp(self) -> None:
        """Make one."""
        self.pump = Pump()
        self.noted: list[str] = []

    def run_pump(self) -> str:
        """Let it send; return what was sent, and where it was flushed."""
        self.pump.run(lambda: self.noted.append("|"))
        said = "".join(self.noted)
        self.noted.clear()
        return said

    def test_turns(self) -> None:
        """Each stream sends a frame in turn; so many are flushed at once."""
        streams = [Stream(name, frames, self.noted) for name, frames in (("a", 3), ("b", 1))]
        self.pump.add(*streams)
        self.pump.add(Stream("c", 2, self.noted))
        self.assertEqual(FRAMES_PER_WRITE, 4)
        self.assertEqual(self.run_pump(), "abca|ca")
        self.assertEqual(self.run_pump(), "")

    def test_dropped(self) -> None:
        """A stream that is done with has no turn."""
        stream = Stream("a", 3, self.noted)
        self.pump.add(stream)
        self.pump.drop(stream)
        self.pump.drop(stream)
        self.assertEqual(self.run_pump(), "")

    def test_paused(self) -> None:
        """Nothing leaves while it is paused; who had no turn has the first one afterwards."""
        self.pump.add(Stream("a", 3, self.noted, self.pump.pause), Stream("b", 1, self.noted))
        self.assertEqual(self.run_pump(), "a")
        self.assertFalse(self.pump.flows)
        self.assertEqual(self.run_pump(), "")
        self.pump.resume()
        self.assertTrue(self.pump.flows)
        self.assertEqual(self.run_pump(), "ba")
        self.pump.pause()
        self.pump.resume()
        self.assertEqual(self.run_pump(), "a")

    def test_resumed_meanwhile(self) -> None:
        """A transport that is full and empty again within a write ends a run at most."""

        def blink() -> None:
            self.pump.pause()
            self.pump.resume()

        self.pump.add(Stream("a", 2, self.noted, blink))
        self.assertEqual([self.run_pump() for _ in range(3)], ["a", "a", ""])

    def test_within(self) -> None:
        """What is added while it runs has its turn in the same run."""

        def more() -> None:
            self.pump.add(late)
            self.pump.run(lambda: self.fail("it runs already"))

        late = Stream("b", 1, self.noted)
        self.pump.add(Stream("a", 1, self.noted, more))
        self.assertEqual(self.run_pump(), "ab")

    def test_closed(self) -> None:
        """Nothing leaves any more once it is closed, whatever the transport says."""
        self.pump.add(Stream("a", 3, self.noted, self.pump.close))
        self.assertEqual(self.run_pump(), "a")
        for act in (self.pump.pause, self.pump.resume, self.pump.close):
            act()
            self.pump.add(Stream("a", 3, self.noted))
            self.assertEqual(self.run_pump(), "")
            self.assertFalse(self.pump.flows)

    def test_failed(self) -> None:
        """A stream that fails leaves it ready to run again."""

        def fail() -> None:
            raise ValueError

        self.pump.add(Stream("a", 1, self.noted, fail), Stream("b", 1, self.noted))
        self.assertRaises(ValueError, self.run_pump)
        self.assertEqual(self.run_pump(), "ab")
