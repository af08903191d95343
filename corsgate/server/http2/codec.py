"""One connection's HTTP/2 over the h2 library, with what h2 answers too harshly kept from it.

h2 knows frames, states, windows and HPACK, and ends the whole connection for much that is the
matter of one stream (RFC 9113 5.4.2). So it is shown one frame at a time, and no fields: those
are judged in `http2_head`. It also forgets all streams at either side's GOAWAY, so it never sees
one.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partialmethod
from struct import Struct
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import Event
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame, WindowUpdateFrame

from corsgate.config.model.values import Limits
from corsgate.errors import ConnectionFault
from corsgate.message.headers import HeaderList
from corsgate.server.http2.compression import (
    ENTRY_OVERHEAD,
    TABLE_BYTES,
    FieldDecoder,
    FieldEncoder,
)
from corsgate.server.http2.frames import (
    HEADER_BYTES,
    MAX_FRAME_BYTES,
    MAX_WINDOW,
    PREFACE,
    Code,
    Frame,
    Kind,
)
from corsgate.shortcuts import ALL, Shortcuts

MAX_STREAMS = 100
"""How many requests a client may have in the air on one connection (RFC 9113 5.1.2)."""

FIRST_WINDOW = 2**16 - 1
"""The window that a client has before it has read anything (RFC 9113 6.9.2)."""

CONNECTION_WINDOW = 2**20
"""How many bytes of all bodies together may be on their way."""

_REMEMBERED = 256
_SETTING = Struct("!HL")
_SETTINGS = frozenset(SettingCodes)
_TABLE_SIZE = SettingCodes.HEADER_TABLE_SIZE


def _bounded(frame: Frame) -> bytes:
    """Return a frame for h2, which takes settings for more than they may cost here.

    It keeps those that nobody knows (RFC 9113 6.5.2), and fills a table for compression of as
    many bytes as the client offers, up to 4 GiB.
    """
    if frame.kind != Kind.SETTINGS or frame.size % _SETTING.size:
        return frame.raw
    header, payload = frame.raw[:HEADER_BYTES], frame.raw[HEADER_BYTES:]
    settings = b"".join(
        _SETTING.pack(key, min(value, TABLE_BYTES) if key == _TABLE_SIZE else value)
        for key, value in _SETTING.iter_unpack(payload)
        if key in _SETTINGS
    )
    return len(settings).to_bytes(3) + header[3:] + settings


class _Values(list[int]):
    """The values of one setting, of which all but the first wait for the peer's acknowledgement.

    h2 has a deque for each of a dozen settings, which is a third of all that it keeps for an idle
    connection.
    """

    __slots__ = ()

    popleft = partialmethod(list.pop, 0)


def _shrunk(settings: Settings) -> Settings:
    """Return settings that take less memory."""
    small: Any = {key: _Values(values) for key, values in settings._settings.items()}
    settings._settings = small
    return settings


class _Connection(H2Connection):
    # h2 remembers how each stream ended. What is forgotten gets a harsher answer, no other.
    MAX_CLOSED_STREAMS = _REMEMBERED


class Codec:
    """Frames in, events out; what is to be sent is collected until `take`.

    Args:
        limits: Bounds on heads and on what is kept of a body.
        shortcuts: Which ones are taken.

    Attributes:
        stream_window: How many bytes of a body a client may send that nobody has taken.
    """

    def __init__(self, limits: Limits, shortcuts: Shortcuts = ALL) -> None:
        # A client may send as much as this before it has read any setting.
        self.stream_window = max(limits.max_buffered_bytes, FIRST_WINDOW)
        max_list_bytes = limits.max_head_bytes + ENTRY_OVERHEAD * limits.max_headers
        self._h2 = _Connection(
            H2Configuration(
                client_side=False,
                validate_inbound_headers=False,
                normalize_inbound_headers=False,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        # Up to the double gets a proper 431; past that the connection can't be read on.
        self._decoder = FieldDecoder(2 * max_list_bytes, remembers=shortcuts.blocks)
        self._encoder = FieldEncoder(remembers=shortcuts.blocks)
        stands_in: Any = self._encoder
        self._h2.decoder, self._h2.encoder = self._decoder, stands_in
        self._h2.local_settings = settings = _shrunk(
            Settings(
                client=False,
                initial_values={
                    SettingCodes.MAX_CONCURRENT_STREAMS: MAX_STREAMS,
                    SettingCodes.INITIAL_WINDOW_SIZE: self.stream_window,
                    SettingCodes.MAX_HEADER_LIST_SIZE: max_list_bytes,
                },
            )
        )
        _shrunk(self._h2.remote_settings)
        self._h2.initiate_connection()
        # h2 ends the connection for one stream too many, which may well have been sent before
        # the client knew. So the connection counts, and refuses the stream.
        settings.max_concurrent_streams = MAX_WINDOW
        settings.acknowledge()
        self._window = max(CONNECTION_WINDOW, self.stream_window)
        self._h2.increment_flow_control_window(self._window - FIRST_WINDOW)
        self._h2.receive_data(PREFACE)
        self._uncredited = 0
        self._unseen = 0
        self._given_up: OrderedDict[int, None] = OrderedDict()
        self._out = b""

    @property
    def last_id(self) -> int:
        """The highest stream that the client has opened."""
        return self._h2.highest_inbound_stream_id

    @property
    def fields(self) -> HeaderList:
        """The fields of the last block, which are then the caller's: they can be asked for once."""
        fields, self._decoder.fields = self._decoder.fields, []
        return fields

    def take(self) -> bytes:
        """Return what is to be sent."""
        out, self._out = self._out, b""
        return out + self._h2.data_to_send()

    def receive(self, frame: Frame) -> list[Event]:
        """Return what a frame brought.

        Raises:
            ConnectionFault: It ends the connection.
        """
        if frame.stream_id in self._given_up and frame.kind == Kind.DATA:
            self._swallow(frame.size)
            return []
        try:
            return self._h2.receive_data(_bounded(frame))
        except ProtocolError as error:
            raise ConnectionFault(int(error.error_code), f"{error}") from error

    def credit(self, size: int) -> None:
        """Let the client send so many bytes more, of whatever stream.

        This is called when bytes arrive, not when they are taken: a stream whose upload nobody
        takes stops at its own window, and must not use up that of all others. What is kept in
        memory is bounded by the streams' windows, of which there are `MAX_STREAMS`.
        """
        self._uncredited += size
        if self._uncredited >= self._window // 2:
            self._h2.increment_flow_control_window(self._uncredited)
            self._uncredited = 0

    def credit_stream(self, stream_id: int, size: int) -> None:
        """Let the client send so many bytes more on an open stream."""
        self._h2.increment_flow_control_window(size, stream_id)

    def room(self, stream_id: int) -> int:
        """Return how many bytes of a body may be sent now on an open stream, in one frame."""
        return max(0, min(self._h2.local_flow_control_window(stream_id), MAX_FRAME_BYTES))

    def is_shut(self, stream_id: int) -> bool:
        """Return whether an open stream's own window has no room, whatever the connection's has."""
        return bool(self._h2.streams[stream_id].outbound_flow_control_window <= 0)

    def send_block(self, stream_id: int, fields: HeaderList, *, end: bool) -> None:
        """Send a head, or trailers, which end the stream."""
        self._h2.send_headers(stream_id, fields, end_stream=end)

    def send_data(self, stream_id: int, data: bytes | memoryview, *, end: bool) -> None:
        """Send a piece of a body for which there is room."""
        self._h2.send_data(stream_id, data, end_stream=end)

    def reset(self, stream_id: int, code: Code, *, give_up: bool) -> None:
        """End an open stream at once.

        Args:
            stream_id: The stream.
            code: Why.
            give_up: Whether the client may still send on it, which is then ignored
                (RFC 9113 5.1).
        """
        self._h2.reset_stream(stream_id, ErrorCodes(code))
        if give_up:
            self._given_up[stream_id] = None
            if len(self._given_up) > _REMEMBERED:
                self._given_up.popitem(last=False)

    def ping(self, data: bytes) -> None:
        """Ask for an answer, which comes behind all that the client has sent by then."""
        self._h2.ping(data)

    def goaway(self, last_id: int, code: int = Code.NO_ERROR, detail: bytes = b"") -> None:
        """Say that streams past one won't be served (RFC 9113 6.8)."""
        frame = GoAwayFrame(0, last_id, code, detail)
        self._out = self.take() + frame.serialize()

    def fail(self, code: int, detail: bytes) -> None:
        """Say goodbye behind a fault; h2 takes no more frames."""
        # In it is h2's own GOAWAY.
        self._h2.clear_outbound_data_buffer()
        self.goaway(self.last_id, code, detail)

    def rest(self) -> None:
        """Forget how streams ended; frames that were on their way to them have come by now."""
        # h2 lets go of closed streams, 400 bytes each, when it is asked for the open ones.
        if not self._h2.open_inbound_streams:
            self._h2._closed_streams.clear()
        self._given_up.clear()
        self._decoder.forget()
        self._encoder.forget()

    def close(self) -> None:
        """Let go of h2, which knows itself: a cycle would be left to the collector."""
        vars(self._h2).clear()

    def _swallow(self, size: int) -> None:
        """Count DATA that h2 doesn't see, since it would answer each such frame."""
        self._unseen += size
        if self._unseen >= self._window // 4:
            frame = WindowUpdateFrame(0, self._unseen)
            self._out = self.take() + frame.serialize()
            self._unseen = 0
