"""Writes the configuration that follows from the findings, with a comment for each."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping

import attrs

from corsgate.adopt.findings import CORS, UPSTREAM, Finding
from corsgate.adopt.login import Account, Login, credentials
from corsgate.adopt.probes import clip
from corsgate.config.toml.writer import Toml, toml_value
from corsgate.explain.url import Url

_WIDTH = 98
_MOST = 600


@attrs.frozen(kw_only=True)
class Plan:
    """The contents of the configuration.

    Attributes:
        url: The box's URL.
        origins: The origins that are allowed.
        port: The port of 127.0.0.1 on which the gate listens.
        found: The findings.
        login: The login that the box requires.
        account: The account of the gate's login, or None.
        today: The date, as ISO 8601.
    """

    url: Url
    origins: tuple[str, ...]
    port: int
    found: tuple[Finding, ...]
    login: Login
    account: Account | None
    today: str


def prefix_of(url: Url) -> str:
    """Return the prefix of the route to a URL."""
    return url.path.rstrip("/") or "/"


def config_text(plan: Plan) -> str:
    """Return the configuration as TOML.

    Text from the box is reduced to printable ASCII on one line, so it can't end a comment or a
    string.
    """
    server = f"{plan.url.scheme}://{plan.url.authority}"
    lines = [
        *_comment(f"Written by corsgate adopt on {plan.today} for {server}{plan.url.path}"),
        *_comment("Each comment has a finding. All keys: etc/corsgate.toml"),
        *_notes(plan.found),
        f"listen = [{toml_value(f'tcp:{plan.port}:interface=127.0.0.1')}]",
        "",
        "[upstreams.box]",
        f"servers = [{toml_value(server)}]",
        *_keys(plan.found, UPSTREAM),
    ]
    if plan.account is not None:
        lines += ['credentials = "box"', "", *_credentials(plan.login, plan.account)]
    prefix = prefix_of(plan.url)
    route = toml_value(prefix)
    if prefix == "/":
        lines += ["", *_comment("This route opens the whole box to the origins below. Name a"
                                " path, such as \"/api\", to open only that.")]  # fmt: skip
    else:
        lines.append("")
    lines += [f"[routes.{route}]", 'upstream = "box"', "", f"[routes.{route}.cors]"]
    lines.append(f"allow_origins = {toml_value(list(plan.origins))}")
    lines += _keys(plan.found, CORS)
    lines += [
        'expose_headers = "auto"',
        *_comment(
            "The browser's console shows the reason of a refusal. Remove this once the page works."
        ),
        "debug = true",
    ]
    return "".join(f"{line}\n" for line in lines)


def _notes(found: Iterable[Finding]) -> Iterator[str]:
    """Return the findings without keys, as comments."""
    yield "#"
    for each in found:
        if not each.keys and not each.off:
            yield from _comment(f"{each.topic}: {each.words}")
    yield ""


def _keys(found: Iterable[Finding], table: str) -> Iterator[str]:
    """Return the keys of a table, each after the comment with its finding."""
    done: set[str] = set()
    for each in found:
        keys = {key: value for key, value in each.keys.items() if key not in done}
        if each.table != table or not (keys or each.off):
            continue
        done |= set(keys)
        yield from _comment(f"{each.topic}: {each.words}")
        for key, value in keys.items():
            yield f"{key} = {toml_value(value)}"
        for key, value in each.off.items():
            yield f"# {key} = {toml_value(value)}"


def _credentials(login: Login, account: Account) -> Iterator[str]:
    yield "[credentials.box]"
    yield from _comment(f"login: {login.words}")
    table: Mapping[str, Toml] = credentials(login, account)
    for key, value in table.items():
        yield f"{key} = {toml_value(value)}"


def _comment(words: str) -> list[str]:
    """Return text as comment lines."""
    return textwrap.wrap(
        clip(words, _MOST), _WIDTH, initial_indent="# ", subsequent_indent="# ",
        break_long_words=True,
    )  # fmt: skip
