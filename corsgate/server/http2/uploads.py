"""The bodies of the requests on one connection, on their way to the streams."""

from __future__ import annotations

from collections.abc import Mapping

from h2.events import DataReceived, TrailersReceived

from corsgate.errors import MalformedRequest
from corsgate.server.http2.codec import Codec
from corsgate.server.http2.flood_limits import BYTES_PER_FRAME, FloodLimits
from corsgate.server.http2.frames import HEADER_BYTES, Frame
from corsgate.server.http2.stream import Http2Stream


class Uploads:
    """Passes bodies on to their streams, and credits the connection's window.

    Successive pieces of one body are passed on together, so that its server gets them in one write.

    Args:
        codec: Accepts the frames.
        flood_limits: Counts frames without effect.
        streams: The connection's streams.

    Attributes:
        pieces: Received pieces that have not been passed on.
    """

    def __init__(
        self, codec: Codec, flood_limits: FloodLimits, streams: Mapping[int, Http2Stream]
    ) -> None:
        self.pieces: list[bytes] = []
        # The stream of the pieces.
        self._number = 0
        self._codec = codec
        self._flood_limits = flood_limits
        self._streams = streams

    def takes(self, frame: Frame, now: float) -> bool:
        """Accept a piece of a body that is not the last; it waits for `pass_on`.

        Args:
            frame: A DATA frame.
            now: The time in seconds.

        Returns:
            False if it is the last, or padded, or not allowed.

        Raises:
            ConnectionFault: The client floods the connection.
        """
        if not self._codec.takes_data(frame):
            return False
        number = frame.stream_id
        if number != self._number and self.pieces:
            self.pass_on(now)
        self._number = number
        self.pieces.append(frame.raw[HEADER_BYTES:])
        if frame.size < BYTES_PER_FRAME:
            self._count_small(self._streams.get(number), frame.size, now)
        return True

    def pass_on(self, now: float) -> None:
        """Pass on the pieces that wait.

        Raises:
            ConnectionFault: As above.
        """
        data, self.pieces = b"".join(self.pieces), []
        self._receive(self._number, data, len(data), now, ended=False)

    def received(self, event: DataReceived, now: float) -> None:
        """Pass on what h2 has made of a DATA frame.

        Raises:
            ConnectionFault: As above.
        """
        number, data = event.stream_id or 0, bytes(event.data or b"")
        ended = event.stream_ended is not None
        if not ended and len(data) < BYTES_PER_FRAME:
            self._count_small(self._streams.get(number), len(data), now)
        self._receive(number, data, event.flow_controlled_length or 0, now, ended=ended)

    def trailers_received(self, event: TrailersReceived, now: float) -> None:
        """Pass on the trailers, which the codec has decoded.

        Raises:
            ConnectionFault: As above.
        """
        stream, fields = self._streams.get(event.stream_id), self._codec.fields
        if stream is not None:
            try:
                stream.trailers_received(fields)
            except MalformedRequest as error:
                self._refuse(stream, error, now)

    def _receive(self, number: int, data: bytes, size: int, now: float, *, ended: bool) -> None:
        self._codec.credit(size)
        stream = self._streams.get(number)
        if stream is not None:
            try:
                stream.data_received(data, size, ended=ended)
            except MalformedRequest as error:
                self._refuse(stream, error, now)

    def _count_small(self, stream: Http2Stream | None, size: int, now: float) -> None:
        """Count a small piece that is empty, or whose body nobody wants."""
        if not size or (stream is not None and stream.responded):
            self._flood_limits.idle(now)

    def _refuse(self, stream: Http2Stream, error: MalformedRequest, now: float) -> None:
        """End a stream whose body or trailers are malformed."""
        stream.cut_malformed(f"the request is malformed: {error}")
        self._flood_limits.reset(now)
