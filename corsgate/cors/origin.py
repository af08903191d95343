"""The grammar of origins, and of the patterns in a policy."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv6Address

import attrs

from corsgate.config.model.rules import SHOWN_LENGTH, show
from corsgate.cors.origin_host import NAME, WEB_PORTS, check_host, ip_text
from corsgate.errors import BadValue
from corsgate.message.host import is_loopback_name

MAX_ORIGIN_BYTES = 512
"""A longer Origin never matches; a scheme, a DNS name of 253 bytes and a port fit easily."""

ANY = "*"
"""The pattern that matches every origin."""

NULL = "null"
"""The origin of sandboxed frames, of local files, and of other pages that hide their origin."""

_SOCKET_SCHEMES = {"ws": "http", "wss": "https"}
_EXTENSION_SCHEMES = frozenset(("chrome-extension", "moz-extension"))
_OPAQUE_SCHEMES = frozenset(("about", "blob", "data", "file", "filesystem", "javascript"))

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
# The part before a path, query or fragment, even if it is malformed.
_AUTHORITY = re.compile(r"(\[[^]]*\]|[^/\\?#:]*)(?::([0-9]*|\*))?(?=[/\\?#]|\Z)")
_SERIALIZED = re.compile(
    rf"({_SCHEME.pattern})://({NAME.pattern}|\[[0-9a-f:]+\])(?::({_PORT.pattern}))?".encode()
)


@attrs.frozen(kw_only=True)
class Pattern:
    """One entry of ``allow_origins``.

    Attributes:
        text: The pattern as written, which is also its only valid form.
        scheme: The scheme; empty for ``*`` and ``null``.
        host: The host without a leading ``*.``, with the ``*`` that may be within a label; ``*``
            for every extension. An IPv6 address is in brackets.
        port: Digits, ``*`` for any port or none, or empty for the scheme's default.
        subdomains: Whether it matches all names below `host`, but not `host` itself.
    """

    text: str
    scheme: str = ""
    host: str = ""
    port: str = ""
    subdomains: bool = False

    @property
    def is_any(self) -> bool:
        """Whether this is ``*``, which matches every origin."""
        return self.text == ANY

    @property
    def is_null(self) -> bool:
        """Whether this is ``null``, the origin of sandboxed frames and of local files."""
        return self.text == NULL

    @property
    def is_any_extension(self) -> bool:
        """Whether this matches every browser extension."""
        return self.host == "*"

    @property
    def is_loopback(self) -> bool:
        """Whether all origins that this matches are on the browser's own machine."""
        return is_loopback_name(self.host.strip("[]").encode("ascii"))

    @property
    def is_exact(self) -> bool:
        """Whether this matches only one origin, which is `text`."""
        return "*" not in self.text

    @property
    def has_star_within(self) -> bool:
        """Whether there is a ``*`` within a label of the host."""
        return "*" in self.host and not self.is_any_extension

    @property
    def above(self) -> str:
        """The parent of all names that a ``*`` in the host matches; empty without such a ``*``."""
        if self.subdomains:
            return self.host
        return self.host.partition("*")[2].partition(".")[2]


def parse_pattern(text: str) -> Pattern:
    """Parse one entry of ``allow_origins``.

    An entry that can't match the Origin of any browser is rejected, because it would have no
    effect.

    Args:
        text: ``scheme://host[:port]``, ``https://*.example.com``, ``https://pr-*.example.com``,
            ``http://localhost:*``, ``chrome-extension://*``, ``null`` or ``*``.

    Returns:
        The pattern.

    Raises:
        BadValue: The text is none of these. If the intended pattern can be guessed, the fix is
            that pattern in valid form.

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


def check_sent_origin(text: str) -> str:
    """Return the origin that a person entered for a page, if a browser can send it.

    Args:
        text: The origin, such as from a command line.

    Returns:
        The same text.

    Raises:
        BadValue: No browser sends it. If the intended origin can be guessed, the fix names it.
            For example, ``http://localhost:4200`` is suggested for ``localhost:4200``,
            ``HTTP://LOCALHOST:4200`` and ``http://localhost:4200/app``.

    Source: HTML ``#ascii-serialisation-of-an-origin``.
    """
    try:
        if parse_pattern(text).is_exact:
            return text
    except BadValue as fault:
        guess = _meant(text)
        if not guess and "://" not in text and text.lower() != NULL:
            # Servers on other machines usually use TLS.
            guess = _meant(f"https://{text}")
        try:
            is_sent = bool(guess) and parse_pattern(guess).is_exact
        except BadValue:
            is_sent = False
        if not is_sent or len(guess) > SHOWN_LENGTH:
            raise
        raise BadValue(fault.problem, f"did you mean {show(guess)}?") from None
    raise BadValue(f"{show(text)} is a pattern, not an origin", "write one origin that it matches")


def _meant(text: str) -> str:
    """Guess the intended origin, in the form that browsers send; empty if that is impossible.

    The caller checks whether the result is a valid pattern.
    """
    if not text.isascii():
        return ""
    scheme, mark, rest = text.strip().lower().partition("://")
    if not mark:
        # Servers on this machine rarely use TLS.
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
            host = ip_text(IPv6Address(host[1:-1].partition("%")[0]))
        except AddressValueError:
            return ""
    if port != "*":
        port = port.lstrip("0") if port.strip("0") else port
        port = "" if port == str(WEB_PORTS.get(scheme)) else port
    return f"{scheme}://{host}:{port}" if port else f"{scheme}://{host}"


def _parse(text: str) -> Pattern:
    """Parse like `parse_pattern`, but with a fix for the first fault only."""
    if text in (ANY, NULL):
        return Pattern(text=text)
    _refuse_by_characters(text)
    scheme, authority = _split_scheme(text)
    _refuse_beyond_authority(text, authority)
    host, port = _split_port(text, authority)
    _check_port(text, scheme, host, port)
    subdomains = host.startswith("*.")
    if subdomains:
        host = host[2:]
    if scheme in _EXTENSION_SCHEMES and authority == "*":
        return Pattern(text=text, scheme=scheme, host=host)
    if scheme not in WEB_PORTS and "*" in authority:
        raise BadValue(
            f'{show(text)} has a "*" with the scheme {show(scheme)}',
            'write the origin in full; "*" works only with http and https, and as'
            ' "chrome-extension://*" or "moz-extension://*" for every extension',
        )
    check_host(text, scheme, host, subdomains)
    return Pattern(text=text, scheme=scheme, host=host, port=port, subdomains=subdomains)


def _refuse_by_characters(text: str) -> None:
    """Reject faults that are visible without parsing the text."""
    if "@" in text:
        # The text is not shown, since a password may come before the '@'.
        raise BadValue(
            "it has a user name or password before the host",
            "leave out everything up to the '@'",
        )
    if not text:
        raise BadValue(
            "an empty string is not an origin", 'write an origin, as in "https://app.example.com"'
        )
    if len(text) > MAX_ORIGIN_BYTES:
        raise BadValue(
            f"{show(text)} is longer than {MAX_ORIGIN_BYTES} bytes", "write a shorter origin"
        )
    if text.lower() == NULL:
        raise BadValue(f"{show(text)} is spelled differently by browsers", f"write {show(NULL)}")
    if "," in text or text.count("://") > 1 or any(c.isspace() for c in text.strip()):
        raise BadValue(
            f"{show(text)} looks like two origins joined",
            "write each origin as a separate string",
        )
    if text != text.strip():
        raise BadValue(f"{show(text)} has white space around it", "remove the white space")
    if not text.isascii():
        raise BadValue(
            f"{show(text)} has non-ASCII characters",
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
        raise BadValue(f"{show(text)} has no scheme", _with_scheme(text))
    if "*" in scheme:
        raise BadValue(f'{show(text)} has a "*" as its scheme', "write one origin for each scheme")
    if not _SCHEME.fullmatch(scheme):
        raise BadValue(
            f'{show(text)} has no valid scheme before "://"',
            'write "https://" or "http://"',
        )
    if scheme in _SOCKET_SCHEMES:
        raise BadValue(
            f"{show(text)} is a WebSocket URL, but its Origin is that of the page that opens it",
            f'write "{_SOCKET_SCHEMES[scheme]}://" before its host',
        )
    if scheme in _OPAQUE_SCHEMES:
        raise BadValue(
            f'{show(text)} can\'t be an origin: such pages send "null"',
            "serve the page from an http or https origin, and write that origin",
        )
    return scheme, authority


def _with_scheme(text: str) -> str:
    """Return the fix for an origin without a scheme."""
    try:
        _parse(f"https://{text}")
    except BadValue:
        return 'write the scheme and "://" before it, as in "https://example.com"'
    return f'write the scheme and "://" before it, as in {show(f"https://{text}")}'


def _refuse_beyond_authority(text: str, authority: str) -> None:
    """Reject text with parts of a URL that an origin does not have."""
    for mark, part in (("/", "a path"), ("\\", "a path"), ("?", "a query"), ("#", "a fragment")):
        _, found, after = authority.partition(mark)
        if found:
            what = part if after or mark not in "/\\" else f"a trailing {show(mark)}"
            raise BadValue(
                f"{show(text)} has {what}, which an origin never has",
                f"leave out everything from the {show(mark)} on",
            )


def _split_port(text: str, authority: str) -> tuple[str, str]:
    """Return the host, including any brackets, and the port; empty if there is none."""
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
    """Reject a port that no serialized origin of this scheme has."""
    if port in ("", "*"):
        return
    if "*" in port:
        raise BadValue(
            f'{show(text)} has a "*" in the middle of its port',
            f"write one port, or {show(f'{scheme}://{host}:*')} for any",
        )
    if not _PORT.fullmatch(port) or int(port) > 65535:
        raise BadValue(
            f"{show(text)} has no valid port",
            "write a number from 1 to 65535 without leading zeros",
        )
    if int(port) == WEB_PORTS.get(scheme):
        raise BadValue(
            f"{show(text)} has the default port of {scheme}, which browsers leave out",
            f"leave out {show(f':{port}')}",
        )


def take_apart(origin: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Split a serialized origin into its scheme, host and port.

    Args:
        origin: The value of an Origin field, with any bytes, at most `MAX_ORIGIN_BYTES` long.

    Returns:
        Scheme, host and port. An IPv6 address is in brackets, and the port is empty if there is
        none. None for an origin that no browser would send.
    """
    parsed = _SERIALIZED.fullmatch(origin)
    if parsed is None:
        return None
    scheme, host, port = parsed.groups(b"")
    if port and (int(port) > 65535 or int(port) == WEB_PORTS.get(scheme.decode("ascii"))):
        return None
    return scheme, host, port
