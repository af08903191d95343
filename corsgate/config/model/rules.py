"""The rules for single configuration values. Each error includes a fix.

The reader of files and the validators of `corsgate.config.model.values` share these rules.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable
from ipaddress import IPv4Address, IPv6Address
from math import isfinite

from corsgate.config.model.units import format_duration, format_size
from corsgate.errors import BadValue
from corsgate.message.headers import HOP_BY_HOP
from corsgate.message.identity import WRITTEN_FIELDS

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_OF_IPV6 = frozenset("0123456789abcdefABCDEF:.")
# How Python reads bytes of environment variables that are not UTF-8.
_SURROGATE = re.compile("[\ud800-\udfff]")
_BEARER_TOKEN = re.compile(r"[0-9A-Za-z._~+/-]+=*")
_FIELD_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_BASE_PATH = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
_PROBE_TARGET = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")
_DOTS = re.compile(r"(?:\.|%2e){1,2}", re.IGNORECASE)
ENTRY_NAME = r"[A-Za-z0-9_.-]{1,64}"
"""A regular expression for names in sections such as ``[upstreams]``."""

# Browsers always send these in upper case (Fetch #concept-method-normalize).
_NORMALIZED_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")
_NEVER_SERVED = ("CONNECT", "TRACE", "TRACK")
_WRITTEN_HERE = frozenset((*HOP_BY_HOP, *WRITTEN_FIELDS, b"host", b"content-length", b"expect"))
_NO_SECRETS = _WRITTEN_HERE | {b"origin", b"referer", b"via", b"x-request-id"}

MAX_SOCKET_PATH_BYTES = 107
SHOWN_LENGTH = 100
"""The maximum number of characters of a bad value in a message."""


def show(text: str) -> str:
    """Return text in quotes for a message, without a password that a URL may contain.

    Args:
        text: Any text from a configuration, except a secret.
    """
    before, at, after = text.rpartition("@")
    if at and ":" in before:
        text = f"...@{after}"
    if len(text) > SHOWN_LENGTH:
        text = f"{text[:SHOWN_LENGTH]}..."
    printable = (char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)
    return f'"{"".join(printable)}"'


def did_you_mean(word: str, known: Collection[str], otherwise: str) -> str:
    """Return a fix that suggests the closest known word, or `otherwise` if none is close."""
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {show(near[0])}?" if near else otherwise


def one_of(words: Iterable[str]) -> str:
    """Return words as an English list: ``"a", "b" or "c"``."""
    quoted = [show(word) for word in words]
    return " or ".join(filter(None, (", ".join(quoted[:-1]), quoted[-1])))


def check_choice(text: str, choices: Collection[str]) -> None:
    """Reject text that is not one of `choices`."""
    if text not in choices:
        raise BadValue(f"{show(text)} is unknown", f"write {one_of(choices)}")


def check_between(
    value: float, low: float, high: float, write: Callable[[float], str] = str
) -> None:
    """Reject a number outside the range `low` to `high`.

    Args:
        value: The number.
        low: The smallest valid value.
        high: The largest valid value.
        write: Formats a number as a user would write it.
    """
    if value < low:
        raise BadValue(f"{write(value)} is too small", f"write {write(low)} or more")
    if value > high:
        raise BadValue(f"{write(value)} is too large", f"write {write(high)} or less")


def check_seconds(value: float, low: float, high: float) -> None:
    """Reject a duration outside the range `low` to `high`, in seconds."""
    if not isfinite(value):
        raise BadValue(f"{value} is not a duration", "write a number of seconds")
    check_between(value, low, high, format_duration)


def check_bytes(value: int, low: int, high: int) -> None:
    """Reject a size outside the range `low` to `high`, in bytes."""
    check_between(value, low, high, lambda size: format_size(int(size)))


def check_entry_name(text: str) -> None:
    """Reject a name in a section such as ``[upstreams]`` that would be unclear in logs."""
    if not re.fullmatch(ENTRY_NAME, text):
        raise BadValue(
            f"{show(text)} is not a usable name",
            'write at most 64 letters, digits, "_", "-" and "."',
        )


def check_plain(text: str) -> None:
    """Reject text that is empty or contains control characters."""
    if not text:
        raise BadValue("it is empty", "write a value or remove the key")
    if _CONTROL.search(text):
        raise BadValue(f"{show(text)} contains control characters", "remove them")


def check_method(text: str) -> None:
    """Reject text that is not a method; methods are case-sensitive (RFC 9110 9.1)."""
    if not _TOKEN.fullmatch(text):
        raise BadValue(f"{show(text)} is not a method", 'write a method, such as "GET"')
    if text not in _NORMALIZED_METHODS and text.upper() in _NORMALIZED_METHODS:
        raise BadValue(f"{show(text)} is not upper-case", f'write "{text.upper()}"')


def check_served_method(text: str) -> None:
    """Reject text that is not a method, or is one that no route serves."""
    check_method(text)
    if text.upper() in _NEVER_SERVED:
        raise BadValue(f"{show(text)} is refused on every route", "remove it")


def check_token(text: str) -> None:
    """Reject text that is not a token, such as a field or cookie name (RFC 9110 5.6.2)."""
    if not _TOKEN.fullmatch(text):
        raise BadValue(f"{show(text)} is not a valid name", "remove spaces and separators")


def check_probe_target(text: str) -> None:
    """Reject text that can't be sent as a request target: a path, optionally with a query."""
    if not text.startswith("/"):
        raise BadValue(f"{show(text)} does not start with a slash", f"write {show('/' + text)}")
    if not _PROBE_TARGET.fullmatch(text):
        raise BadValue(
            f"{show(text)} contains characters that are not allowed in a request target",
            "percent-encode them as UTF-8",
        )


def check_field_name(text: str) -> None:
    """Reject the name of a field that can't carry credentials.

    It must be a token (RFC 9110 5.1). It must not be a field for framing or for one hop (7.6.1), or
    another field that the gate writes.
    """
    if not _TOKEN.fullmatch(text):
        raise BadValue(f"{show(text)} is not a header name", 'write a name, such as "X-Api-Key"')
    if text.lower().replace("_", "-").encode("ascii") in _NO_SECRETS:
        raise BadValue(
            f"{show(text)} is set by the gate itself", "name the header that holds the secret"
        )


def check_passed_header(text: str) -> None:
    """Reject the name of a field that a client can't set because the gate writes it."""
    if not _TOKEN.fullmatch(text):
        raise BadValue(
            f"{show(text)} is not a header name", 'write a name, such as "X-Remote-User"'
        )
    if text.lower().replace("_", "-").encode("ascii") in _WRITTEN_HERE:
        raise BadValue(
            f"{show(text)} is written by the gate itself",
            "remove it; to accept it from a proxy, set trusted_proxies on the listener",
        )


def check_username(text: str) -> None:
    """Reject a user name with control characters. It may be empty, since some APIs need that."""
    if _CONTROL.search(text):
        raise BadValue(f"{show(text)} contains control characters", "remove them")
    if _SURROGATE.search(text):
        raise BadValue(f"{show(text)} is not valid UTF-8", "encode it as UTF-8")


def check_basic_username(text: str) -> None:
    """Reject a user name that Basic can't carry (RFC 7617 2)."""
    check_username(text)
    if ":" in text:
        raise BadValue(f"{show(text)} has a colon, which Basic can't carry", "use another user")


def check_secret(text: str) -> None:
    """Reject a secret that is empty or contains control characters; never show it."""
    if not text:
        raise BadValue("the secret is empty", "add a value")
    if _CONTROL.search(text):
        raise BadValue(
            "the secret contains control characters",
            "remove line breaks and other control characters",
        )


def check_bearer_token(text: str) -> None:
    """Reject a secret that is not a token (RFC 6750 2.1); never show it."""
    check_secret(text)
    if not _BEARER_TOKEN.fullmatch(text):
        raise BadValue(
            "the token contains spaces or other characters that are not allowed in a token",
            'write the token alone, without "Bearer "',
        )


def check_field_value(text: str) -> None:
    """Reject a secret that is not an ASCII field value (RFC 9110 5.5); never show it."""
    check_secret(text)
    if not _FIELD_VALUE.fullmatch(text):
        raise BadValue(
            "the secret contains non-ASCII characters, or leading or trailing spaces", "remove them"
        )


def normal_host(text: str) -> str:
    """Return a host in the form used for comparison: lower-cased, IPv6 in its shortest form.

    Args:
        text: A host; an IPv6 address may have brackets. Other text is only lower-cased.
    """
    inner, bracketed = _unbracketed(text)
    try:
        short = str(IPv6Address(inner))
    except ValueError:
        return text.lower()
    return f"[{short}]" if bracketed else short


def check_host(text: str) -> None:
    """Reject text that is not a lower-cased host name or IP address (IPv6 without brackets).

    Underscores are valid because container networks use them in names.
    """
    if ":" in text:
        _check_ip_v6(text)
        return
    if not text.isascii():
        raise BadValue(f"{show(text)} is not an ASCII host name", 'write its "xn--" form')
    if len(text) > 253 or not _HOST.fullmatch(text):
        raise BadValue(f"{show(text)} is not a host name", "write a host name or an IP address")
    if text.rpartition(".")[2].isdigit():
        try:
            IPv4Address(text)
        except ValueError:
            raise BadValue(f"{show(text)} is not an IPv4 address", "write four numbers") from None


def _check_ip_v6(text: str) -> None:
    try:
        zone = IPv6Address(text).scope_id
    except ValueError:
        raise BadValue(
            f"{show(text)} is not an IPv6 address", "write a host name or an IP address"
        ) from None
    if zone is not None:
        raise BadValue(f"{show(text)} has a zone", 'remove the "%" and everything after it')


def check_bracketed_host(text: str) -> None:
    """Reject text that is not a lower-cased host without a port (IPv6 in brackets)."""
    inner, bracketed = _unbracketed(text)
    if bracketed:
        _check_ip_v6(inner)
        return
    host, port = split_port(text)
    if port is not None:
        raise BadValue(f"{show(text)} has a port", f"write {show(host)}")
    check_host(text)


def check_served_host(text: str) -> None:
    """Reject text that is not lower-cased ``name``, ``name:port`` or ``*.name`` (RFC 9110 7.2)."""
    if "://" in text:
        host = text.partition("://")[2].partition("/")[0]
        raise BadValue(f"{show(text)} is a URL", f"write {show(host)}")
    if text == "*":
        raise BadValue('"*" serves any host', "list the names that clients use")
    if text.startswith("*."):
        check_bracketed_host(text[2:])
        return
    name, port = split_port(text)
    check_bracketed_host(name)
    if port is not None:
        check_port(port, text)


def split_port(authority: str) -> tuple[str, str | None]:
    """Return the host of ``host[:port]``, and the text of the port or None.

    An IPv6 address needs brackets; they stay in the host (RFC 3986 3.2.2).

    Raises:
        BadValue: There is more than one colon outside brackets.
    """
    if authority.startswith("["):
        host, bracket, rest = authority.partition("]")
        if rest.startswith(":"):
            return host + bracket, rest[1:]
        return authority, None
    host, colon, port = authority.partition(":")
    if ":" in port:
        # One that is no address may be a user and a password whose "@" is missing.
        what = show(authority) if set(authority) <= _OF_IPV6 else "it"
        raise BadValue(f"{what} has too many colons", "write an IPv6 address in brackets")
    return host, port if colon else None


def check_port(port: str, whole: str) -> None:
    """Reject a port that is not 1 to 65535; the message shows `whole`."""
    if not re.fullmatch("[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise BadValue(f"{show(whole)} has a bad port", "write a port from 1 to 65535")


def _unbracketed(text: str) -> tuple[str, bool]:
    if text.startswith("[") and text.endswith("]"):
        return text[1:-1], True
    return text, False


def check_socket_path(text: str) -> None:
    """Reject a path that is not absolute, or too long for a Unix socket (unix(7))."""
    check_plain(text)
    if not text.isascii():
        raise BadValue(f"{show(text)} is not ASCII", "give the socket another name")
    if not text.startswith("/"):
        raise BadValue(f"{show(text)} is not an absolute path", f"write {show('/run/' + text)}")
    if len(text) > MAX_SOCKET_PATH_BYTES:
        raise BadValue(f"{show(text)} is too long", f"write {MAX_SOCKET_PATH_BYTES} bytes or less")


def check_pem(pem: bytes) -> None:
    """Reject bytes that contain no PEM certificate (RFC 7468 5); never show the bytes."""
    if b"-----BEGIN CERTIFICATE-----" not in pem:
        raise BadValue(
            "it contains no certificate", 'give a PEM file with "-----BEGIN CERTIFICATE-----"'
        )


def check_base_path(text: str) -> None:
    """Reject text that can't be prepended to a request's path (RFC 3986 3.3)."""
    if not text:
        return
    if not text.startswith("/") or text.endswith("/"):
        raise BadValue(
            f"{show(text)} is not a base path", 'write "/base", without a "/" at its end'
        )
    if not _BASE_PATH.fullmatch(text):
        raise BadValue(
            f"{show(text)} contains characters that are not allowed in a URL",
            "percent-encode them as UTF-8",
        )
    for segment in text[1:].split("/"):
        if not segment:
            raise BadValue(f"{show(text)} has an empty segment", 'write one "/" only')
        if _DOTS.fullmatch(segment):
            raise BadValue(f"{show(text)} has a dot segment", "write the path that it leads to")


def check_prefix(text: str) -> None:
    """Reject text that is not a path prefix: decoded whole segments, no ``/`` at the end."""
    if text == "/":
        return
    if not text.startswith("/"):
        raise BadValue(f"{show(text)} does not start with a slash", f"write {show('/' + text)}")
    if "?" in text or "#" in text:
        path = re.split("[?#]", text, maxsplit=1)[0].rstrip("/") or "/"
        raise BadValue(f"{show(text)} has a query or fragment", f"write {show(path)}")
    if "%" in text:
        raise BadValue(f"{show(text)} has a percent-escape", "write it decoded")
    if _CONTROL.search(text):
        raise BadValue(f"{show(text)} contains control characters", "remove them")
    if "\\" in text:
        raise BadValue(f"{show(text)} has a backslash", 'write "/" between segments')
    segments = text[1:].split("/")
    if segments[-1] in ("", "*") and all(segments[:-1]):
        shorter = text.rpartition("/")[0] or "/"
        below = "everything" if shorter == "/" else f"{shorter} and everything below"
        last = '"/*"' if segments[-1] else '"/"'
        raise BadValue(
            f"{show(text)} ends with {last}", f"write {show(shorter)}, which matches {below}"
        )
    if "" in segments:
        raise BadValue(f"{show(text)} has an empty segment", 'write one "/" only')
    # Some servers ignore the text after ";", so "..;x" is a dot segment to them.
    if any(segment.partition(";")[0] in (".", "..") for segment in segments):
        raise BadValue(f"{show(text)} has a dot segment", "write the path that it leads to")
