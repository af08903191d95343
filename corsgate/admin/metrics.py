"""``/metrics``: the counters in Prometheus' format, collected when it asks.

prometheus-client writes the text; its own registry and its counters, which lock, are not used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder, generate_latest

from corsgate.admin.families import families
from corsgate.admin.view import View
from corsgate.server.request import GateRequest

_PLAIN: Final = "text/plain; version=0.0.4; charset=utf-8"
_EOF: Final = b"# EOF\n"

Encode = Callable[[Any], bytes]


def begin(request: GateRequest, view: View) -> tuple[bytes, Iterator[bytes]]:
    """Return the content type and the pieces of the metrics.

    Args:
        request: Its Accept chooses between OpenMetrics and the older text format.
        view: The source.
    """
    view.keep_counters()
    accept = b",".join(request.index.get(b"accept", ())).decode("latin-1")
    encode, content_type = encoder(accept)
    return content_type.encode("ascii"), encoded(families(view), encode)


def encoder(accept: str) -> tuple[Encode, str]:
    """Return what writes metrics, and the content type of that.

    Args:
        accept: The value of Accept.
    """
    try:
        encode, content_type = choose_encoder(accept)
        content_type.encode("ascii")
    except (TypeError, ValueError):
        # A malformed version.
        return generate_latest, _PLAIN
    return encode, content_type


def encoded(found: Iterator[Metric], encode: Encode) -> Iterator[bytes]:
    """Write families of metrics, one piece for each; a family may come in several in a row.

    Args:
        found: The families.
        encode: Writes a registry's.
    """
    name = ""
    is_open = False
    for family in found:
        text = encode(_One(family))
        if text.endswith(_EOF):
            is_open = True
            text = text.removesuffix(_EOF)
        if family.name == name:
            # What describes the family stands before its first piece only.
            lines = text.splitlines(keepends=True)
            text = b"".join(line for line in lines if not line.startswith(b"# "))
        name = family.name
        yield text
    if is_open:
        yield _EOF


class _One:
    """A registry with one family."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Sequence[Metric]:
        """Return it."""
        return [self._family]
