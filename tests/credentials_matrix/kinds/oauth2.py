"""OAuth2: tokens of a token server, by client credentials (RFC 6749 4.4)."""

from __future__ import annotations

import json
from base64 import b64decode
from itertools import count
from urllib.parse import parse_qs, unquote_plus

from tests.credentials_matrix import kind
from tests.credentials_matrix.box import Box, Reply, Seen
from tests.credentials_matrix.kind import SECRET, WRONG, Situation

TOKEN = "t0ken/of+the.gate=="
"""How each issued token begins."""

_OUTCOMES = {**kind.Kind.outcomes, Situation.WRONG: (502,)}
# A token can be taken back while it looks valid, and an upload is under way by then.
_UPLOAD_OUTCOMES = {Situation.EXPIRED: (502,)}


class Kind(kind.Kind):
    """A token that a server issues for the client's secret; the box accepts valid ones."""

    name = "oauth2"
    situations = tuple(Situation)
    outcomes = _OUTCOMES
    upload_outcomes = _UPLOAD_OUTCOMES
    forged = ((b"Authorization", b"Bearer forged-by-the-client"),)
    # One that is rejected, and one with a new token.
    seen_per_request = 2
    secrets = (SECRET, WRONG, TOKEN)

    def __init__(self) -> None:
        self._numbers = count(1)
        self._valid: set[str] = set()
        self._server = Box(self._issue, lambda _: True)

    async def start(self) -> None:
        """Start the token server."""
        await self._server.start()

    async def stop(self) -> None:
        """Stop it."""
        await self._server.stop()

    async def login_away(self) -> None:
        """Have it refuse connections."""
        await self._server.refuse()

    def table(self, secret: str) -> str:
        """Return the client's id and secret."""
        url = f"{self._server.url}/token"
        return (
            f'type = "oauth2"\ngrant = "client_credentials"\ntoken_url = "{url}"\n'
            f'client_id = "gate"\nclient_secret = """{secret}"""'
        )

    def judge(self, box: Box, seen: Seen) -> Reply:
        """Accept a valid token."""
        scheme, _, token = seen.first(b"authorization").decode().partition(" ")
        if scheme == "Bearer" and token in self._valid:
            return Reply()
        challenge = (b"WWW-Authenticate", b'Bearer error="invalid_token"')
        return Reply(status=401, headers=[challenge], body=b"who are you")

    def expire(self) -> None:
        """Take every token back."""
        self._valid.clear()

    def tries(self, box: Box) -> list[Seen]:
        """Return the requests for a token."""
        return self._server.seen

    def _issue(self, seen: Seen) -> Reply:
        scheme, _, given = seen.first(b"authorization").decode().partition(" ")
        pair = b64decode(given).decode() if scheme == "Basic" else ""
        user, _, password = (unquote_plus(part) for part in pair.partition(":"))
        form = parse_qs(seen.body.decode())
        granted = form.get("grant_type") == ["client_credentials"]
        json_type = (b"Content-Type", b"application/json")
        if not granted or (user, password) != ("gate", SECRET):
            return Reply(status=401, headers=[json_type], body=b'{"error": "invalid_client"}')
        token = f"{TOKEN}{next(self._numbers)}"
        self._valid.add(token)
        issued = {"access_token": token, "token_type": "Bearer", "expires_in": 3600}
        return Reply(headers=[json_type], body=json.dumps(issued).encode())
