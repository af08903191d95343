"""W3C Trace Context: which trace a request belongs to. The gate passes the fields on unchanged."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Version ff is invalid, and ids may not be all zeros. A later version may have more at the end.
_TRACEPARENT = re.compile(
    rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[\x20-\x7e]*)?"
)


def trace_id(values: Sequence[bytes]) -> str:
    """Return the id of the trace that a request belongs to.

    Args:
        values: The values of its traceparent fields.

    Returns:
        32 hexadecimal digits; empty if there is no valid traceparent, or several.

    Source: W3C Trace Context 3.2.2, and 4.3 for future versions.
    """
    if len(values) != 1:
        return ""
    found = _TRACEPARENT.fullmatch(values[0])
    if found is None or (found[1] == b"00" and found[3] is not None):
        return ""
    return found[2].decode("ascii")
