"""The smallest configuration that allows the calls of a record, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

import attrs

from corsgate.config.lines import Path
from corsgate.config.model import Cors
from corsgate.config.quick import DEFAULT_LISTEN
from corsgate.config.rules import check_prefix
from corsgate.config.toml import Toml, toml_tables
from corsgate.cors.call import Call
from corsgate.cors.mend import widen, written
from corsgate.cors.policy import compile_policy
from corsgate.cors.record import Recorded
from corsgate.cors.trace import text
from corsgate.errors import BadValue, PolicyError, TargetError
from corsgate.message.host import is_loopback_name
from corsgate.message.target import segments

UNKNOWN_SERVER = "http://localhost:8000"
"""What stands for a server that the record doesn't name."""


@attrs.frozen(kw_only=True)
class Learned:
    """A configuration that was learned.

    Attributes:
        toml: Its text; empty where nothing could be learned.
        refused: What was recorded and can't be allowed, and why.
        notes: What its reader should know.
    """

    toml: str
    refused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@attrs.define
class _Group:
    """The calls that one route is for."""

    place: tuple[str | None, str]
    server: str
    recorded: list[Recorded]
    cors: Cors | None = None


def learn(recorded: Sequence[Recorded], max_age_s: int | None = None) -> Learned:
    """Answer the smallest configuration for recorded calls.

    Args:
        recorded: The calls.
        max_age_s: How long browsers shall keep preflights' answers; None leaves it unsaid.

    Returns:
        A configuration with one route and one policy for each route or server of the record.

    Raises:
        BadValue: Two servers were called at the same paths, so that no gate can have both.
    """
    refused: list[str] = []
    groups = [group for group in _groups(recorded) if _allow(group, refused)]
    _check_apart(groups)
    if not groups:
        return Learned(toml="", refused=tuple(refused))
    notes = [f"the gate served no call of {each} yet: is it meant to?" for each in _new(recorded)]
    keys: list[tuple[Path, str, Toml]] = [((), "listen", [DEFAULT_LISTEN])]
    hosts = _hosts(groups)
    if hosts:
        keys.append(((), "hosts", hosts))
    names: dict[str, str] = {}
    for group in groups:
        if not group.server:
            notes.append(f"the record names no server: put the API's URL for {UNKNOWN_SERVER}")
        server = group.server or UNKNOWN_SERVER
        if server not in names:
            names[server] = f"api{len(names) + 1}" if names else "api"
            keys.append((("upstreams", names[server]), "servers", [server]))
    for number, group in enumerate(groups):
        policy = f"learned{number + 1}" if number else "learned"
        assert group.cors is not None
        table = written(group.cors)
        if max_age_s is not None:
            table["max_age"] = f"{max_age_s}s"
        keys += [(("cors", policy), key, value) for key, value in table.items()]
        host, prefix = group.place
        route: Path = ("routes", f"{host or ''}{prefix}")
        keys += [
            (route, "upstream", names[group.server or UNKNOWN_SERVER]),
            (route, "cors", policy),
        ]
    return Learned(
        toml=toml_tables(keys), refused=tuple(refused), notes=tuple(dict.fromkeys(notes))
    )


def _groups(recorded: Iterable[Recorded]) -> list[_Group]:
    """Answer the calls by the gate's route, or else by their server."""
    groups: dict[object, _Group] = {}
    for each in recorded:
        key: object = each.server if each.place is None else each.place
        group = groups.setdefault(
            key, _Group(place=each.place or (None, "/"), server=each.server, recorded=[])
        )
        group.server = group.server or each.server
        group.recorded.append(each)
    for group in groups.values():
        if group.recorded[0].place is None:
            group.place = (None, _common_prefix(group.recorded))
    return list(groups.values())


def _allow(group: _Group, refused: list[str]) -> bool:
    """Make a group's policy of its calls; answer whether any can be allowed."""
    singly: dict[Call, Cors] = {}
    for each in group.recorded:
        _try(each.call, None, singly, refused)
    allowed = [each for each in group.recorded if each.call in singly]
    if allowed:
        group.cors = _joined(list(singly.values()))
        with_all: dict[Call, Cors] = {}
        try:
            compile_policy(group.cors)
        except PolicyError:
            # Some can't go with others, such as an http origin with another's credentials.
            group.cors = None
            for each in allowed:
                group.cors = _try(each.call, group.cors, with_all, refused)
            allowed = [each for each in allowed if each.call in with_all]
    for each in allowed:
        assert group.cors is not None
        group.cors = _expose(group.cors, each.exposed)
    refused[:] = dict.fromkeys(refused)
    return group.cors is not None


def _try(call: Call, cors: Cors | None, found: dict[Call, Cors], refused: list[str]) -> Cors | None:
    """Widen a policy by a call that was not yet found to be allowed; answer what it is then."""
    if call in found:
        return cors
    try:
        found[call] = widen(cors, call)
    except PolicyError as error:
        why = "; ".join(f"{problem}; {mend}" for _, problem, mend in error.faults)
        refused.append(f"{text(call.method)} from {text(call.origin)}: {why}")
        return cors
    return found[call]


def _joined(policies: Sequence[Cors]) -> Cors:
    """Answer a policy that allows what each of some does, at a cost that is linear in them."""
    names = {name.lower(): name for each in reversed(policies) for name in each.allow_headers}
    spelled = dict.fromkeys(name.lower() for each in policies for name in each.allow_headers)
    return Cors(
        allow_origins=tuple(dict.fromkeys(o for each in policies for o in each.allow_origins)),
        allow_methods=tuple(dict.fromkeys(m for each in policies for m in each.allow_methods)),
        allow_headers=tuple(names[name] for name in spelled),
        allow_credentials=any(each.allow_credentials for each in policies),
    )


def _new(recorded: Sequence[Recorded]) -> list[str]:
    """Answer the origins of which a gate refused all: anybody can have such in its log."""
    served = {each.call.origin for each in recorded if not each.was_refused}
    return [
        text(o) for o in dict.fromkeys(each.call.origin for each in recorded) if o not in served
    ]


def _expose(cors: Cors, names: Iterable[str]) -> Cors:
    """Answer a policy that lets scripts read further headers, but for those that none may."""
    for name in names:
        if name == "*" or name.lower() in {each.lower() for each in cors.expose_headers}:
            continue
        wider = attrs.evolve(cors, expose_headers=(*cors.expose_headers, name))
        with suppress(PolicyError):
            compile_policy(wider)
            cors = wider
    return cors


def _common_prefix(recorded: Sequence[Recorded]) -> str:
    """Answer the longest prefix of whole segments that all calls have."""
    paths = [_segments(each) for each in recorded]
    common: list[str] = []
    for step in zip(*paths, strict=False):
        longer = [*common, step[0]]
        if len(set(step)) > 1 or not _is_prefix("/" + "/".join(longer)):
            break
        common = longer
    return "/" + "/".join(common)


def _segments(recorded: Recorded) -> list[str]:
    try:
        found = segments(recorded.call.url.target.encode("ascii"))
    except TargetError:
        return []
    return [segment.decode("utf-8", "replace") for segment in found]


def _is_prefix(prefix: str) -> bool:
    try:
        check_prefix(prefix)
    except BadValue:
        return False
    return "\ufffd" not in prefix and "?" not in prefix


def _hosts(groups: Iterable[_Group]) -> list[str]:
    """Answer the Host values to list: none where the gate's default serves them all."""
    named = {group.place[0] for group in groups if group.place[0] is not None}
    beyond = sorted(host for host in named if not is_loopback_name(host.strip("[]").encode()))
    return ["localhost", "127.0.0.1", "[::1]", *beyond] if beyond else []


def _check_apart(groups: Sequence[_Group]) -> None:
    """Refuse routes by which a call would reach another server than the recorded one."""
    found = [group for group in groups if group.recorded[0].place is None]
    for group in found:
        for other in found:
            if other is group:
                continue
            inside = other.place[1].rstrip("/") + "/"
            deeper = len(other.place[1]) >= len(group.place[1])
            if deeper and any(
                f"{each.call.url.path}/".startswith(inside) for each in group.recorded
            ):
                raise BadValue(
                    f"{group.server} and {other.server} were both called below {other.place[1]}",
                    "learn from one at a time: --only URL",
                )
