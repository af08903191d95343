"""The requests that `corsgate adopt` sends to a box, and the replies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from corsgate.credentials.auth_fields import challenges_of
from corsgate.explain.trace import text, values
from corsgate.explain.url import Url
from corsgate.message.headers import Header

MAX_BODY_BYTES = 64 * 1024
"""The maximum number of bytes that are read from a body."""

MAX_SHOWN = 90
"""The maximum number of characters of a box's text that are shown or written."""

AGENT = b"corsgate-adopt"
BROWSER_AGENT = b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

_SCHEMES = {"ntlm": "NTLM", "apikey": "ApiKey"}

NO_TIME = "not tried: no time left"
"""The failure of a probe that was not sent, which has no meaning for the box."""

NO_RESPONSE = "no response in time"

REFUSALS = frozenset((400, 403, 405, 406, 409, 412, 421, 429, 451, 501, 503))
REDIRECTS = frozenset((301, 302, 303, 307, 308))


@attrs.frozen(kw_only=True)
class Probe:
    """One request to the box.

    Attributes:
        name: Its name, unique within a look.
        words: What it tests, for people.
        method: GET, HEAD or OPTIONS.
        target: The request's target.
        headers: Its fields. If Host is missing, the box's is sent.
        twice: Whether to send it a second time on the same connection.
    """

    name: str
    words: str
    method: bytes = b"GET"
    target: str
    headers: tuple[Header, ...] = ()
    twice: bool = False


@attrs.frozen(kw_only=True)
class Reply:
    """The response to a probe, or why there is none.

    Attributes:
        status: Its status; 0 without a response.
        headers: Its fields.
        body: The beginning of its body.
        failure: Why there is no response; empty if there is one.
        repairs: The violations of HTTP in it that can be repaired.
        is_whole: Whether the body ended within the limits of size and time.
        is_cut: Whether the connection ended before the body.
        closed: Whether the connection was closed on the second request of `Probe.twice`.
    """

    status: int = 0
    headers: tuple[Header, ...] = ()
    body: bytes = attrs.field(default=b"", repr=False)
    failure: str = ""
    repairs: tuple[str, ...] = ()
    is_whole: bool = True
    is_cut: bool = False
    closed: bool = False

    def values(self, name: bytes) -> list[bytes]:
        """Return the values of all fields of a lower-cased name."""
        return values(self.headers, name)

    def value(self, name: bytes) -> bytes:
        """Return the first value of a field; empty without one."""
        return next(iter(self.values(name)), b"")

    @property
    def is_redirect(self) -> bool:
        """Whether it is a redirect with a Location."""
        return self.status in REDIRECTS and bool(self.values(b"location"))

    @property
    def words(self) -> str:
        """The outcome in one short line."""
        if self.failure:
            return clip(self.failure)
        more = ""
        if self.is_redirect:
            more = f" to {clip(self.value(b'location'), 60)}"
        elif self.status == 401:
            schemes = [clip(each.scheme, 20) for each in challenges_of(self.headers)[:4]]
            asked = ", ".join(_SCHEMES.get(each, each.capitalize()) for each in schemes)
            more = f", asks for {asked}" if asked else ", without a challenge"
        if self.is_cut:
            more += ", cut short"
        elif not self.is_whole:
            more += ", an endless body"
        return f"{self.status}{more}"


@attrs.frozen(kw_only=True)
class Look:
    """The results of all probes of a box.

    Attributes:
        url: The box's URL.
        spot: The target of most probes, after redirects within the box.
        replies: The replies, by the names of their probes.
        visited: The URLs of redirects, in order.
        elsewhere: The target of a redirect to another server; None without one.
        use_https: The target of a redirect from http to https; None without one.
        loops: Whether its redirects form a loop.
        shape: The keys of the upstream with which the box responds as it does without the gate;
            None if no keys help.
        shape_tries: The names of the probes that were sent to find `shape`.
        targets: The targets of further probes, by name.
    """

    url: Url
    spot: str = "/"
    replies: Mapping[str, Reply] = attrs.field(factory=dict, repr=False)
    visited: tuple[str, ...] = ()
    elsewhere: Url | None = None
    use_https: Url | None = None
    loops: bool = False
    shape: Mapping[str, str | bool] | None = None
    shape_tries: tuple[str, ...] = ()
    targets: Mapping[str, str] = attrs.field(factory=dict, repr=False)

    @property
    def login_target(self) -> str:
        """A target that requires a login, to test the login with; `spot` if none does."""
        if self.page.status == 401:
            return self.spot
        asked = (name for name, reply in self.replies.items() if reply.status == 401)
        return next((self.targets[name] for name in asked if name in self.targets), self.spot)

    @property
    def is_served(self) -> bool:
        """Whether the gate serves `spot`: its route has the path of the URL that was given."""
        prefix = self.url.path.rstrip("/")
        rest = self.spot.partition("?")[0].removeprefix(prefix)
        return self.spot.startswith(prefix) and rest[:1] in ("", "/")

    @property
    def page(self) -> Reply:
        """The response at `spot` to a plain request."""
        return self.replies.get("page", Reply(failure="not tried"))

    @property
    def plain_replies(self) -> Iterator[Reply]:
        """The replies to plain requests for all targets, with and without a login."""
        for name, reply in self.replies.items():
            if name in ("page", "root") or name.startswith(("hop-", "known-", "logged-in")):
                yield reply

    @property
    def all_replies(self) -> Iterator[Reply]:
        """All replies with a response."""
        return (reply for reply in self.replies.values() if not reply.failure)


def clip(value: bytes | str, most: int = MAX_SHOWN) -> str:
    """Return a box's text in a form that can be printed or written into a comment.

    Args:
        value: Any text or bytes.
        most: The maximum number of characters to return.

    Returns:
        Printable ASCII on one line.
    """
    raw = value if isinstance(value, bytes) else value.encode("utf-8", "backslashreplace")
    shown = " ".join(text(raw[: 4 * most]).split())
    return shown if len(shown) <= most else f"{shown[: most - 3]}..."


def alike(one: Reply, other: Reply) -> bool:
    """Return whether a box treats two requests alike, judging by the statuses."""
    if one.failure or other.failure:
        return bool(one.failure) == bool(other.failure)
    return one.status == other.status or (one.status < 400 and other.status < 400)
