"""Bounds on the memory that the library h2 uses for a connection."""

from __future__ import annotations

from functools import partialmethod
from struct import Struct
from typing import Any, Final

from h2.connection import H2Connection
from h2.settings import SettingCodes, Settings

from corsgate.server.http2.field_decoder import TABLE_BYTES
from corsgate.server.http2.frames import HEADER_BYTES, Frame, Kind

REMEMBERED: Final = 256
"""How many ended streams of a connection are remembered."""

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
    """h2's connection, which remembers less."""

    # h2 remembers how each stream ended. Late frames of a forgotten stream end the connection.
    MAX_CLOSED_STREAMS = REMEMBERED
