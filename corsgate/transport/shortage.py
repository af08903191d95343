"""Detect errors caused by the gate's own limits rather than by a server."""

from __future__ import annotations

import errno
import os

from twisted.python.failure import Failure

_LACKING = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


def is_shortage(failure: Failure) -> bool:
    """Return whether a connection failed for lack of a descriptor or of kernel memory.

    Args:
        failure: The failure. A name look-up does not report its reason, so this also checks
            whether a descriptor is available now.
    """
    error = failure.value
    code = getattr(error, "osError", None) or getattr(error, "errno", None)
    return code in _LACKING or not has_descriptor()


def has_descriptor() -> bool:
    """Return whether the process can open one more descriptor."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        return error.errno not in _LACKING
    return True


def no_descriptor() -> OSError:
    """Return the error to raise if no descriptor is available."""
    return OSError(errno.EMFILE, os.strerror(errno.EMFILE))
