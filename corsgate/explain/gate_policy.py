"""What a running gate reveals of its policy when it refuses a call, and what to add to it."""

from __future__ import annotations

import re
from collections.abc import Sequence

import attrs

from corsgate.config.toml.lines import Path
from corsgate.config.toml.writer import Toml, toml_tables
from corsgate.explain.block_causes import Cause
from corsgate.explain.call import Call, unsafe_names
from corsgate.explain.near_miss import spell
from corsgate.explain.trace import Answer, Trace, text, values
from corsgate.explain.url import Url
from corsgate.message.headers import list_members

_REASON = b"corsgate-reason"
_ORIGIN = re.compile(r"[Oo]rigin \S+ is not allowed")
_METHOD = re.compile(r"method '\S+' is not in allow_methods")
_HEADER = re.compile(r"request header '\S+' is not in allow_headers")


@attrs.frozen(kw_only=True)
class GatePolicy:
    """What is known of the policy of a gate that refused a call.

    Attributes:
        words: What it allows, each one or more sentences; empty if it is unknown.
        toml: The missing keys of the policy, as TOML; empty if the call can't be allowed, or if
            the reason is unknown.
    """

    words: tuple[str, ...] = ()
    toml: str = ""


def reason_of(answers: Sequence[Answer]) -> str:
    """Return the reason that a gate gives in ``Corsgate-Reason``; empty without one."""
    found = [value for answer in answers for value in values(answer.headers, _REASON)]
    return text(found[-1]) if found else ""


def gate_policy(trace: Trace, call: Call, page: str = "") -> GatePolicy:
    """Return what a gate reveals of its policy.

    Args:
        trace: The sent call, which the gate refused.
        call: The call.
        page: The sentence of the gate's error page; empty if there was none.
    """
    answers = [answer for _, answer in trace.exchanges]
    reason = reason_of(answers)
    said = reason or page
    cause = None if trace.failed is None else trace.failed.cause
    keys: list[tuple[Path, str, Toml]] = []
    origin = spell(call.origin.decode("latin-1"))
    method = call.sent_method.decode("latin-1")
    if _ORIGIN.search(said) and origin is not None and "*" not in origin:
        keys.append(((), "allow_origins", [origin]))
    elif (_METHOD.search(said) or cause is Cause.METHOD) and method != "*":
        keys.append(((), "allow_methods", [method]))
    elif _HEADER.search(said) or cause is Cause.HEADER:
        names: list[Toml] = [text(name) for name in _unlisted(answers, call) if name != b"*"]
        keys += [((), "allow_headers", names)] if names else []
    elif cause is Cause.NO_CREDENTIALS and origin and Url.parse(origin).is_trustworthy:
        # For any other origin it would be a fault: an attacker who changes the page in transit
        # would act as its user.
        keys.append(((), "allow_credentials", True))
    return GatePolicy(words=tuple(_allows(answers, call)), toml=toml_tables(keys).rstrip("\n"))


def _unlisted(answers: Sequence[Answer], call: Call) -> list[bytes]:
    listed = {name.lower() for name in _listed(answers, b"access-control-allow-headers")}
    return [name for name in unsafe_names(call.sent_headers) if name not in listed]


def _listed(answers: Sequence[Answer], field: bytes) -> list[bytes]:
    found = [value for answer in answers for value in values(answer.headers, field)]
    return list(list_members(found))


def _allows(answers: Sequence[Answer], call: Call) -> list[str]:
    """Return what the policy allows the origin, from the response to a refused preflight."""
    origins = {o for a in answers for o in values(a.headers, b"access-control-allow-origin")}
    if not origins & {call.origin, b"*"}:
        return []
    methods = _listed(answers, b"access-control-allow-methods")
    headers = _listed(answers, b"access-control-allow-headers")
    if not methods and not headers:
        return [f"Its policy allows the origin {text(call.origin)}."]
    shown = ", ".join(map(text, methods)) or "GET, HEAD and POST only"
    names = ", ".join(map(text, headers)) or "none that need a preflight"
    with_credentials = any(values(a.headers, b"access-control-allow-credentials") for a in answers)
    credentials = "with credentials" if with_credentials else "without credentials"
    return [
        f"Its policy allows {text(call.origin)} {credentials}. Methods: {shown}. Headers: {names}."
    ]
