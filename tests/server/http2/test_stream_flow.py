"""Flow control and time-outs of HTTP/2: each side no faster than the other, and none for ever."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Limits
from corsgate.errors import BodyTimedOut
from corsgate.message.head import ResponseHead
from corsgate.server.http2.codec import CONNECTION_WINDOW, FIRST_WINDOW
from corsgate.server.request import GateRequest
from tests.server.http2.client import INITIAL_WINDOW_SIZE, Http2Client
from tests.server.support import Producer, Receiver, answer

OK = ResponseHead(status=200, reason=b"", headers=[])
WINDOW = 65536
LIMITS = Limits(
    max_buffered_bytes=WINDOW,
    client_body_timeout_s=20,
    response_idle_timeout_s=30,
    keep_alive_timeout_s=40,
    client_head_timeout_s=5,
    min_upload_rate=0,
    min_download_rate=0,
)


class Counting(Receiver):
    """Takes a large body, and keeps only its size."""

    size = 0

    def body_data(self, data: bytes) -> None:
        """Count a piece."""
        self.size += len(data)


class UploadTests(SynchronousTestCase):
    """A client's window is opened as its body is taken."""

    def test_nobody_takes(self) -> None:
        """What nobody takes has the window's size, and no byte more is asked for."""
        client = Http2Client(LIMITS)
        number = client.request(method=b"PUT", end=False)
        client.data(number, bytes(WINDOW))
        self.assertEqual(client.credit(number), 0)
        body = client.requests[0].body
        assert body is not None
        receiver = Receiver()
        body.start(receiver)
        client.read()
        self.assertEqual((len(receiver.data), client.credit(number)), (WINDOW, WINDOW))

    def test_paused(self) -> None:
        """While its receiver is paused nothing is given back; behind that all of it."""
        client = Http2Client(LIMITS)
        number = client.request(method=b"PUT", end=False)
        body, receiver = client.requests[0].body, Receiver()
        assert body is not None
        body.start(receiver)
        client.data(number, bytes(WINDOW))
        # Half of it gave as much credit, and let the window grow. The rest is half of that.
        self.assertEqual(client.credit(number), WINDOW // 2 + WINDOW)
        body.pause()
        client.data(number, bytes(WINDOW))
        self.assertEqual((len(receiver.data), client.credit(number)), (WINDOW, WINDOW * 3 // 2))
        body.resume()
        client.read()
        # The window has shrunk by half of its growth.
        self.assertEqual((len(receiver.data), client.credit(number)), (2 * WINDOW, WINDOW * 5 // 2))

    def test_round_trips(self) -> None:
        """An upload that its server reads at once takes few round trips, also beside others."""
        for uploads, size, trips in ((1, 5_000_000, 12), (6, 2_000_000, 18)):
            client = Http2Client(LIMITS)
            numbers = [client.request(method=b"PUT", end=False) for _ in range(uploads)]
            for request in client.requests:
                assert request.body is not None
                request.body.start(Counting())
            self.assertLessEqual(self.upload(client, numbers, size), trips)
            self.assertLessEqual(client.connection.tally.window_growth, 640 * 1024)
            for number in numbers:
                client.data(number, b"", end=True)
            self.assertEqual(client.connection.tally.window_growth, 0)
            self.assertEqual(client.site.context.memory.windows.grown, 0)

    def test_beside_a_stalled_one(self) -> None:
        """Uploads whose server stalls after they have grown leave others their first window."""
        client = Http2Client(LIMITS)
        stalled = [client.request(method=b"PUT", end=False) for _ in range(98)]
        for request in client.requests:
            assert request.body is not None
            request.body.start(Counting())
        self.upload(client, stalled, 200_000)
        for request in client.requests:
            assert request.body is not None
            request.body.pause()
        # The clients send all that they may.
        for number in stalled:
            client.data(number, bytes(self.may_send(client, number, 200_000)))
        waiting = sum(request.body.held for request in client.requests if request.body)
        self.assertLessEqual(waiting, 98 * WINDOW + 640 * 1024)
        number = client.request(method=b"PUT", end=False)
        body, receiver = client.requests[-1].body, Counting()
        assert body is not None
        body.start(receiver)
        self.assertEqual(self.upload(client, [number], 1_000_000), 1_000_000 // WINDOW + 1)
        self.assertEqual((receiver.size, client.goaways), (1_000_000, []))

    def may_send(self, client: Http2Client, number: int, sent: int) -> int:
        """Return how many more bytes a stream's window allows, of which some were sent."""
        return WINDOW + client.credit(number) - sent

    def upload(self, client: Http2Client, numbers: list[int], size: int) -> int:
        """Send bodies without their end; return how often the client has to wait for credit."""
        sent, total, trips = dict.fromkeys(numbers, 0), 0, 0
        while any(each < size for each in sent.values()):
            trips += 1
            shared = FIRST_WINDOW + client.credit(0) - total
            credit = {number: self.may_send(client, number, sent[number]) for number in numbers}
            self.assertGreater(max(credit.values()), 0)
            for number in numbers:
                piece = min(credit[number], size - sent[number], shared)
                if piece:
                    client.data(number, bytes(piece))
                shared -= piece
                sent[number] += piece
                total += piece
        return trips

    def test_others_go_on(self) -> None:
        """However many uploads are stuck, another stream's window is the connection's too."""
        client = Http2Client(LIMITS)
        for _ in range(99):
            client.data(client.request(method=b"PUT", end=False), bytes(WINDOW))
        sent = 99 * WINDOW
        # The connection's window never falls below half of its size.
        self.assertGreater(FIRST_WINDOW + client.credit(0) - sent, CONNECTION_WINDOW // 2)
        number = client.request(method=b"PUT", end=False)
        body, receiver = client.requests[-1].body, Receiver()
        assert body is not None
        body.start(receiver)
        client.data(number, b"through", end=True)
        self.assertEqual((receiver.data, receiver.ended), (b"through", 1))

    def test_too_much(self) -> None:
        """A client that sends more than it may ends its connection (RFC 9113 6.9.1)."""
        client = Http2Client(LIMITS)
        number = client.request(method=b"PUT", end=False)
        client.data(number, bytes(WINDOW))
        client.data(number, b"x")
        self.assertEqual([code for _, code in client.goaways], [3])

    def test_padding(self) -> None:
        """Padding counts, and is given back as well."""
        client = Http2Client(LIMITS)
        number = client.request(method=b"PUT", end=False)
        body = client.requests[0].body
        assert body is not None
        body.start(Receiver())
        padded = b"\x00\x01\x01\x00\x08" + number.to_bytes(4) + b"\xff" + b"x" + bytes(255)
        for _ in range(WINDOW // 257):
            client.raw(padded)
        self.assertGreaterEqual(client.credit(number), WINDOW // 2)

    def test_slow(self) -> None:
        """A body that doesn't come is given up, with word to whoever takes it."""
        for started in (True, False):
            client = Http2Client(LIMITS)
            number = client.request(method=b"PUT", end=False)
            (request,) = client.requests
            assert request.body is not None
            receiver = Receiver()
            if started:
                request.body.start(receiver)
            for _ in range(3):
                client.wait(15)
                client.data(number, b"x")
            self.assertEqual(client.answers, {})
            client.wait(22)
            client.read()
            if started:
                self.assertIsInstance(receiver.failures[0], BodyTimedOut)
                answer(request, status=408)
                client.read()
                self.assertEqual(client.answers[number].status, 408)
            else:
                self.assertEqual(client.answers[number].reset, 8)
                self.assertEqual(request.log.outcome, "the client was too slow")
            self.assertTrue(client.open)

    def test_not_its_turn(self) -> None:
        """A client that may not send, or waits to be asked, is not too slow."""
        client = Http2Client(LIMITS)
        number = client.request(method=b"PUT", end=False)
        client.data(number, bytes(WINDOW))
        waits = client.request(method=b"PUT", headers=[(b"expect", b"100-continue")], end=False)
        client.wait(100)
        client.read()
        self.assertEqual(client.answers, {})
        body = client.requests[1].body
        assert body is not None
        body.start(Receiver())
        client.read()
        self.assertEqual(client.answers[waits].interim, [(100, [])])

    def test_not_wanted(self) -> None:
        """A client whose body nobody wants any more is not too slow with it."""
        client = Http2Client(LIMITS)
        client.request(method=b"PUT", end=False)
        body = client.requests[0].body
        assert body is not None
        body.discard()
        client.wait(100)
        client.read()
        self.assertEqual(client.answers, {})


class DownloadTests(SynchronousTestCase):
    """A response goes out as its client opens windows."""

    def begin(self, client: Http2Client) -> tuple[int, GateRequest, Producer]:
        """Return a stream whose response has begun."""
        number = client.request()
        request, producer = client.requests[-1], Producer()
        request.begin(OK, None)
        request.registerProducer(producer, True)
        return number, request, producer

    def end(self, request: GateRequest) -> None:
        """End a response."""
        request.unregisterProducer()
        request.finish()

    def test_windows(self) -> None:
        """What doesn't fit into the windows waits, and its source with it."""
        client = Http2Client(LIMITS)
        number, request, producer = self.begin(client)
        request.write(bytes(65535))
        self.assertEqual(producer.calls, [])
        request.write(bytes(WINDOW))
        self.assertEqual(producer.calls, [])
        request.write(b"x")
        self.assertEqual(producer.calls, ["pause"])
        client.read()
        self.assertEqual(len(client.answers[number].body), 65535)
        client.window(number, WINDOW // 2 + 1)
        self.assertEqual(len(client.answers[number].body), 65535)
        client.window(0, WINDOW // 2 + 1)
        self.assertEqual(len(client.answers[number].body), 65535 + WINDOW // 2 + 1)
        self.assertEqual(producer.calls, ["pause", "resume"])
        self.end(request)
        client.window(0, WINDOW)
        client.window(number, WINDOW)
        self.assertEqual(len(client.answers[number].body), 65535 + WINDOW + 1)
        self.assertTrue(client.answers[number].ended)

    def test_others_go_on(self) -> None:
        """A stream that its client doesn't take holds up no other."""
        client = Http2Client(LIMITS, settings={INITIAL_WINDOW_SIZE: 0})
        stuck, request, _ = self.begin(client)
        request.write(bytes(WINDOW))
        number, other, _ = self.begin(client)
        other.write(b"through")
        client.window(number, 7)
        self.assertEqual(client.answers[number].body, b"through")
        self.assertEqual(client.answers[stuck].body, b"")

    def test_fair(self) -> None:
        """Streams take turns, a frame each."""
        client = Http2Client(LIMITS, settings={INITIAL_WINDOW_SIZE: 2**20})
        client.connection.pauseProducing()
        numbers = []
        for _ in range(3):
            number, request, _ = self.begin(client)
            numbers.append(number)
            request.write(bytes(WINDOW))
        self.assertEqual(client.answers, {})
        # The connection's window is enough for four frames, except for a byte.
        client.connection.resumeProducing()
        client.read()
        self.assertEqual(
            [len(client.answers[number].body) for number in numbers], [32767, 16384, 16384]
        )

    def test_settings(self) -> None:
        """A client may change all windows at once (RFC 9113 6.9.2)."""
        client = Http2Client(LIMITS, settings={INITIAL_WINDOW_SIZE: 10})
        number, request, _ = self.begin(client)
        request.write(bytes(30))
        client.read()
        self.assertEqual(len(client.answers[number].body), 10)
        client.settings({INITIAL_WINDOW_SIZE: 0})
        client.window(number, 5)
        self.assertEqual(len(client.answers[number].body), 10)
        client.settings({INITIAL_WINDOW_SIZE: 20})
        self.assertEqual(len(client.answers[number].body), 25)

    def test_overflow(self) -> None:
        """A window past 2**31-1 ends its stream, or the connection where it is that one's."""
        client = Http2Client(LIMITS)
        number, request, _ = self.begin(client)
        other, _, _ = self.begin(client)
        client.window(number, 2**31 - 1)
        self.assertEqual(client.answers[number].reset, 3)
        self.assertTrue(request.gone)
        self.assertIsNone(client.answers[other].reset)
        client.window(0, 2**31 - 1)
        self.assertEqual([code for _, code in client.goaways], [3])

    def test_not_taken(self) -> None:
        """A response that nobody takes is given up, however many single bytes are taken."""
        for drip in (False, True):
            client = Http2Client(LIMITS, settings={INITIAL_WINDOW_SIZE: 0})
            number, request, _ = self.begin(client)
            request.write(bytes(WINDOW + 1))
            client.read()
            for _ in range(6):
                client.wait(5)
                if drip and request.channel is not None and not request.gone:
                    client.window(number, 1)
            client.wait(3)
            client.read()
            self.assertEqual(client.answers[number].reset, 8)
            self.assertEqual(request.log.outcome, "the client did not take the response")
            self.assertTrue(client.open)

    def test_finished_but_not_taken(self) -> None:
        """So is one that was written whole: its source is done, its bytes are still kept."""
        client = Http2Client(LIMITS, settings={INITIAL_WINDOW_SIZE: 0})
        number = client.request()
        answer(client.requests[0], b"x")
        client.wait(33)
        client.read()
        self.assertEqual(client.answers[number].reset, 8)
        self.assertEqual(len(client.deadlines._members), 1)

    def test_slow_but_steady(self) -> None:
        """A client that takes its time, but takes, is served; whether or not some is ever left."""
        for left in (0, WINDOW // 2):
            client = Http2Client(LIMITS, settings={INITIAL_WINDOW_SIZE: 0})
            number, request, producer = self.begin(client)
            request.write(bytes(left))
            for _ in range(5):
                request.write(bytes(WINDOW + 1))
                client.wait(25)
                client.window(number, WINDOW + 1)
                client.window(0, WINDOW + 1)
            self.assertIsNone(client.answers[number].reset)
            self.assertEqual(producer.calls, ["pause", "resume"] * 5)
            # Where all has been taken, nothing is late while the source has no more.
            client.wait(100)
            client.read()
            self.assertEqual(client.answers[number].reset, 8 if left else None)

    def test_transport(self) -> None:
        """While the transport is full nothing is written, and requests wait within bounds."""
        client = Http2Client(LIMITS)
        client.connection.pauseProducing()
        numbers = [client.request() for _ in range(150)]
        self.assertEqual(len(client.requests), 100)
        for request in client.requests:
            answer(request, b"x" * 100)
        refused = [each for each in numbers if each in client.answers]
        self.assertEqual([client.answers[each].reset for each in refused], [7] * 50)
        client.connection.resumeProducing()
        client.read()
        self.assertEqual(sum(each.ended for each in client.answers.values()), 100)

    def test_transport_stuck(self) -> None:
        """A client that reads nothing at all is cut."""
        client = Http2Client(LIMITS)
        client.request()
        client.connection.pauseProducing()
        client.wait(32)
        self.assertTrue(client.wire.disconnected)
        (request,) = client.recorded
        self.assertEqual(request.log.outcome, "the client did not take the response")
