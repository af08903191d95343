"""A URL that a page calls, split into the parts that Fetch needs."""

from __future__ import annotations

from urllib.parse import quote, urljoin, urlsplit

import attrs

from corsgate.config.model.rules import show
from corsgate.errors import BadValue
from corsgate.message.host import is_loopback_name, parse_host

_DEFAULT_PORTS = {"http": 80, "https": 443}
# Not escaped in a path or query (URL ``#path-percent-encode-set``). ``%`` starts an escape.
_PLAIN = "/:@!$&'()*+,;=-._~%[]|"
_EXAMPLE = 'write a full URL, such as "http://localhost:5555/v1/documents"'


@attrs.frozen(kw_only=True)
class Url:
    """An absolute http or https URL.

    Attributes:
        scheme: ``http`` or ``https``.
        host: The lower-cased host; an IPv6 address is in brackets.
        port: The port; None for the scheme's default.
        target: Path and query as a request target. The fragment is never sent.
        has_userinfo: Whether a user name or password precedes the host. It is not stored.
    """

    scheme: str
    host: str
    port: int | None
    target: str
    has_userinfo: bool = False

    @classmethod
    def parse(cls, text: str) -> Url:
        """Parse a URL.

        Args:
            text: An absolute http or https URL with an ASCII host.

        Raises:
            BadValue: It is not such a URL. The message does not contain a password.
        """
        shown = show(text)
        try:
            parts = urlsplit(text.strip())
            scheme, port, host = parts.scheme.lower(), parts.port, parts.hostname or ""
        except ValueError:
            raise BadValue(f"{shown} is not a URL", _EXAMPLE) from None
        if scheme not in _DEFAULT_PORTS:
            raise BadValue(f"{shown} is not an http or https URL", _EXAMPLE)
        bracketed = f"[{host}]" if ":" in host else host
        if not bracketed.isascii():
            raise BadValue(
                f"{shown} has a host with non-ASCII characters", "write it in Punycode (xn--...)"
            )
        value = parse_host(bracketed.encode("ascii"))
        if value is None or port == 0:
            raise BadValue(f"{shown} has no valid host or port", _EXAMPLE)
        name = value.name.decode("ascii")
        return cls(
            scheme=scheme,
            host=f"[{name}]" if ":" in name else name,
            port=None if port == _DEFAULT_PORTS[scheme] else port,
            target=quote(_resolve(parts.path), safe=_PLAIN)
            + (f"?{quote(parts.query, safe=_PLAIN + '?')}" if parts.query else ""),
            has_userinfo="@" in parts.netloc,
        )

    @property
    def effective_port(self) -> int:
        """The port to connect to."""
        return _DEFAULT_PORTS[self.scheme] if self.port is None else self.port

    @property
    def authority(self) -> str:
        """The Host value."""
        return self.host if self.port is None else f"{self.host}:{self.port}"

    @property
    def origin(self) -> bytes:
        """The origin as a browser serializes it (HTML ``#ascii-serialisation-of-an-origin``)."""
        return f"{self.scheme}://{self.authority}".encode("ascii")

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def is_trustworthy(self) -> bool:
        """Whether an https page may call it (Secure Contexts ``#is-origin-trustworthy``)."""
        name = self.host.strip("[]").encode("ascii")
        return self.scheme == "https" or is_loopback_name(name)

    @property
    def is_loopback(self) -> bool:
        """Whether its host is the machine on which the browser runs."""
        return is_loopback_name(self.host.strip("[]").encode("ascii"))

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"

    def join(self, location: str) -> Url:
        """Resolve a Location against this URL (Fetch ``#concept-response-location-url``).

        Raises:
            BadValue: The result is not an http or https URL.
        """
        return Url.parse(urljoin(str(self), location))


def _resolve(path: str) -> str:
    """Return a path as browsers send it: backslashes become slashes, dot segments are resolved.

    Source: URL ``#path-state``.
    """
    found: list[str] = []
    parts = path.replace("\\", "/").split("/")[1:]
    for number, part in enumerate(parts):
        dots = part.lower().replace("%2e", ".")
        if dots == "..":
            del found[-1:]
        if dots not in (".", ".."):
            found.append(part)
        elif number == len(parts) - 1:
            found.append("")
    return "/" + "/".join(found)
