"""What single values of a configuration must be like; each rule says how to fix what isn't.

Both the reader of files and the validators of `corsgate.config.model.values` go by these.
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
_BEARER_TOKEN = re.compile(r"[0-9A-Za-z._~+/-]+=*")
_FIELD_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_BASE_PATH = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
_PROBE_TARGET = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")
_DOTS = re.compile(r"(?:\.|%2e){1,2}", re.IGNORECASE)
ENTRY_NAME = r"[A-Za-z0-9_.-]{1,64}"
"""What names under ``[upstreams]`` and the like are made of, as a regular expression."""

_USUAL_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
_FRAMING = frozenset((*HOP_BY_HOP, b"host", b"content-length"))
_WRITTEN_HERE = _FRAMING | WRITTEN_FIELDS | {b"expect"}

MAX_SOCKET_PATH_BYTES = 107
SHOWN_LENGTH = 100
"""More of a bad value than this is not shown."""


def show(text: str) -> str:
    """Return text in quotes for a message, without what may be a password in a URL.

    Args:
        text: Anything that was written in a configuration, except for a secret.
    """
    before, at, after = text.rpartition("@")
    if at and ":" in before:
        text = f"...@{after}"
    if len(text) > SHOWN_LENGTH:
        text = f"{text[:SHOWN_LENGTH]}..."
    printable = (char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)
    return f'"{"".join(printable)}"'


def did_you_mean(word: str, known: Collection[str], otherwise: str) -> str:
    """Return a fix that names the nearest known word, or else `otherwise`."""
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {show(near[0])}?" if near else otherwise


def one_of(words: Iterable[str]) -> str:
    """Return words for a message: ``"a", "b" or "c"``."""
    quoted = [show(word) for word in words]
    return " or ".join(filter(None, (", ".join(quoted[:-1]), quoted[-1])))


def check_choice(text: str, choices: Collection[str]) -> None:
    """Refuse text that is not one of `choices`."""
    if text not in choices:
        raise BadValue(f"{show(text)} is unknown", f"write {one_of(choices)}")


def check_between(
    value: float, low: float, high: float, write: Callable[[float], str] = str
) -> None:
    """Refuse a number outside of `low` to `high`, both included.

    Args:
        value: The number.
        low: The least.
        high: The greatest.
        write: Turns a number into the text that a user would write.
    """
    if value < low:
        raise BadValue(f"{write(value)} is too small", f"write {write(low)} or more")
    if value > high:
        raise BadValue(f"{write(value)} is too large", f"write {write(high)} or less")


def check_seconds(value: float, low: float, high: float) -> None:
    """Refuse seconds outside of `low` to `high`."""
    if not isfinite(value):
        raise BadValue(f"{value} is no duration", "write a number of seconds")
    check_between(value, low, high, format_duration)


def check_bytes(value: int, low: int, high: int) -> None:
    """Refuse a number of bytes outside of `low` to `high`."""
    check_between(value, low, high, lambda size: format_size(int(size)))


def check_entry_name(text: str) -> None:
    """Refuse a name under ``[upstreams]`` and the like that logs could not show plainly."""
    if not re.fullmatch(ENTRY_NAME, text):
        raise BadValue(
            f"{show(text)} is no usable name", 'write at most 64 letters, digits, "_", "-" and "."'
        )


def check_plain(text: str) -> None:
    """Refuse text that is empty or holds control characters."""
    if not text:
        raise BadValue("it is empty", "write a value or remove the key")
    if _CONTROL.search(text):
        raise BadValue(f"{show(text)} holds control characters", "remove them")


def check_method(text: str) -> None:
    """Refuse what is no method; methods are case-sensitive (RFC 9110 9.1)."""
    if not _TOKEN.fullmatch(text):
        raise BadValue(f"{show(text)} is no method", 'write a method, such as "GET"')
    if text not in _USUAL_METHODS and text.upper() in _USUAL_METHODS:
        raise BadValue(f"{show(text)} is not upper-case", f'write "{text.upper()}"')


def check_token(text: str) -> None:
    """Refuse what is no token, as names of fields and cookies are (RFC 9110 5.6.2)."""
    if not _TOKEN.fullmatch(text):
        raise BadValue(f"{show(text)} is no name", "write one without spaces and separators")


def check_probe_target(text: str) -> None:
    """Refuse what can't be asked for as it stands: a path, perhaps with a query."""
    if not text.startswith("/"):
        raise BadValue(f"{show(text)} does not start with a slash", f"write {show('/' + text)}")
    if not _PROBE_TARGET.fullmatch(text):
        raise BadValue(
            f"{show(text)} holds characters that a request can't", "percent-encode them as UTF-8"
        )


def check_field_name(text: str) -> None:
    """Refuse a field name that credentials can't go in: no token, or HTTP's own framing.

    RFC 9110 5.1 for names, 7.6.1 for fields that end at one hop.
    """
    if not _TOKEN.fullmatch(text):
        raise BadValue(f"{show(text)} is no header name", 'write a name, such as "X-Api-Key"')
    if text.lower().encode("ascii") in _FRAMING:
        raise BadValue(
            f"{show(text)} is set by the gate itself", "name the header that holds the secret"
        )


def check_passed_header(text: str) -> None:
    """Reject the name of a field that a client can't set, since the gate writes it anew."""
    if not _TOKEN.fullmatch(text):
        raise BadValue(f"{show(text)} is no header name", 'write a name, such as "X-Remote-User"')
    if text.lower().replace("_", "-").encode("ascii") in _WRITTEN_HERE:
        raise BadValue(
            f"{show(text)} is written by the gate itself",
            "remove it; what a trusted proxy says in it counts, with trusted_proxies of a listener",
        )


def check_username(text: str) -> None:
    """Refuse a user name with control characters; an empty one is what some APIs want."""
    if _CONTROL.search(text):
        raise BadValue(f"{show(text)} holds control characters", "remove them")


def check_basic_username(text: str) -> None:
    """Refuse a user name that Basic can't carry (RFC 7617 2)."""
    check_username(text)
    if ":" in text:
        raise BadValue(f"{show(text)} has a colon, which Basic can't carry", "use another user")


def check_secret(text: str) -> None:
    """Refuse a secret that is empty or holds control characters; never says its text."""
    if not text:
        raise BadValue("the secret is empty", "give it a value")
    if _CONTROL.search(text):
        raise BadValue("the secret holds control characters", "remove line ends and the like")


def check_bearer_token(text: str) -> None:
    """Refuse what is no token (RFC 6750 2.1); never says its text."""
    check_secret(text)
    if not _BEARER_TOKEN.fullmatch(text):
        raise BadValue(
            "the token holds spaces or other characters that no token has",
            'write the token alone, without "Bearer "',
        )


def check_field_value(text: str) -> None:
    """Refuse what is no field value in ASCII (RFC 9110 5.5); never says its text."""
    check_secret(text)
    if not _FIELD_VALUE.fullmatch(text):
        raise BadValue(
            "the secret holds non-ASCII characters, or spaces at its ends", "remove them"
        )


def normal_host(text: str) -> str:
    """Return a host in the one form it is compared in: lower-cased, IPv6 in its shortest.

    Args:
        text: A host, an IPv6 address with or without brackets; anything else passes as it is.
    """
    inner, bracketed = _unbracketed(text)
    try:
        short = str(IPv6Address(inner))
    except ValueError:
        return text.lower()
    return f"[{short}]" if bracketed else short


def check_host(text: str) -> None:
    """Refuse what is no lower-cased host name or IP address, IPv6 without brackets.

    Underscores pass, since container networks use them in names.
    """
    if ":" in text:
        _check_ip_v6(text)
        return
    if not text.isascii():
        raise BadValue(f"{show(text)} is no ASCII host name", 'write its "xn--" form')
    if len(text) > 253 or not _HOST.fullmatch(text):
        raise BadValue(f"{show(text)} is no host name", "write a host name or an IP address")
    if text.rpartition(".")[2].isdigit():
        try:
            IPv4Address(text)
        except ValueError:
            raise BadValue(f"{show(text)} is no IPv4 address", "write four numbers") from None


def _check_ip_v6(text: str) -> None:
    try:
        zone = IPv6Address(text).scope_id
    except ValueError:
        raise BadValue(
            f"{show(text)} is no IPv6 address", "write a host name or an IP address"
        ) from None
    if zone is not None:
        raise BadValue(f"{show(text)} has a zone", 'remove the "%" and what follows it')


def check_bracketed_host(text: str) -> None:
    """Refuse what is no lower-cased host name or IP address, IPv6 in brackets, without a port."""
    inner, bracketed = _unbracketed(text)
    if bracketed:
        _check_ip_v6(inner)
        return
    host, port = split_port(text)
    if port is not None:
        raise BadValue(f"{show(text)} has a port", f"write {show(host)}")
    check_host(text)


def check_served_host(text: str) -> None:
    """Refuse what is no lower-cased ``name``, ``name:port`` or ``*.name`` (RFC 9110 7.2)."""
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
    """Return host and port of ``host[:port]``, the port's text as it stands or None.

    An IPv6 address is told by its brackets, which stay (RFC 3986 3.2.2).

    Raises:
        BadValue: There are more colons than one outside of brackets.
    """
    if authority.startswith("["):
        host, bracket, rest = authority.partition("]")
        if rest.startswith(":"):
            return host + bracket, rest[1:]
        return authority, None
    host, colon, port = authority.partition(":")
    if ":" in port:
        raise BadValue(
            f"{show(authority)} has too many colons", "write an IPv6 address in brackets"
        )
    return host, port if colon else None


def check_port(port: str, whole: str) -> None:
    """Refuse a port that is not 1 to 65535; `whole` is what the message shows."""
    if not re.fullmatch("[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise BadValue(f"{show(whole)} has a bad port", "write a port from 1 to 65535")


def _unbracketed(text: str) -> tuple[str, bool]:
    if text.startswith("[") and text.endswith("]"):
        return text[1:-1], True
    return text, False


def check_socket_path(text: str) -> None:
    """Refuse what is no absolute path, or longer than a Unix socket's may be (unix(7))."""
    check_plain(text)
    if not text.isascii():
        raise BadValue(f"{show(text)} is not ASCII", "give the socket another name")
    if not text.startswith("/"):
        raise BadValue(f"{show(text)} is no absolute path", f"write {show('/run/' + text)}")
    if len(text) > MAX_SOCKET_PATH_BYTES:
        raise BadValue(f"{show(text)} is too long", f"write {MAX_SOCKET_PATH_BYTES} bytes or less")


def check_pem(pem: bytes) -> None:
    """Refuse bytes without a certificate in PEM (RFC 7468 5); never says any of them."""
    if b"-----BEGIN CERTIFICATE-----" not in pem:
        raise BadValue(
            "it holds no certificate", 'give a PEM file with "-----BEGIN CERTIFICATE-----"'
        )


def check_base_path(text: str) -> None:
    """Refuse what can't be put before a request's path (RFC 3986 3.3)."""
    if not text:
        return
    if not text.startswith("/") or text.endswith("/"):
        raise BadValue(f"{show(text)} is no base path", 'write "/base", without a "/" at its end')
    if not _BASE_PATH.fullmatch(text):
        raise BadValue(
            f"{show(text)} holds characters that a URL can't", "percent-encode them as UTF-8"
        )
    for segment in text[1:].split("/"):
        if not segment:
            raise BadValue(f"{show(text)} has an empty segment", 'write one "/" only')
        if _DOTS.fullmatch(segment):
            raise BadValue(f"{show(text)} has a dot segment", "write the path that it leads to")


def check_prefix(text: str) -> None:
    """Refuse what is no path prefix: whole segments, decoded, without a ``/`` at the end."""
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
        raise BadValue(f"{show(text)} holds control characters", "remove them")
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
    # Some servers cut off what follows a ";", so "..;x" is a dot segment to them.
    if any(segment.partition(";")[0] in (".", "..") for segment in segments):
        raise BadValue(f"{show(text)} has a dot segment", "write the path that it leads to")
