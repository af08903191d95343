"""Bounds on what the library h2 keeps."""

from __future__ import annotations

from struct import pack

from h2.settings import SettingCodes, Settings
from twisted.trial.unittest import SynchronousTestCase

from corsgate.server.http2.frames import PREFACE, Frame, FrameReader, Kind, frame_bytes
from corsgate.server.http2.h2_connection import bounded, shrunk


def settings_frame(*pairs: tuple[int, int]) -> Frame:
    """Return a frame of settings."""
    payload = b"".join(pack("!HL", key, value) for key, value in pairs)
    (frame,) = FrameReader().feed(PREFACE + frame_bytes(Kind.SETTINGS, 0, 0, payload))
    return frame


class BoundsTests(SynchronousTestCase):
    """`bounded` and `shrunk`."""

    def test_settings(self) -> None:
        """Settings that nobody knows are left out, and a table is no larger than usual."""
        asked = settings_frame((1, 2**32 - 1), (0x99, 7), (4, 0), (2**16 - 1, 1))
        self.assertEqual(bounded(asked), settings_frame((1, 4096), (4, 0)).raw)
        small = settings_frame((1, 4095), (3, 100))
        self.assertEqual(bounded(small), small.raw)

    def test_other_frames(self) -> None:
        """All else is shown as it came, settings that are cut off too."""
        for kind, payload in ((Kind.PING, bytes(8)), (Kind.SETTINGS, bytes(7))):
            data = frame_bytes(kind, 0, 0, payload)
            (frame,) = FrameReader().feed(PREFACE + data)
            self.assertEqual(bounded(frame), data)

    def test_shrunk(self) -> None:
        """Settings that take less memory change as h2's own do."""
        own, small = Settings(client=False), shrunk(Settings(client=False))
        for settings in (own, small):
            settings[SettingCodes.INITIAL_WINDOW_SIZE] = 5
            settings.update({SettingCodes.MAX_FRAME_SIZE: 20_000})
        self.assertEqual(dict(small), dict(own))
        for settings in (own, small):
            changes = settings.acknowledge()
            self.assertEqual(
                {key: (change.original_value, change.new_value) for key, change in changes.items()},
                {
                    SettingCodes.INITIAL_WINDOW_SIZE: (65535, 5),
                    SettingCodes.MAX_FRAME_SIZE: (16384, 20_000),
                },
            )
        self.assertEqual(dict(small), dict(own))
