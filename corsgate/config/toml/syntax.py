"""Say what is wrong with a file that is not TOML, in words for someone new to TOML."""

from __future__ import annotations

import re

from corsgate.config.model.rules import show
from corsgate.config.toml.excerpt import excerpt
from corsgate.config.toml.lines import key_text, last_statement
from corsgate.config.toml.variables import variable_fix
from corsgate.errors import Fault

_PLACE = re.compile(r" \(at (?:line ([0-9]+), column ([0-9]+)|end of document)\)$")
_QUOTE_KEYS = 'quote a name that contains other characters than letters, digits, "_" and "-"'
_LAST_KEY = re.compile(r"^[ \t]*([A-Za-z0-9_-]+)[ \t]*=[ \t]*\[", re.MULTILINE)
_TRIPLE = re.compile(r'"""|\'\'\'')
_UNENDED = ("Unterminated", 'Expected "')
_UNENDED_LINE = re.compile(r"""^[^#"'\n]*'[^'\n]*$""", re.MULTILINE)
_BOOLEANS = {
    **dict.fromkeys(("True", "TRUE", "yes", "Yes", "on", "On"), "true"),
    **dict.fromkeys(("False", "FALSE", "no", "No", "off", "Off"), "false"),
}
_NOTHING = frozenset(("null", "Null", "NULL", "none", "None", "nil", "undefined"))
_WORD = re.compile(r"[A-Za-z]+(?=\s*(?:[,\]}#]|$))", re.MULTILINE)
_CURLY = "\u201c\u201d\u2018\u2019\u201e\u00ab\u00bb"
_UNQUOTED = "a value is neither in quotes nor a number, true, false or an array"


def syntax_fault(text: str, message: str, file: str) -> Fault:
    """Return the fault of a file that tomllib rejects.

    Args:
        text: The file's text.
        message: The message of tomllib's TOMLDecodeError.
        file: The file's name.
    """
    text = text.replace("\r\n", "\n")
    said = _PLACE.sub("", message)
    place = _PLACE.search(message)
    if place and place[1]:
        line, column = int(place[1]), int(place[2])
    else:
        line, column = _end(text, said)
    at = _offset(text, line, column)
    key = ""
    if _is_duplicate(said):
        key, problem, fix = _duplicate(text, at, line, said)
        if key:
            # tomllib stops at the end of the statement.
            begin = text.rfind("\n", 0, at) + 1
            column = len(text[begin:at]) - len(text[begin:at].lstrip()) + 1
    else:
        problem, fix = _words(text, at, said)
    shown = excerpt(text, line, column)
    return Fault(file=file, line=line, key=key, problem=problem, fix=fix, excerpt=shown)


def _end(text: str, said: str) -> tuple[int, int]:
    """Return the place of a fault that tomllib finds at the end of the file."""
    if said.startswith(_UNENDED):
        opened = None
        for match in _TRIPLE.finditer(text):
            opened = match.start() if opened is None else None
        if opened is not None:
            line = text.count("\n", 0, opened) + 1
            return line, opened - text.rfind("\n", 0, opened)
        single = _UNENDED_LINE.search(text)
        if single is not None:
            return text.count("\n", 0, single.start()) + 1, single.end() - single.start()
    last = text.rstrip("\n")
    return last.count("\n") + 1, len(last) - last.rfind("\n")


def _offset(text: str, line: int, column: int) -> int:
    start = 0
    for _ in range(line - 1):
        start = text.index("\n", start) + 1
    return start + column - 1


def _is_duplicate(said: str) -> bool:
    return said.startswith(("Cannot ", "Duplicate "))


def _duplicate(text: str, at: int, line: int, said: str) -> tuple[str, str, str]:
    """Return the key of what is defined twice, the problem and the fix."""
    path, defined, before = last_statement(text[:at])
    if said.startswith("Duplicate ") or before is None:
        return "", "a key or table is defined twice", "remove one of them"
    is_header = text[text.rfind("\n", 0, at) + 1 : at].lstrip().startswith("[")
    what = "the table" if is_header else "the key"
    where = "in this line" if before == line else f"in line {before}"
    if defined != path:
        return (
            key_text(path),
            f"{key_text(defined)} is not a table, but a value {where}",
            "keep one of the two",
        )
    fix = "put all its keys under one heading" if is_header else "keep one of the two"
    return key_text(path), f"{what} is already defined {where}", fix


def _words(text: str, at: int, said: str) -> tuple[str, str]:
    """Return the problem and the fix; tomllib's own words, which may change, if none are known."""
    rest = text[at:].partition("\n")[0]
    before = text[text.rfind("\n", 0, at) + 1 : at]
    if said.startswith("Invalid value") and (rest.strip() or before.rstrip().endswith("=")):
        return _value(rest)
    if said.startswith(("Illegal character '\\n'", "Found invalid character '\\n'")):
        return "a text has no closing quote in its line", "add it"
    if said.startswith(("Illegal character", "Found invalid")):
        return "a control character is in a text or comment", "remove it, or write it as \\uXXXX"
    if said.startswith("Unescaped"):
        return (
            "a \\ in double quotes begins an escape, and this is none",
            "write \\\\ for each \\, or put the text in single quotes",
        )
    if said.startswith(_UNENDED):
        return "a text has no closing quotes", "add them"
    if said.startswith(("Unclosed array", "Invalid value")):
        return _array(text, at)
    if said.startswith("Unclosed inline"):
        return "a table in braces lacks a comma or its }", "add it; the table must be in one line"
    if said.startswith("Expected newline"):
        return _after_value(rest, before)
    return _keys(rest, before, said)


def _value(rest: str) -> tuple[str, str]:
    if not rest.strip() or rest.lstrip().startswith("#"):
        return "a key has no value", "write one after the ="
    word = _WORD.match(rest)
    if word is not None and word[0] in _BOOLEANS:
        return f"{word[0]} is not a value of TOML", f"write {_BOOLEANS[word[0]]}, in lower case"
    if word is not None and word[0] in _NOTHING:
        return f"{word[0]} is not a value of TOML", "remove the key to use its default"
    if rest[0] in _CURLY:
        return "a text is in typographic quotes", 'write straight ones: "'
    return _UNQUOTED, variable_fix(rest) or "put the text in quotes"


def _array(text: str, at: int) -> tuple[str, str]:
    begun = list(_LAST_KEY.finditer(text, 0, at))
    if not begun:
        return "an array lacks a comma or its ]", "add it"
    line = text.count("\n", 0, begun[-1].start(1)) + 1
    return f"the array {begun[-1][1]}, begun in line {line}, lacks a comma or its ]", "add it"


def _after_value(rest: str, before: str) -> tuple[str, str]:
    if rest.startswith(";"):
        return "a line ends in a semicolon", "remove it"
    if rest[:1].isalpha() and before[-1:].isdigit():
        return "a value with a unit is text", 'put it in quotes, such as "10s" or "64KiB"'
    if rest.startswith(("'", '"')) or re.match(r"[A-Za-z0-9_-]+\s*=", rest):
        return "there are two values or keys in one line", "write each key in a line of its own"
    return "something follows the value", 'put text in quotes, and begin a comment with "#"'


def _keys(rest: str, before: str, said: str) -> tuple[str, str]:
    """Return the words of faults outside values: in keys, headings and statements."""
    if before.lstrip().startswith("["):
        name = before.lstrip(" \t[").strip()
        if said.startswith("Expected ']"):
            closing = re.match(r"\s*(?:#|$)", rest)
            if closing or rest.startswith("]"):
                if not before.lstrip().startswith("[["):
                    return "a heading has no closing ]", "add it"
                single = "" if name == "listener" else f", or only [{name}]"
                return "a heading has two [ before it, but not two ]", f"write [[{name}]]{single}"
        if "/" in rest or "/" in name:
            written = _heading(name + rest)
            return "a heading contains a / outside quotes", f"write {written}"
        if not (name + rest).strip("[] \t"):
            return "a heading is empty", "write a name between the brackets"
        return "a heading contains a character that needs quotes", _QUOTE_KEYS
    if said.startswith("Expected '='") and rest.lstrip().startswith(":"):
        return "a key is followed by a colon", "write = instead; the file is in TOML, not in YAML"
    if said.startswith("Expected '='") and rest.lstrip().startswith(("{", "[")):
        return "a key is followed by a value without =", "write = between them"
    if said.startswith("Expected '='"):
        return "a key is not followed by =", f"write KEY = VALUE; {_QUOTE_KEYS}"
    if said.startswith("Invalid statement") and rest.startswith("{"):
        return "the file looks like JSON", "write TOML; etc/minimal.toml is an example"
    if said.startswith("Invalid statement") and rest.startswith("- "):
        return "the file looks like YAML", "write TOML; etc/minimal.toml is an example"
    if said.startswith("Invalid initial") and not rest.strip() and "{" in before:
        return "a table in braces continues in another line", "write it in one line"
    if said.startswith("Invalid"):
        return "this is neither a key nor a heading", f"write KEY = VALUE; {_QUOTE_KEYS}"
    return said, "fix the TOML syntax here"


def _heading(written: str) -> str:
    """Return a heading with quotes around its last part, the path of a route."""
    inner = re.split(r"\]|\s#", written)[0].strip()
    section, dot, path = inner.partition(".")
    if not dot or not re.fullmatch(r"[A-Za-z0-9_-]+", section):
        return '[routes."/v1"]'
    return f"[{section}.{show(path.strip())}]"
