"""A box that a function plays: it gets probes and returns replies."""

from __future__ import annotations

from collections.abc import Callable

from corsgate.adopt.plan import look_at
from corsgate.adopt.probes import Look, Probe, Reply
from corsgate.explain.url import Url

APP = "http://localhost:4200"
GATE = "http://localhost:5555"
MAX_PROBES = 40


def play(url: str, box: Callable[[Probe], Reply]) -> tuple[Look, list[Probe]]:
    """Return what is seen of a box, and the probes in order; fail if they don't end."""
    plan, probes = look_at(Url.parse(url), APP, GATE), []
    try:
        probe = next(plan)
        while True:
            probes.append(probe)
            assert len(probes) <= MAX_PROBES, "the plan has no end"
            probe = plan.send(box(probe))
    except StopIteration as done:
        look: Look = done.value
        return look, probes


def reply(status: int, body: bytes = b"", **fields: str) -> Reply:
    """Return a reply; underscores in names of fields stand for hyphens."""
    headers = tuple((k.replace("_", "-").encode(), v.encode()) for k, v in fields.items())
    return Reply(status=status, headers=headers, body=body)


def field(probe: Probe, name: bytes) -> bytes:
    """Return a probe's field, or empty bytes."""
    return next((value for each, value in probe.headers if each == name), b"")
