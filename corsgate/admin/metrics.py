"""``/metrics``: the counters in the format of Prometheus, collected at each request.

prometheus-client only writes the text. Its registry and counters are not used, since they take
locks.
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
        request: The request, whose Accept selects OpenMetrics or the older text format.
        view: The source.
    """
    view.keep_counters()
    accept = b",".join(request.index.get(b"accept", ())).decode("latin-1")
    encode, content_type = encoder(accept)
    return content_type.encode("ascii"), encoded(families(view), encode)


def encoder(accept: str) -> tuple[Encode, str]:
    """Return the function that writes metrics, and its content type.

    Args:
        accept: The value of Accept.
    """
    try:
        encode, content_type = choose_encoder(accept)
        content_type.encode("ascii")
    except (TypeError, ValueError):
        # Accept has a malformed version.
        return generate_latest, _PLAIN
    return encode, content_type


def encoded(found: Iterator[Metric], encode: Encode) -> Iterator[bytes]:
    """Write metric families, one piece for each.

    Args:
        found: The families. A family may be split into several consecutive ones.
        encode: Writes the families of a registry.
    """
    name = ""
    is_open = False
    for family in found:
        text = encode(_One(family))
        if text.endswith(_EOF):
            is_open = True
            text = text.removesuffix(_EOF)
        if family.name == name:
            # Only the first piece of a family may have its description.
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
