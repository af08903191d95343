"""Bounds on what the library h2 keeps for a connection."""

from __future__ import annotations

from functools import partialmethod
from struct import Struct
from typing import Any, Final

from h2.connection import H2Connection
from h2.settings import SettingCodes, Settings

from corsgate.server.http2.field_decoder import TABLE_BYTES
from corsgate.server.http2.frames import HEADER_BYTES, Frame, Kind

REMEMBERED: Final = 256
"""How many of a connection's streams are remembered that have ended."""

_SETTING = Struct("!HL")
_SETTINGS = frozenset(SettingCodes)
_TABLE_SIZE = SettingCodes.HEADER_TABLE_SIZE


def bounded(frame: Frame) -> bytes:
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


def shrunk(settings: Settings) -> Settings:
    """Return settings that take less memory."""
    small: Any = {key: _Values(values) for key, values in settings._settings.items()}
    settings._settings = small
    return settings


class LeanConnection(H2Connection):
    """h2's connection, which remembers less."""

    # h2 remembers how each stream ended. Late frames of a forgotten one get a harsher error.
    MAX_CLOSED_STREAMS = REMEMBERED
