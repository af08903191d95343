"""Whether it is the gate's own process that lacks something, rather than a server."""

from __future__ import annotations

import errno
import os

from twisted.python.failure import Failure

_LACKING = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


def is_shortage(failure: Failure) -> bool:
    """Return whether a connection failed for want of a descriptor or of the kernel's memory.

    Args:
        failure: What it failed with. A name look-up does not say why it failed, so that it is
            tried whether there is a descriptor now.
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
    """Return what is raised where there is none."""
    return OSError(errno.EMFILE, os.strerror(errno.EMFILE))
