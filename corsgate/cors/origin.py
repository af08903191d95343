"""The grammar of origins, and the patterns that a policy names them by."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

import attrs

from corsgate.config.model.rules import SHOWN_LENGTH, show
from corsgate.errors import BadValue
from corsgate.message.host import is_loopback_name

MAX_ORIGIN_BYTES = 512
"""A longer Origin is not looked at: a scheme, a DNS name of 253 bytes and a port fit well."""

_WEB_PORTS = {"http": 80, "https": 443}
_SOCKET_SCHEMES = {"ws": "http", "wss": "https"}
_OPAQUE_SCHEMES = frozenset(("about", "blob", "data", "file", "filesystem", "javascript"))

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_LABEL = r"[a-z0-9_-]{1,63}"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
# What stands before a path, query or fragment, however badly spelled.
_AUTHORITY = re.compile(r"(\[[^]]*\]|[^/\\?#:]*)(?::([0-9]*|\*))?(?=[/\\?#]|\Z)")
_SERIALIZED = re.compile(
    rf"({_SCHEME.pattern})://({_NAME.pattern}|\[[0-9a-f:]+\])(?::({_PORT.pattern}))?".encode()
)


@attrs.frozen(kw_only=True)
class Pattern:
    """Which origins one entry of ``allow_origins`` stands for.

    Attributes:
        text: The pattern as it is written, which is also its only spelling.
        scheme: The scheme; empty for ``*``.
        host: The host, an IPv6 address in its brackets; without the ``*.`` before it.
        port: Digits, ``*`` for any port and none, or empty for the scheme's own.
        subdomains: Whether it stands for all names below `host`, and not `host` itself.
    """

    text: str
    scheme: str = ""
    host: str = ""
    port: str = ""
    subdomains: bool = False

    @property
    def is_any(self) -> bool:
        """Whether this is ``*``, which stands for every origin."""
        return not self.scheme

    @property
    def is_loopback(self) -> bool:
        """Whether all that this stands for is on the browser's own machine."""
        return is_loopback_name(self.host.strip("[]").encode("ascii"))

    @property
    def is_exact(self) -> bool:
        """Whether this stands for one origin, spelled as `text`."""
        return not (self.is_any or self.subdomains or self.port == "*")


def parse_pattern(text: str) -> Pattern:
    """Return the pattern that one entry of ``allow_origins`` spells.

    An entry that no browser's Origin could ever equal is refused, since it would only look as
    if it allowed something.

    Args:
        text: ``scheme://host[:port]``, ``https://*.example.com``, ``http://localhost:*`` or
            ``*``.

    Returns:
        The pattern.

    Raises:
        BadValue: The text is none of these. The fix is the pattern that was meant, spelled
            right in every respect, wherever that can be told.

    Source: Fetch ``#origin-header``, HTML ``#ascii-serialisation-of-an-origin``, and URL
    ``#host-serializing`` for hosts.
    """
    try:
        return _parse(text)
    except BadValue as fault:
        meant = _meant(text)
        if not meant or len(meant) > SHOWN_LENGTH:
            raise
        try:
            _parse(meant)
        except BadValue:
            raise fault from None
        raise BadValue(fault.problem, f"write {show(meant)}") from None


def _meant(text: str) -> str:
    """Return the text as a browser would spell the origin; empty where that can't be told.

    Whether the answer is a pattern is for the caller to find out.
    """
    if not text.isascii():
        return ""
    scheme, mark, rest = text.strip().lower().partition("://")
    if not mark:
        # What serves this machine's pages hardly speaks TLS.
        scheme, rest = "http", scheme
        authority = _AUTHORITY.match(rest)
        if authority is None or not is_loopback_name(authority[1].strip("[]").encode("ascii")):
            return ""
    if "://" in rest or any(c in "@," or c.isspace() for c in rest):
        return ""
    scheme = _SOCKET_SCHEMES.get(scheme, scheme)
    found = _AUTHORITY.match(rest)
    if found is None:
        return ""
    host, port = found.groups("")
    host = host.removesuffix(".")
    if host.startswith("["):
        try:
            host = f"[{_ipv6_text(IPv6Address(host[1:-1].partition('%')[0]))}]"
        except AddressValueError:
            return ""
    if port != "*":
        port = port.lstrip("0") if port.strip("0") else port
        port = "" if port == str(_WEB_PORTS.get(scheme)) else port
    return f"{scheme}://{host}:{port}" if port else f"{scheme}://{host}"


def _parse(text: str) -> Pattern:
    """Return what `parse_pattern` does, each fault with a fix for itself alone."""
    if text == "*":
        return Pattern(text=text)
    _refuse_by_characters(text)
    scheme, authority = _split_scheme(text)
    _refuse_beyond_authority(text, authority)
    host, port = _split_port(text, authority)
    _check_port(text, scheme, host, port)
    subdomains = host.startswith("*.")
    if subdomains:
        host = host[2:]
    if scheme not in _WEB_PORTS and (subdomains or port == "*"):
        raise BadValue(
            f'{show(text)} has a "*" with the scheme {show(scheme)}',
            '"*" goes with http and https only; write the origin in full',
        )
    _check_host(text, scheme, host, subdomains)
    return Pattern(text=text, scheme=scheme, host=host, port=port, subdomains=subdomains)


def _refuse_by_characters(text: str) -> None:
    """Refuse what can be told without taking the text apart."""
    if "@" in text:
        # Not shown, since what stands before the '@' may be a password.
        raise BadValue(
            "a user name or password stands before the host", "leave out all up to the '@'"
        )
    if not text:
        raise BadValue(
            "an empty string is no origin", 'write an origin, as in "https://app.example.com"'
        )
    if len(text) > MAX_ORIGIN_BYTES:
        raise BadValue(
            f"{show(text)} is longer than {MAX_ORIGIN_BYTES} bytes", "no origin is as long as that"
        )
    if text.lower() == "null":
        raise BadValue(
            f"{show(text)} is the origin of every sandboxed frame and local file, whoever made it",
            "serve the page from an http or https origin, and write that",
        )
    if "," in text or text.count("://") > 1 or any(c.isspace() for c in text.strip()):
        raise BadValue(
            f"{show(text)} looks like two origins joined",
            "write each origin as a string of its own",
        )
    if text != text.strip():
        raise BadValue(f"{show(text)} has white space around it", "write it without")
    if not text.isascii():
        raise BadValue(
            f"{show(text)} has letters beyond ASCII",
            "write the host in Punycode (xn--...), as browsers send it",
        )
    if text != text.lower():
        raise BadValue(
            f"{show(text)} has upper-case letters, which an Origin never has",
            "write it in lower case",
        )


def _split_scheme(text: str) -> tuple[str, str]:
    """Return the scheme and what follows ``://``."""
    scheme, mark, authority = text.partition("://")
    if not mark or not scheme:
        raise BadValue(
            f"{show(text)} has no scheme",
            'write the scheme and "://" before the host, as in "https://example.com"',
        )
    if "*" in scheme:
        raise BadValue(
            f'{show(text)} has a "*" for its scheme', "write one origin for each scheme you mean"
        )
    if not _SCHEME.fullmatch(scheme):
        raise BadValue(
            f'{show(text)} has no proper scheme before "://"',
            'write "https://" or "http://"',
        )
    if scheme in _SOCKET_SCHEMES:
        raise BadValue(
            f"{show(text)} names a WebSocket, whose Origin is that of the page which opens it",
            f'write "{_SOCKET_SCHEMES[scheme]}://" before its host',
        )
    if scheme in _OPAQUE_SCHEMES:
        raise BadValue(
            f'{show(text)} can\'t be an origin: such pages send "null"',
            "serve the page from an http or https origin, and write that",
        )
    return scheme, authority


def _refuse_beyond_authority(text: str, authority: str) -> None:
    """Refuse the parts of a URL that an origin does not have."""
    for mark, part in (("/", "a path"), ("\\", "a path"), ("?", "a query"), ("#", "a fragment")):
        _, found, after = authority.partition(mark)
        if found:
            what = part if after or mark not in "/\\" else f"a {show(mark)} at its end"
            raise BadValue(
                f"{show(text)} has {what}, which an origin never has",
                f"leave out all from the {show(mark)} on",
            )


def _split_port(text: str, authority: str) -> tuple[str, str]:
    """Return the host, brackets kept, and the port, empty where there is none."""
    if not authority:
        raise BadValue(f"{show(text)} has no host", 'write an origin, as in "https://example.com"')
    if authority.startswith("["):
        address, closing, port = authority.partition("]")
        if closing and (not port or port.startswith(":")):
            host, mark, port = address + closing, port[:1], port[1:]
        else:
            raise BadValue(
                f"{show(text)} has a bracket but no IPv6 address in it",
                'write it as in "http://[::1]:8080"',
            )
    else:
        host, mark, port = authority.partition(":")
        if ":" in port:
            raise BadValue(
                f"{show(text)} has more than one ':' after its scheme",
                'write an IPv6 address in brackets, as in "http://[::1]:8080"',
            )
    if mark and not port:
        raise BadValue(f"{show(text)} has a ':' but no port", "leave out the last ':'")
    return host, port


def _check_port(text: str, scheme: str, host: str, port: str) -> None:
    """Refuse a port that no origin of this scheme is serialized with."""
    if port in ("", "*"):
        return
    if "*" in port:
        raise BadValue(
            f'{show(text)} has a "*" in the middle of its port',
            f"write one port, or {show(f'{scheme}://{host}:*')} for any",
        )
    if not _PORT.fullmatch(port) or int(port) > 65535:
        raise BadValue(
            f"{show(text)} has no proper port",
            "write a number from 1 to 65535 without leading zeros",
        )
    if int(port) == _WEB_PORTS.get(scheme):
        raise BadValue(
            f"{show(text)} has the default port of {scheme}, which browsers leave out",
            f"leave out {show(f':{port}')}",
        )


def _check_host(text: str, scheme: str, host: str, subdomains: bool) -> None:
    """Refuse a host that is not spelled as a browser serializes it (URL ``#host-serializing``)."""
    if "*" in host:
        raise BadValue(
            f'{show(text)} has a "*" where it can\'t stand',
            'write "*" alone for every origin, or "https://*.example.com" for all names below one',
        )
    if host.startswith("["):
        _check_ipv6(text, host)
        return
    if host.endswith("."):
        raise BadValue(f"{show(text)} has a host that ends in a dot", "leave out the last dot")
    if not _NAME.fullmatch(host) or len(host) > 253:
        raise BadValue(
            f"{show(text)} has no proper host",
            "write a host name of letters, digits, '-' and dots, or an IP address",
        )
    if scheme in _WEB_PORTS and _NUMERIC_LABEL.fullmatch(host.rpartition(".")[2]):
        _check_ipv4(text, host, subdomains)


def _check_ipv4(text: str, host: str, subdomains: bool) -> None:
    """Refuse all but four decimal numbers (URL ``#ends-in-a-number-checker``)."""
    if subdomains:
        raise BadValue(
            f'{show(text)} has a "*" before an IP address',
            "write each address as an origin of its own",
        )
    try:
        IPv4Address(host)
    except AddressValueError:
        raise BadValue(
            f"{show(text)} has a host that ends in a number but is no IPv4 address",
            'write four decimal numbers, as in "http://127.0.0.1:8080"',
        ) from None


def _check_ipv6(text: str, host: str) -> None:
    """Refuse an IPv6 address but in its one spelling (URL ``#concept-ipv6-serializer``)."""
    if "%" in host:
        raise BadValue(f"{show(text)} has a zone in its address", "leave out '%' and the zone")
    try:
        address = IPv6Address(host[1:-1])
    except AddressValueError:
        raise BadValue(
            f"{show(text)} has no IPv6 address in its brackets",
            'write it as in "http://[::1]:8080"',
        ) from None
    wanted = f"[{_ipv6_text(address)}]"
    if host != wanted:
        raise BadValue(
            f"{show(text)} has an IPv6 address that browsers spell another way",
            f"write {show(wanted)} for it",
        )


def _ipv6_text(address: IPv6Address) -> str:
    """Return the compressed form in hexadecimal only.

    Newer Pythons write a mapped address with its IPv4 part in decimals; browsers never do.
    """
    mapped = address.ipv4_mapped
    if mapped is None:
        return address.compressed
    return f"::ffff:{int(mapped) >> 16:x}:{int(mapped) & 0xFFFF:x}"


def take_apart(origin: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Return a serialized origin's scheme, host and port.

    Args:
        origin: The value of an Origin field, of any bytes, at most `MAX_ORIGIN_BYTES`.

    Returns:
        The scheme, the host, an IPv6 address in its brackets, and the port's digits, empty
        where there is none; None for what no browser would send.
    """
    parsed = _SERIALIZED.fullmatch(origin)
    if parsed is None:
        return None
    scheme, host, port = parsed.groups(b"")
    if port and (int(port) > 65535 or int(port) == _WEB_PORTS.get(scheme.decode("ascii"))):
        return None
    return scheme, host, port
