"""Sends the probes of ``corsgate adopt`` to a box, and follows it to https."""

from __future__ import annotations

import attrs

from corsgate.adopt.plan import look_at
from corsgate.adopt.probes import NO_RESPONSE, Look, clip
from corsgate.cli import usage
from corsgate.cli.adopt_client import BoxClient, Deadline, resolve
from corsgate.cli.adopt_console import Console
from corsgate.cli.adopt_tls import Spoken, look_at_tls
from corsgate.explain.url import Url

LOOK_S = 24.0
"""The maximum time for all probes of a box, in seconds."""


class Stop(Exception):
    """The command can't continue.

    Args:
        words: The reason, as the message for the user.
        status: The exit status.
    """

    def __init__(self, words: str, status: int = usage.TROUBLE) -> None:
        super().__init__(words)
        self.status = status


@attrs.define(kw_only=True)
class Looking:
    """Probes one box.

    Args:
        url: The box's URL.
        app: The origin of the page.
        gate: The gate's origin.
        say: Prints each probe.

    Attributes:
        spoken: How the box uses TLS; None for http.
    """

    url: Url
    app: str
    gate: str
    say: Console
    spoken: Spoken | None = attrs.field(default=None, init=False)

    def look(self) -> tuple[Look, BoxClient]:
        """Send the probes. If the box redirects everything to https, follow it there once.

        Returns:
            The results, and the client for further requests.

        Raises:
            Stop: The box does not respond.
            OSError: The box can't be reached.
        """
        self.say.line(f"Probing {self.url} with GET, HEAD and OPTIONS only")
        deadline = Deadline(LOOK_S)
        for is_last in (False, True):
            client = self._client(deadline)
            look = self._walk(client)
            first = look.replies["first"]
            may_be_tls = first.failure not in ("", NO_RESPONSE)
            is_http = self.url.scheme == "http" and not is_last
            if may_be_tls and is_http and self._try_tls(deadline):
                continue
            if first.failure:
                raise Stop(f"{self.url}: {clip(first.failure, 200)}")
            if look.use_https is None or is_last:
                return look, client
            self.say.line(f"It redirects everything to https: probing {look.use_https}")
            self.url = attrs.evolve(
                self.url, scheme="https", host=look.use_https.host, port=look.use_https.port
            )
        raise AssertionError("the second round returns")

    def _walk(self, client: BoxClient) -> Look:
        plan = look_at(self.url, self.app, self.gate)
        try:
            probe = next(plan)
            while True:
                reply = client.send(probe)
                self.say.probe(probe, reply)
                probe = plan.send(reply)
        except StopIteration as done:
            look: Look = done.value
            return look

    def _client(self, deadline: Deadline) -> BoxClient:
        """Return a client for the box, with TLS set up as the box needs it."""
        addresses = resolve(self.url, deadline)
        if self.url.scheme == "http":
            return BoxClient(self.url, addresses, deadline)
        self.spoken = spoken = look_at_tls(self.url, addresses, deadline)
        shown = f"TLS {spoken.look.version}, {spoken.look.problem or 'verified'}"
        self.say.step("TLS handshake", clip(shown))
        return BoxClient(
            self.url,
            addresses,
            deadline,
            context=spoken.context,
            server_name=spoken.server_name,
            certificate=spoken.certificate,
        )

    def _try_tls(self, deadline: Deadline) -> bool:
        """Return whether the box uses TLS on the port of an http URL; if so, switch to https."""
        secure = attrs.evolve(self.url, scheme="https", port=self.url.effective_port)
        try:
            look_at_tls(secure, resolve(secure, deadline), deadline)
        except OSError:
            return False
        self.say.line("It uses TLS on this port: probing it with https")
        self.url = secure
        return True
