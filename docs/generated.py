"""The parts of pages that are made from the program: commands, keys, and tables of contents.

A page names such a part in a comment on its own line, such as ``<!-- generated: keys -->``. So the
pages can also be read without generating anything, for example on a Git host.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from pygments.lexers.special import TextLexer

from corsgate import cli
from corsgate.config.reference import KeyEntry, TableEntry, reference

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_MARK: Final = re.compile(r"(?m)^(?:(#+) .*\n\n)?<!-- generated: (\w+) -->$")
_PAGES: Final = re.compile(r"(?m)^<!-- pages: (.+) -->$")


def commands(level: str = "##") -> str:
    """Return a section for each command, in Markdown, with headings of a level."""
    return "\n".join(
        "\n".join(_command(name, parser, level)) for name, parser in _parsers().items()
    )


def keys(level: str = "##") -> str:
    """Return a section for each table of a configuration file, in Markdown."""
    return "\n".join("\n".join(_table(table, level)) for table in reference())


PARTS: Final[Mapping[str, Callable[[str], str]]] = {"commands": commands, "keys": keys}
"""The function that makes each part, by the part's name."""


def filled(text: str) -> str:
    """Return a page with its generated parts, and with its list of pages as a table of contents.

    Args:
        text: The page, in Markdown.

    Raises:
        KeyError: The page names an unknown part.
    """

    def contents(match: re.Match[str]) -> str:
        return "\n".join(("```{toctree}", ":hidden:", ":glob:", "", *match[1].split(), "```"))

    def part(match: re.Match[str]) -> str:
        level = f"{match[1]}#" if match[1] else "##"
        return match[0].rpartition("<!--")[0] + PARTS[match[2]](level)

    return _MARK.sub(part, _PAGES.sub(contents, text))


def setup(app: Sphinx) -> dict[str, object]:
    """Set up the Sphinx extension."""

    def read(app: Sphinx, docname: str, source: list[str]) -> None:
        source[0] = filled(source[0])

    app.connect("source-read", read)
    # Pygments has no lexers for these.
    for language in ("logrotate", "logql"):
        app.add_lexer(language, TextLexer)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def escaped(text: str) -> str:
    """Return plain text as Markdown that shows it unchanged, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>#|$~])", r"\\\1", " ".join(text.split()))


def _parsers() -> dict[str, argparse.ArgumentParser]:
    """Return the parser of each command, in the order of the help."""
    whole = cli.parser(is_whole=True)
    (found,) = [each for each in whole._actions if isinstance(each, argparse._SubParsersAction)]
    return dict(found.choices)


def _command(name: str, parser: argparse.ArgumentParser, level: str) -> Iterator[str]:
    """Return the lines of a command's section."""
    yield f"{level} corsgate {name}\n"
    usage = re.sub(r"\s+", " ", parser.format_usage().removeprefix("usage: ")).strip()
    yield f"```text\n{usage}\n```\n"
    for paragraph in (parser.description or "").split("\n\n"):
        yield from _paragraph(paragraph)
    for action in parser._actions:
        if action.help != argparse.SUPPRESS:
            yield f"`{_invocation(action)}`\n: {_meaning(parser, action)}\n"
    example = (parser.epilog or "").partition("example:\n")[2]
    if example:
        lines = "\n".join(line.strip() for line in example.splitlines())
        yield f"Example:\n\n```sh\n{lines}\n```\n"


def _paragraph(text: str) -> Iterator[str]:
    """Return a paragraph of a description; text in columns stays unchanged."""
    if text.startswith("exit status:"):
        statuses = re.split(r"(?:,\s|\s\s+)(?=\d+ )", text.removeprefix("exit status:").strip())
        yield "Exit status:\n"
        for status in statuses:
            number, _, words = status.partition(" ")
            yield f"- {number}: {escaped(words)}"
        yield ""
    elif re.search(r"(?m)^  ", text):
        yield f"```text\n{text}\n```\n"
    else:
        yield f"{escaped(text)}\n"


def _invocation(action: argparse.Action) -> str:
    """Return how an option or argument is written."""
    value = str(action.metavar or action.dest.upper())
    if not action.option_strings:
        return value
    takes = f" {value}" if action.nargs != 0 else ""
    return ", ".join(f"{option}{takes}" for option in action.option_strings)


def _meaning(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    # A test checks that each option has help.
    words = (action.help or "no help") % {**vars(action), "prog": parser.prog}
    more = [
        *(["required"] if action.required and action.option_strings else []),
        *(
            ["may be repeated"]
            if isinstance(action, argparse._AppendAction) and "repeat it" not in (action.help or "")
            else []
        ),
    ]
    said = f"{words[0].upper()}{words[1:]}"
    return escaped(f"{said} ({', '.join(more)})." if more else f"{said}.").replace("..", ".")


def _table(table: TableEntry, level: str) -> Iterator[str]:
    """Return the lines of a table's section."""
    yield f"{level} {escaped(table.heading)}\n"
    if table.description:
        yield f"{escaped(table.description)}\n"
    for key in table.keys:
        yield from _key(key)


def _key(key: KeyEntry) -> Iterator[str]:
    """Return the lines of a key."""
    facts = [key.type]
    if key.required:
        facts.append("required")
    if key.default:
        facts.append(f"default `{key.default}`")
    if key.range:
        facts.append(f"one of {key.range}" if '"' in key.range else key.range)
    words = escaped(key.description)
    yield f"`{key.key}`\n: {', '.join(facts)}; since {key.since}"
    yield f"\n  {words}{'' if words.endswith('.') else '.'}\n\n  ```toml\n  {key.example}\n  ```\n"
