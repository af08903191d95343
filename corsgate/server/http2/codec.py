"""HTTP/2 on one connection, with the library h2, which gets only the frames it is needed for.

h2 checks frames, states and windows, but ends the whole connection for many faults of a single
stream (RFC 9113 5.4.2). So it gets one frame at a time, and no fields: `fields` checks those. It
also forgets all streams at a GOAWAY of either side, so it never gets one.

h2 does not get most streams either. A request without a body, whose response is sent in one piece,
takes one step each way, so nothing can be out of order. h2 would need a hundred calls for it. Such
a stream is *unseen* until anything else happens on it. Then h2 gets its opening frames and takes
over. It also gets no piece of a body except the last, since the others only change windows.
"""

from __future__ import annotations

from collections import OrderedDict

from h2.errors import ErrorCodes
from h2.events import Event
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes
from hyperframe.frame import GoAwayFrame

from corsgate.config.model.values import Limits
from corsgate.errors import ConnectionFault
from corsgate.message.headers import HeaderList
from corsgate.server.http2.field_decoder import ENTRY_OVERHEAD, FieldDecoder
from corsgate.server.http2.field_encoder import FieldEncoder
from corsgate.server.http2.frames import (
    END_HEADERS,
    END_STREAM,
    HEADER_BYTES,
    MAX_FRAME_BYTES,
    MAX_WINDOW,
    PADDED,
    PREFACE,
    PRIORITY,
    PRIORITY_BYTES,
    Code,
    Frame,
    Kind,
    frame_bytes,
)
from corsgate.server.http2.h2_connection import (
    REMEMBERED,
    WHOLE_REQUEST,
    LeanConnection,
    bounded,
)
from corsgate.shortcuts import ALL, Shortcuts

MAX_STREAMS = 100
"""How many concurrent requests a client may have on one connection (RFC 9113 5.1.2)."""

FIRST_WINDOW = 2**16 - 1
"""The initial window, before the client has read any setting (RFC 9113 6.9.2)."""

CONNECTION_WINDOW = 2**20
"""How many bytes of all bodies together may be in flight."""

# When h2 has more streams than this, it is made to drop those that have ended.
_MANY_STREAMS = 8
# Looking up an enum member costs a call.
_DATA, _HEADERS = Kind.DATA, Kind.HEADERS


class Codec:
    """Turns frames into events; collects the bytes to send until `take`.

    Args:
        limits: Bounds on heads and on buffered bytes of a body.
        shortcuts: Which shortcuts to take.

    Attributes:
        stream_window: How many bytes of a body a client may send at first before they are read.
        waiting: The bytes to send.
    """

    def __init__(self, limits: Limits, shortcuts: Shortcuts = ALL) -> None:
        # A client may send this many bytes before it has read any setting.
        self.stream_window = max(limits.max_buffered_bytes, FIRST_WINDOW)
        max_list_bytes = limits.max_head_bytes + ENTRY_OVERHEAD * limits.max_headers
        # Up to twice the limit gets a proper 431. Beyond that, the connection has to end.
        self._decoder = FieldDecoder(2 * max_list_bytes, remembers=shortcuts.blocks)
        self._encoder = FieldEncoder(remembers=shortcuts.blocks)
        self._h2 = LeanConnection(
            self._decoder,
            self._encoder,
            {
                SettingCodes.MAX_CONCURRENT_STREAMS: MAX_STREAMS,
                SettingCodes.INITIAL_WINDOW_SIZE: self.stream_window,
                SettingCodes.MAX_HEADER_LIST_SIZE: max_list_bytes,
            },
        )
        self._h2.initiate_connection()
        # h2 ends the connection for one stream too many, even if the client sent it before it knew
        # the limit. So the connection counts the streams itself, and refuses only the stream.
        self._h2.local_settings.max_concurrent_streams = MAX_WINDOW
        self._h2.local_settings.acknowledge()
        self._window = max(CONNECTION_WINDOW, self.stream_window)
        self._h2.increment_flow_control_window(self._window - FIRST_WINDOW)
        self._h2.receive_data(PREFACE)
        self._uncredited = 0
        self._given_up: OrderedDict[int, None] = OrderedDict()
        # The streams that h2 has not seen: the open ones, and the last ones that have ended. For an
        # open one, the frame that enlarged its window is kept for h2.
        self._unseen: dict[int, bytes] = {}
        self._ended: dict[int, None] = {}
        self._hides = shortcuts.blocks
        # How many bytes may be sent on a new stream.
        self._first_room = min(FIRST_WINDOW, MAX_FRAME_BYTES)
        self.waiting = self._h2.data_to_send()

    @property
    def last_id(self) -> int:
        """The highest stream that the client has opened."""
        return self._h2.highest_inbound_stream_id

    @property
    def fields(self) -> HeaderList:
        """The fields of the last block, which can be taken only once."""
        fields, self._decoder.fields = self._decoder.fields, []
        return fields

    def take(self) -> bytes:
        """Remove and return the bytes to send."""
        waiting, self.waiting = self.waiting, b""
        return waiting

    def opens(self, frame: Frame) -> bool:
        """Accept a complete request without a body, whose stream h2 need not see for now.

        Its block is decoded into `fields`.

        Args:
            frame: Any frame.

        Returns:
            False if the frame is anything else, so that it must go to `receive`.

        Raises:
            ConnectionFault: The block is malformed or too large.
        """
        kind, flags, number, _, raw = frame
        h2, at = self._h2, HEADER_BYTES
        # h2 gets the first stream, so that it knows that the client opens streams.
        if (
            kind != _HEADERS
            or flags & (WHOLE_REQUEST | PADDED) != WHOLE_REQUEST
            or not number & 1
            or not 0 < h2.highest_inbound_stream_id < number
            or not self._hides
        ):
            return False
        if flags & PRIORITY:
            at += PRIORITY_BYTES
            if len(raw) < at or int.from_bytes(raw[9:13]) & MAX_WINDOW == number:
                # The frame is too short, or the stream depends on itself.
                return False
        self._decoder.decode(raw[at:])
        h2.highest_inbound_stream_id = number
        self._unseen[number] = b""
        if len(h2.streams) > _MANY_STREAMS:
            # h2 itself does this for each stream that it gets.
            _ = h2.open_inbound_streams
        return True

    def takes_data(self, frame: Frame) -> bool:
        """Accept a piece of a body that is not the last. h2 would need fifty calls for it.

        Args:
            frame: Any frame.

        Returns:
            False if the frame is anything else, or not allowed, so that it must go to `receive`.
        """
        kind, flags, number, size, _ = frame
        return kind == _DATA and not flags and self._h2.receives(number, size)

    def ignores(self, frame: Frame) -> bool:
        """Drop DATA for a stream that was given up. h2 would send a frame for each.

        Args:
            frame: Any frame.

        Returns:
            False if the frame is anything else, so that it must go to `receive`.

        Raises:
            ConnectionFault: The client exceeds the connection's window.
        """
        if frame.kind != _DATA or frame.stream_id not in self._given_up:
            return False
        try:
            self._h2.ignores(frame.size)
        except ProtocolError as error:
            raise ConnectionFault(int(error.error_code), f"{error}") from error
        self.credit(frame.size)
        return True

    def receive(self, frame: Frame) -> list[Event]:
        """Return the events of a frame that `opens`, `takes_data` and `ignores` didn't accept.

        Raises:
            ConnectionFault: The frame is a fault that ends the connection.
        """
        number, kind = frame.stream_id, frame.kind
        if number in self._unseen:
            if self._opens_window(frame):
                return []
            self._show(number)
        elif number in self._ended:
            self._h2.show_end(number)
        if kind == Kind.SETTINGS or (kind == _HEADERS and not frame.flags & END_HEADERS):
            # Settings change the windows of all streams that h2 knows. And within a field block
            # in several frames, h2 could get no other stream.
            for unseen in sorted(self._unseen):
                self._show(unseen)
        try:
            events = self._h2.receive_data(bounded(frame))
        except ProtocolError as error:
            raise ConnectionFault(int(error.error_code), f"{error}") from error
        self._collect()
        if kind == Kind.SETTINGS:
            window = self._h2.remote_settings.initial_window_size
            self._first_room = min(window, MAX_FRAME_BYTES)
        return events

    def credit(self, size: int) -> None:
        """Let the client send `size` more bytes on the connection.

        This is called when bytes arrive, not when they are read. A stream whose body nobody reads
        stops at its own window, and must not use up the connection's. Memory is bounded by the
        windows of at most `MAX_STREAMS` streams, whose growth a `WindowBudget` bounds.
        """
        self._uncredited += size
        if self._uncredited >= self._window // 2:
            self._h2.increment_flow_control_window(self._uncredited)
            self._uncredited = 0
            self._collect()

    def credit_stream(self, stream_id: int, size: int) -> None:
        """Let the client send `size` more bytes on an open stream."""
        self._see(stream_id).increment_flow_control_window(size, stream_id)
        self._collect()

    def room(self, stream_id: int) -> int:
        """Return how many bytes of a body may be sent now on an open stream, in one frame."""
        window = self._see(stream_id).local_flow_control_window(stream_id)
        return max(0, min(window, MAX_FRAME_BYTES))

    def is_shut(self, stream_id: int) -> bool:
        """Return whether an open stream's own window is full, regardless of the connection's."""
        return bool(self._see(stream_id).streams[stream_id].outbound_flow_control_window <= 0)

    def send_whole(self, stream_id: int, fields: HeaderList, body: bytes) -> bool:
        """Send a complete response, if nothing was sent on the stream and the windows allow it.

        Args:
            stream_id: An open stream.
            fields: The head.
            body: The body; if it is empty, the head ends the stream.

        Returns:
            Whether it was sent. If not, nothing was.
        """
        h2, size = self._h2, len(body)
        if stream_id not in self._unseen or (
            size and (size > self._first_room or size > h2.outbound_flow_control_window)
        ):
            return False
        block = self._encoder.encode(fields)
        if len(block) > MAX_FRAME_BYTES:
            self._send_large(stream_id, block, end=not body)
        else:
            flags = END_HEADERS if size else WHOLE_REQUEST
            self.waiting += frame_bytes(_HEADERS, flags, stream_id, block)
        if size:
            self.waiting += frame_bytes(_DATA, END_STREAM, stream_id, body)
            h2.outbound_flow_control_window -= size
        del self._unseen[stream_id]
        self._ended[stream_id] = None
        if len(self._ended) > REMEMBERED:
            del self._ended[next(iter(self._ended))]
        return True

    def send_block(self, stream_id: int, fields: HeaderList, *, end: bool) -> None:
        """Send a head, or trailers, which end the stream."""
        self._see(stream_id).send_headers(stream_id, fields, end_stream=end)
        self._collect()

    def send_data(self, stream_id: int, data: bytes | memoryview, *, end: bool) -> None:
        """Send a piece of a body that fits into the windows."""
        h2 = self._see(stream_id)
        if end:
            h2.send_data(stream_id, data, end_stream=True)
            self._collect()
            return
        h2.sends(stream_id, len(data))
        self.waiting += frame_bytes(_DATA, 0, stream_id, data)

    def reset(self, stream_id: int, code: Code, *, give_up: bool) -> None:
        """End an open stream at once.

        Args:
            stream_id: The stream.
            code: The error code.
            give_up: Whether the client may still send on it; such frames are then ignored
                (RFC 9113 5.1).
        """
        self._see(stream_id).reset_stream(stream_id, ErrorCodes(code))
        self._collect()
        if give_up:
            self._given_up[stream_id] = None
            if len(self._given_up) > REMEMBERED:
                self._given_up.popitem(last=False)

    def ping(self, data: bytes) -> None:
        """Send a PING; its acknowledgement arrives after everything that the client sent before."""
        self._h2.ping(data)
        self._collect()

    def goaway(self, last_id: int, code: int = Code.NO_ERROR, detail: bytes = b"") -> None:
        """Send GOAWAY: streams after `last_id` won't be served (RFC 9113 6.8)."""
        self.waiting += GoAwayFrame(0, last_id, code, detail).serialize()

    def fail(self, code: int, detail: bytes) -> None:
        """Send GOAWAY because of a fault. h2 accepts no more frames."""
        # h2's buffer contains its own GOAWAY.
        self._h2.clear_outbound_data_buffer()
        self.goaway(self.last_id, code, detail)

    def rest(self) -> None:
        """Forget how streams ended, since late frames for them have arrived by now."""
        self._h2.forget_ends()
        self._given_up.clear()
        self._ended.clear()
        self._decoder.forget()
        self._encoder.forget()

    def close(self) -> None:
        """Break the cycles of the h2 connection."""
        self._h2.end()

    def _see(self, stream_id: int) -> LeanConnection:
        """Return the h2 connection after it has seen a stream."""
        if stream_id in self._unseen:
            self._show(stream_id)
        return self._h2

    def _show(self, stream_id: int) -> None:
        """Pass h2 the frames that opened a stream: those of a complete request."""
        fields = self._decoder.fields
        self._h2.show_request(stream_id, self._unseen.pop(stream_id))
        # h2 got an empty block.
        self._decoder.fields = fields

    def _opens_window(self, frame: Frame) -> bool:
        """Take what opens an unseen stream's window, as Firefox does for each of its requests.

        Bytes sent on the stream before h2 sees it ignore this.
        """
        if frame.kind != Kind.WINDOW_UPDATE or frame.size != 4 or self._unseen[frame.stream_id]:
            return False
        size, most = int.from_bytes(frame.raw[HEADER_BYTES:]), MAX_WINDOW
        if not 0 < size <= most - self._h2.remote_settings.initial_window_size:
            return False
        self._unseen[frame.stream_id] = frame.raw
        return True

    def _send_large(self, stream_id: int, block: bytes, *, end: bool) -> None:
        """Send a field block that takes more than one frame (RFC 9113 6.10)."""
        kind, flags = Kind.HEADERS, END_STREAM if end else 0
        while block:
            piece, block = block[:MAX_FRAME_BYTES], block[MAX_FRAME_BYTES:]
            flags |= 0 if block else END_HEADERS
            self.waiting += frame_bytes(kind, flags, stream_id, piece)
            kind, flags = Kind.CONTINUATION, 0

    def _collect(self) -> None:
        """Append what h2 has to send."""
        self.waiting += self._h2.data_to_send()
