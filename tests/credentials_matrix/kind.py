"""What the matrix asks of a kind of credentials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import ClassVar

from corsgate.message.headers import Header
from tests.credentials_matrix.box import Box, Reply, Seen

SECRET = "Gate's own & s3cret/p%ssword+"
"""A secret that looks different percent-encoded, as a form, in JSON and in base64."""

WRONG = "Gate's wrong & s3cret/p%ssword+"

FORGED = b"forged-by-the-client"
"""What is in each value of `Kind.forged`."""

REFUSED = Reply(status=401, body=b"who are you")


class Situation(Enum):
    """What becomes of the credentials."""

    FRESH = "fresh"
    """The gate has just started."""
    EXPIRED = "expired"
    """A request was served, and then what the box had issued became invalid."""
    WRONG = "wrong"
    """The configured secret is wrong."""
    AWAY = "away"
    """The login server can't be reached, and the gate has just started."""


class Kind:
    """A kind of credentials, with the box that checks them.

    An instance serves one test. Its box is any server of the upstream; each has the same judge.

    Attributes:
        name: The kind's name in the configuration.
        situations: Those that there are for the kind.
        outcomes: The statuses of which a client gets one, by situation; 200 stands for 101 with a
            WebSocket.
        upload_outcomes: The same for an upload of 50 MB, where they differ.
        forged: Fields with which a client tries to be somebody else. Their values, which contain
            `FORGED`, must reach no server.
        seen_per_request: How many requests at most a box sees for one of a client's.
        seen_of_64: How many at most it sees for 64 at once.
        rejections_of_64: How many of 64 at once with a wrong secret it may have to reject at most.
        secrets: What must be in no response and no log.
    """

    name: ClassVar[str]
    situations: ClassVar[Sequence[Situation]] = (Situation.FRESH, Situation.WRONG)
    outcomes: ClassVar[Mapping[Situation, Sequence[int]]] = {
        Situation.FRESH: (200,),
        Situation.EXPIRED: (200,),
        Situation.WRONG: (401,),
        Situation.AWAY: (502,),
    }
    upload_outcomes: ClassVar[Mapping[Situation, Sequence[int]]] = {}
    forged: ClassVar[Sequence[Header]] = ((b"Authorization", b"Basic forged-by-the-client"),)
    seen_per_request: ClassVar[int] = 1
    seen_of_64: ClassVar[int] = 64
    rejections_of_64: ClassVar[int] = 4
    secrets: Sequence[str] = (SECRET, WRONG)

    async def start(self) -> None:
        """Start the login server, if there is one; `stop` is called in the end."""

    async def stop(self) -> None:
        """Stop it, and wait for that."""

    def table(self, secret: str) -> str:
        """Return the lines of ``[credentials.k]``.

        Args:
            secret: `SECRET`, or `WRONG`.
        """
        raise NotImplementedError

    def judge(self, box: Box, seen: Seen) -> Reply:
        """Return what a box responds to a request, by its head alone.

        Args:
            box: The box that got it.
            seen: The request.
        """
        raise NotImplementedError

    def is_login(self, seen: Seen) -> bool:
        """Return whether a request to the box is the gate's own, such as a login."""
        return False

    def tries(self, box: Box) -> Sequence[Seen]:
        """Return the requests that show the secret, right or wrong, to whoever checks it.

        One that only fetches a challenge is none. Where there is a login server, its requests are.

        Args:
            box: The only box.
        """
        return box.seen

    def expire(self) -> None:
        """Make what was issued to the gate invalid; what it may then fetch anew is valid."""

    async def login_away(self) -> None:
        """Have the login server refuse connections."""
