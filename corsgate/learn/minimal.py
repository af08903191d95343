"""Find the smallest configuration that allows exactly the calls of a record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from contextlib import suppress

import attrs

from corsgate.config.model.endpoint import is_reached_at
from corsgate.config.model.rules import check_prefix
from corsgate.config.model.values import Cors
from corsgate.config.quick import DEFAULT_LISTEN
from corsgate.config.toml.lines import Path
from corsgate.config.toml.writer import Toml, toml_tables, toml_value
from corsgate.cors.policy import compile_policy
from corsgate.errors import BadValue, PolicyError, TargetError
from corsgate.explain.call import Call, unsafe_names
from corsgate.explain.fix import widen, written
from corsgate.explain.trace import text
from corsgate.explain.url import Url
from corsgate.learn.paths import calls_by_url, proposed_paths
from corsgate.learn.record import Recorded
from corsgate.message.host import is_loopback_name
from corsgate.message.target import segments

UNKNOWN_SERVER = "http://localhost:8000"
"""The placeholder for a server that is not in the record."""

MAX_LISTED = 20
"""How many refused calls are listed for each route, since anyone can put thousands into a log."""

_MAX_LISTED_CHARACTERS = 200


@attrs.frozen(kw_only=True)
class Learned:
    """A learned configuration.

    Attributes:
        toml: Its text, with comments that list the refused calls of the record; empty if nothing
            was learned.
        refused: The recorded calls that can't be allowed, each with the reason.
        notes: Hints for the reader.
    """

    toml: str
    refused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@attrs.define
class _Group:
    """The calls of one route."""

    key: object
    place: tuple[str | None, str]
    server: str
    recorded: list[Recorded]
    cors: Cors | None = None


def learn(recorded: Sequence[Recorded], max_age_s: int | None = None) -> Learned:
    """Return the smallest configuration for recorded calls.

    A refused call does not count as evidence that it should be allowed. Anyone can send a gate any
    Origin, method and header names, and so put them into its log.

    Args:
        recorded: The calls.
        max_age_s: How long browsers may cache preflight responses; None leaves max_age out.

    Returns:
        A configuration with one route and one policy for each route or server of the record.

    Raises:
        BadValue: Two servers were called at the same paths, so one gate can't serve both.
    """
    refused: list[str] = []
    granted = [each for each in recorded if not each.was_refused]
    comments = _comments(recorded, {each.call for each in granted})
    groups = [group for group in _groups(granted) if _allow(group, refused)]
    _check_apart(groups)
    if not groups:
        lines = (line for comment in comments.values() for line in comment)
        return Learned(toml="", refused=tuple(refused), notes=tuple(dict.fromkeys(lines)))
    servers, notes = _servers(groups)
    names = {server: f"api{index + 1}" if index else "api" for index, server in enumerate(servers)}
    keys: list[tuple[Path, str, Toml]] = [((), "listen", [DEFAULT_LISTEN])]
    hosts = _hosts(groups)
    if hosts:
        keys.append(((), "hosts", hosts))
    keys += [(("upstreams", names[server]), "servers", [server]) for server in servers]
    parts = [toml_tables(keys)]
    for number, group in enumerate(groups):
        policy = f"learned{number + 1}" if number else "learned"
        assert group.cors is not None
        table = written(group.cors)
        if max_age_s is not None:
            table["max_age"] = f"{max_age_s}s"
        in_policy = toml_tables((("cors", policy), key, value) for key, value in table.items())
        host, prefix = group.place
        route: Path = ("routes", f"{host or ''}{prefix}")
        parts += [
            in_policy + _commented(comments.pop(group.key, ())),
            toml_tables([(route, "upstream", names[group.server]), (route, "cors", policy)])
            + _commented(_restrictions(group)),
        ]
    parts += map(_commented, comments.values())  # For routes whose calls were all refused.
    return Learned(toml="\n".join(parts), refused=tuple(refused), notes=tuple(dict.fromkeys(notes)))


def _restrictions(group: _Group) -> list[str]:
    """Return suggestions for a group's route: keys that restrict which paths or URLs it reaches."""
    if group.recorded[0].place is not None and calls_by_url(group.recorded, group.place[1]):
        return ["its calls name URLs: write by_url with the upstreams, instead of upstream"]
    paths = proposed_paths(group.recorded)
    if not paths:
        return []
    return ["to serve only the recorded paths:", f"allow_paths = {toml_value(paths)}"]


def _servers(groups: Sequence[_Group]) -> tuple[list[str], list[str]]:
    """Return the servers to propose, each once, and notes for the reader.

    A server that is unknown, or that is the gate itself, is replaced by a placeholder.
    """
    notes = []
    for group in groups:
        if _is_gate(group.server):
            notes.append(
                f"{group.server} is the gate's own address, and a gate can't forward to itself:"
                f" replace {UNKNOWN_SERVER} with the API's URL"
            )
            group.server = UNKNOWN_SERVER
        elif not group.server:
            notes.append(
                f"the record does not name a server: replace {UNKNOWN_SERVER} with the API's URL"
            )
            group.server = UNKNOWN_SERVER
    return list(dict.fromkeys(group.server for group in groups)), notes


def _commented(lines: Iterable[str]) -> str:
    return "".join(f"# {line}\n" for line in lines)


def _comments(recorded: Iterable[Recorded], granted: Set[Call]) -> dict[object, list[str]]:
    """Return the refused calls by `_key`, each described in one line."""
    found: dict[object, dict[str, None]] = {}
    for each in recorded:
        if each.was_refused and each.call not in granted:
            found.setdefault(_key(each), {})[_described(each)] = None
    comments = {}
    for key, refused in found.items():
        lines = [f"refused before: {line}" for line in list(refused)[:MAX_LISTED]]
        if len(refused) > MAX_LISTED:
            lines.append(f"refused before: {len(refused) - MAX_LISTED} more")
        comments[key] = lines
    return comments


def _described(each: Recorded) -> str:
    """Return the origin and the request of a call, on one line of bounded length."""
    call = each.call
    where = each.server
    if each.place is not None:
        host, prefix = each.place
        where = f"{host or ''}{prefix}"
    names = b", ".join(unsafe_names(call.sent_headers))
    headers = f" with {text(names)}" if names else ""
    line = f"{text(call.origin)} {text(call.method)}{headers}"
    if len(line) > _MAX_LISTED_CHARACTERS:
        line = f"{line[:_MAX_LISTED_CHARACTERS]}..."
    return f"{line} at {text(where.encode())}"


def _is_gate(server: str) -> bool:
    """Return whether a server is at the address where the proposed gate would listen."""
    try:
        url = Url.parse(server)
    except BadValue:
        return False  # The server is unknown, or a Unix socket.
    return is_reached_at(DEFAULT_LISTEN, url.host, url.effective_port)


def _key(each: Recorded) -> object:
    """Return the key that groups calls: the gate's route, or else the server."""
    return each.server if each.place is None else each.place


def _groups(recorded: Iterable[Recorded]) -> list[_Group]:
    """Group the calls by the gate's route, or else by their server."""
    groups: dict[object, _Group] = {}
    for each in recorded:
        key = _key(each)
        group = groups.setdefault(
            key, _Group(key=key, place=each.place or (None, "/"), server=each.server, recorded=[])
        )
        group.server = group.server or each.server
        group.recorded.append(each)
    for group in groups.values():
        if group.recorded[0].place is None:
            group.place = (None, _common_prefix(group.recorded))
    return list(groups.values())


def _allow(group: _Group, refused: list[str]) -> bool:
    """Set a group's policy from its calls; return whether any of them can be allowed."""
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
            # Some calls conflict, such as an http origin and another origin's credentials.
            group.cors = None
            for each in allowed:
                group.cors = _try(each.call, group.cors, with_all, refused)
            allowed = [each for each in allowed if each.call in with_all]
    for each in allowed:
        assert group.cors is not None
        group.cors = _expose(group.cors, each.exposed)
    refused[:] = dict.fromkeys(refused)
    group.recorded = allowed
    return group.cors is not None


def _try(call: Call, cors: Cors | None, found: dict[Call, Cors], refused: list[str]) -> Cors | None:
    """Widen a policy for a call that is not in `found` yet; return the policy that results."""
    if call in found:
        return cors
    try:
        found[call] = widen(cors, call)
    except PolicyError as error:
        why = "; ".join(f"{problem}; {fix}" for _, problem, fix in error.faults)
        refused.append(f"{text(call.method)} from {text(call.origin)}: {why}")
        return cors
    return found[call]


def _joined(policies: Sequence[Cors]) -> Cors:
    """Return a policy that allows what each of the given ones allows, in linear time."""
    names = {name.lower(): name for each in reversed(policies) for name in each.allow_headers}
    spelled = dict.fromkeys(name.lower() for each in policies for name in each.allow_headers)
    return Cors(
        allow_origins=tuple(dict.fromkeys(o for each in policies for o in each.allow_origins)),
        allow_methods=tuple(dict.fromkeys(m for each in policies for m in each.allow_methods)),
        allow_headers=tuple(names[name] for name in spelled),
        allow_credentials=any(each.allow_credentials for each in policies),
    )


def _expose(cors: Cors, names: Iterable[str]) -> Cors:
    """Return a policy that also exposes these headers, except those that scripts can't read."""
    for name in names:
        if name == "*" or name.lower() in {each.lower() for each in cors.expose_headers}:
            continue
        wider = attrs.evolve(cors, expose_headers=(*cors.expose_headers, name))
        with suppress(PolicyError):
            compile_policy(wider)
            cors = wider
    return cors


def _common_prefix(recorded: Sequence[Recorded]) -> str:
    """Return the longest prefix of whole segments that all calls share."""
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
    """Return the Host values to list: none if the gate's default serves them all."""
    named = {group.place[0] for group in groups if group.place[0] is not None}
    beyond = sorted(host for host in named if not is_loopback_name(host.strip("[]").encode()))
    return ["localhost", "127.0.0.1", "[::1]", *beyond] if beyond else []


def _check_apart(groups: Sequence[_Group]) -> None:
    """Raise BadValue if a route would send a call to another server than the recorded one."""
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
                    "learn from one server at a time: --only URL",
                )
