"""A test case of daemons under load."""

from __future__ import annotations

from tests.twistd import DaemonTestCase


class ProcessTestCase(DaemonTestCase):
    """A test case whose daemons may be slow, as other tests run beside them."""

    timeout = 180
