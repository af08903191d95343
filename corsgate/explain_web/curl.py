"""Reads a curl command, as browsers' developer tools copy it for a request."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence

from corsgate.errors import BadValue
from corsgate.explain.trace import tokens, values
from corsgate.explain.url import Url
from corsgate.explain_web.pasted import MAX_FIELDS, Details, Pasted, of_script
from corsgate.message.headers import Header

MAX_CURL_LENGTH = 128 * 1024
"""Characters of a command; the time that `shlex` takes grows with their square."""

_COMMAND = re.compile(r"\s*(?:\$ )?curl(?:\.exe)?\s", re.IGNORECASE)
_ANSI_C = re.compile(r"\$'((?:[^'\\]|\\.)*)'", re.DOTALL)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}

_LONG = {
    "-X": "--request",
    "-H": "--header",
    "-d": "--data",
    "-F": "--form",
    "-b": "--cookie",
    "-u": "--user",
    "-e": "--referer",
    "-T": "--upload-file",
    "-A": "--user-agent",
    "-o": "--output",
    "-m": "--max-time",
    "-x": "--proxy",
    "-E": "--cert",
    "-w": "--write-out",
    "-c": "--cookie-jar",
    "-K": "--config",
    "-r": "--range",
    "-D": "--dump-header",
}
"""Short options that take a value. All other letters are switches."""

_DATA = frozenset(
    ("--data", "--data-raw", "--data-binary", "--data-ascii", "--data-urlencode", "--json")
)
_WITH_VALUE = frozenset(
    (
        *_LONG.values(),
        *_DATA,
        *("--url", "--url-query", "--cacert", "--capath", "--key", "--connect-timeout", "--retry"),
        *("--resolve", "--connect-to", "--interface", "--limit-rate", "--max-redirs", "--ciphers"),
        *("--proxy-user", "--proxy-header", "--form-string", "--oauth2-bearer", "--noproxy"),
    )
)


def is_curl(text: str) -> bool:
    """Return whether text is a curl command."""
    return _COMMAND.match(text) is not None


def read_curl(text: str) -> Pasted:
    """Return the call of a curl command, without a response.

    Args:
        text: The command, in the quotes of a POSIX shell or of Windows' cmd.

    Raises:
        BadValue: It can't be read. The message contains none of its values.
    """
    if len(text) > MAX_CURL_LENGTH:
        raise BadValue(
            f"the curl command is longer than {MAX_CURL_LENGTH // 1024} KiB",
            "remove its --data: CORS does not depend on the body",
        )
    try:
        words = shlex.split(_plain(text))
    except ValueError:
        raise BadValue("the curl command ends within quotes", "copy all of it") from None
    return _Reader().read(words[1:] if words[0] != "$" else words[2:])


def _plain(text: str) -> str:
    """Return a command in plain POSIX quotes, on one line."""
    text = text.strip()
    if '^"' in text:
        text = re.sub(r"\^\r?\n", " ", text)
        return re.sub(r"\^(.)", r"\1", text)
    text = re.sub(r"\\\r?\n", " ", text)
    return _ANSI_C.sub(lambda found: shlex.quote(_ESCAPE.sub(_unescape, found[1])), text)


def _unescape(found: re.Match[str]) -> str:
    said = found[1]
    if len(said) > 1:
        char = chr(int(said[1:], 16))
        # Half of a surrogate pair has no encoding.
        return "\ufffd" if "\ud800" <= char <= "\udfff" else char
    return _ESCAPED.get(said, said)


class _Reader:
    """Reads the words of one command."""

    def __init__(self) -> None:
        self._fields: list[Header] = []
        self._method: str | None = None
        self._implied: str | None = None
        self._gets = False
        self._has_data = False
        self._has_cookies = False
        self._url: str | None = None

    def read(self, words: Sequence[str]) -> Pasted:
        """Return the call."""
        for option, value in _options(words):
            if option == "":
                self._url = self._url or value
            else:
                self._take(option, value)
        if self._url is None:
            raise BadValue("the curl command has no URL", "copy all of it")
        return self._pasted(self._url)

    def _take(self, option: str, value: str) -> None:
        if option == "--request":
            self._method = value
        elif option == "--header":
            name, colon, said = value.partition(":")
            if colon and name.strip():
                self._add(name.strip(), said.strip())
        elif option in _DATA or option in ("--form", "--form-string"):
            self._implied, self._has_data = "POST", True
            if option == "--json":
                self._add("Content-Type", "application/json", default=True)
            elif "form" in option:
                self._add("Content-Type", "multipart/form-data", default=True)
        elif option == "--upload-file":
            self._implied = "PUT"
        elif option in ("-I", "--head"):
            self._implied = "HEAD"
        elif option in ("-G", "--get"):
            self._gets = True
        elif option == "--cookie":
            self._has_cookies = True
        elif option in ("--user", "--oauth2-bearer"):
            self._add("Authorization", "x", default=True)
        elif option == "--referer":
            self._add("Referer", value)
        elif option == "--url":
            self._url = self._url or value

    def _add(self, name: str, value: str, *, default: bool = False) -> None:
        field = name.encode("utf-8", "replace"), value.encode("utf-8", "replace")
        if not (default and values(self._fields, field[0].lower())):
            self._fields.append(field)
        if len(self._fields) > MAX_FIELDS:
            raise BadValue(
                f"the curl command has more than {MAX_FIELDS} headers", "remove some of them"
            )

    def _pasted(self, said: str) -> Pasted:
        if "://" not in said and not said.startswith("/"):
            said = f"http://{said}"  # As in curl.
        url = Url.parse(said)
        method = self._method or ("GET" if self._gets else self._implied) or "GET"
        fields = tuple(self._fields)
        headers = of_script(fields)
        asked = values(fields, b"access-control-request-method")
        if method.upper() == "OPTIONS" and asked:
            names = tokens(values(fields, b"access-control-request-headers")) or ()
            method, headers = asked[0].decode("latin-1"), tuple((name, b"()") for name in names)
        return Pasted(
            kind="curl",
            details=Details(
                origin=origin_of(fields),
                method=method,
                url=url,
                headers=headers,
                credentials=self._has_cookies or bool(values(fields, b"cookie")),
            ),
        )


def origin_of(fields: Sequence[Header]) -> str | None:
    """Return the page's origin from the fields of a request: Origin, or else Referer."""
    origins = values(fields, b"origin")
    if origins:
        return origins[0].decode("latin-1")
    for referer in values(fields, b"referer"):
        try:
            return Url.parse(referer.decode("latin-1")).origin.decode("ascii")
        except BadValue:
            pass
    return None


def _options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Return the options of the first command in their long form; that of arguments is empty."""
    rest = iter(words)
    for word in rest:
        if word in ("curl", ";", "|", "&", "&&", "||"):
            return
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            if name in _WITH_VALUE:
                yield name, value if equals else next(rest, "")
            else:
                yield name, ""
        elif word.startswith("-") and len(word) > 1:
            yield from _short(word, rest)
        else:
            yield "", word


def _short(word: str, rest: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Return the options of a word such as ``-sXPUT``."""
    for place, letter in enumerate(word[1:], start=2):
        option = f"-{letter}"
        if option in _LONG:
            yield _LONG[option], word[place:] or next(rest, "")
            return
        yield option, ""
