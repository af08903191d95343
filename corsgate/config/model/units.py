"""Parse and format the durations and sizes of a configuration: ``5s``, ``64KiB``."""

from __future__ import annotations

import re

from corsgate.errors import BadValue

DURATION = r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(ms|s|m|h)"
"""A regular expression for the input of `parse_duration`."""
SIZE = r"([0-9]{1,16})(?:\.([0-9]{1,9}))?(B|KiB|MiB|GiB)"
"""A regular expression for the input of `parse_size`."""

_DURATION = re.compile(DURATION)
_SIZE = re.compile(SIZE)
_BARE_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_DECIMAL_UNIT = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([kKmMgG])[bB]?")

_MS_PER = {"h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_BYTES_PER = {"GiB": 1024**3, "MiB": 1024**2, "KiB": 1024, "B": 1}

_DURATION_FIX = 'write a number and ms, s, m or h, such as "5s"'
_SIZE_FIX = 'write a number and B, KiB, MiB or GiB, such as "64KiB"'


def parse_duration(text: str) -> float:
    """Return a duration such as ``250ms`` or ``1.5s`` in seconds.

    Args:
        text: A decimal number directly followed by ``ms``, ``s``, ``m`` or ``h``.

    Returns:
        Seconds, 0 or more.

    Raises:
        BadValue: The text is not a duration.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        if _BARE_NUMBER.fullmatch(text):
            raise BadValue(f'"{text}" has no unit', f'write "{text}s" for seconds')
        raise BadValue(f'"{_cut(text)}" is not a duration', _DURATION_FIX)
    number, unit = match.groups()
    return float(number) * _MS_PER[unit] / 1000


def parse_size(text: str) -> int:
    """Return a size such as ``64KiB`` or ``1.5GiB`` in bytes.

    Args:
        text: A decimal number followed by ``B``, ``KiB``, ``MiB`` or ``GiB`` (powers of 1024).

    Returns:
        Bytes, 0 or more.

    Raises:
        BadValue: The text is not a size, or not a whole number of bytes.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        decimal = _DECIMAL_UNIT.fullmatch(text)
        if decimal is not None:
            number, letter = decimal.groups()
            fix = f'write "{number}{letter.upper()}iB", in powers of 1024'
            raise BadValue(f'"{text}" has an unknown unit', fix)
        raise BadValue(f'"{_cut(text)}" is not a size', _SIZE_FIX)
    whole, fraction, unit = match.groups()
    factor = _BYTES_PER[unit]
    if fraction is None:
        return int(whole) * factor
    parts, rest = divmod(int(whole + fraction) * factor, int("1" + "0" * len(fraction)))
    if rest:
        raise BadValue(f'"{text}" is not a whole number of bytes', _SIZE_FIX)
    return parts


def format_duration(seconds: float) -> str:
    """Return the shortest text that `parse_duration` reads as this number of seconds.

    Args:
        seconds: 0 or more. It is rounded to milliseconds, unless it is below 1 ms.
    """
    if 0 < seconds < 0.001:
        return f"{seconds * 1000:g}ms"
    milliseconds = round(seconds * 1000)
    for unit, factor in _MS_PER.items():
        if milliseconds and milliseconds % factor == 0:
            return f"{milliseconds // factor}{unit}"
    return "0s"


def format_size(size: int) -> str:
    """Return the shortest text that `parse_size` reads as this number of bytes, 0 or more."""
    for unit, factor in _BYTES_PER.items():
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return "0B"


def _cut(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}..."


def is_size(name: str) -> bool:
    """Return whether a limit with this name is a size in bytes."""
    return name.endswith(("_bytes", "_rate")) or name.startswith("max_buffered_")
