"""The library h2's connection, changed so that it takes less memory, and so that most of a client's
frames need not reach it.

Only this module depends on how h2 keeps its streams and windows.
"""

from __future__ import annotations

from functools import partialmethod
from struct import Struct
from typing import Any, Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes, Settings
from h2.stream import StreamClosedBy, StreamState

from corsgate.server.http2.field_decoder import TABLE_BYTES, FieldDecoder
from corsgate.server.http2.field_encoder import FieldEncoder
from corsgate.server.http2.frames import (
    END_HEADERS,
    END_STREAM,
    HEADER_BYTES,
    Frame,
    Kind,
    frame_bytes,
)

REMEMBERED: Final = 256
"""How many ended streams of a connection are remembered."""

WHOLE_REQUEST: Final = END_STREAM | END_HEADERS
"""The flags of a HEADERS frame that is a complete request."""

_RECEIVES = (StreamState.OPEN, StreamState.HALF_CLOSED_LOCAL)
_SETTING = Struct("!HL")
_SETTINGS = frozenset(SettingCodes)
_TABLE_SIZE = SettingCodes.HEADER_TABLE_SIZE


def bounded(frame: Frame) -> bytes:
    """Return a frame for h2, with settings limited to what they may cost.

    h2 stores unknown settings, which must be ignored (RFC 9113 6.5.2). It also lets its compression
    table grow to the size that the client offers, up to 4 GiB.
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
    """The values of one setting. All but the first await the peer's acknowledgement.

    h2 uses a deque for each of a dozen settings, a third of its memory for an idle connection.
    """

    __slots__ = ()

    popleft = partialmethod(list.pop, 0)


def shrunk(settings: Settings) -> Settings:
    """Return settings that take less memory."""
    small: Any = {key: _Values(values) for key, values in settings._settings.items()}
    settings._settings = small
    return settings


class LeanConnection(H2Connection):
    """h2's server side of a connection, which remembers less.

    It gets no fields, and doesn't check any. Its owner may take steps for it whose outcome is
    certain, and counts them here.

    Args:
        decoder: Decodes field blocks.
        encoder: Encodes field blocks.
        settings: The gate's settings.
    """

    # h2 remembers how each stream ended. Late frames of a forgotten stream end the connection.
    MAX_CLOSED_STREAMS = REMEMBERED

    def __init__(
        self, decoder: FieldDecoder, encoder: FieldEncoder, settings: dict[SettingCodes, int]
    ) -> None:
        super().__init__(
            H2Configuration(
                client_side=False,
                validate_inbound_headers=False,
                normalize_inbound_headers=False,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        h2: Any = self
        h2.decoder, h2.encoder = decoder, encoder
        self.local_settings = shrunk(Settings(client=False, initial_values=settings))
        shrunk(self.remote_settings)

    def show_request(self, stream_id: int, window: bytes) -> None:
        """Open a stream by a complete request, perhaps after streams with higher numbers.

        Args:
            stream_id: A stream that h2 has not seen.
            window: The frame that then enlarged its window; empty if there was none.
        """
        highest = self.highest_inbound_stream_id
        # h2 accepts a stream as new only if it has the highest number so far.
        self.highest_inbound_stream_id = stream_id - 2
        self.receive_data(frame_bytes(Kind.HEADERS, WHOLE_REQUEST, stream_id, b"") + window)
        self.highest_inbound_stream_id = highest

    def show_end(self, stream_id: int) -> None:
        """Record that both sides have ended a stream that h2 has not seen."""
        self._closed_streams[stream_id] = StreamClosedBy.SEND_END_STREAM

    def forget_ends(self) -> None:
        """Forget how streams ended, if none is open."""
        # h2 drops closed streams, 400 bytes each, when its open ones are counted.
        if not self.open_inbound_streams:
            self._closed_streams.clear()

    def receives(self, stream_id: int, size: int) -> bool:
        """Count a piece of a body that is not the last.

        Args:
            stream_id: Any stream.
            size: How many bytes of the windows the piece uses.

        Returns:
            False if it is not allowed: the windows are too small, or the stream is not open.
        """
        stream = self.streams.get(stream_id)
        if stream is None or stream.state_machine.state not in _RECEIVES:
            return False
        shared, own = self._inbound_flow_control_window_manager, stream._inbound_window_manager
        if size > shared.current_window_size or size > own.current_window_size:
            return False
        shared.current_window_size -= size
        own.current_window_size -= size
        return True

    def ignores(self, size: int) -> None:
        """Count DATA of a stream that was reset: `size` bytes of the connection's window.

        Raises:
            FlowControlError: The window is smaller than that.
        """
        self._inbound_flow_control_window_manager.window_consumed(size)

    def sends(self, stream_id: int, size: int) -> None:
        """Count a piece of a body that is not the last, sent on an open stream."""
        self.streams[stream_id].outbound_flow_control_window -= size
        self.outbound_flow_control_window -= size

    def end(self) -> None:
        """Empty it, since it refers to itself and would be left to the GC."""
        vars(self).clear()
