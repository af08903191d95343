"""A login session: a form of JSON, a cookie, and a CSRF token for what may change something."""

from __future__ import annotations

import json
from itertools import count

from tests.credentials_matrix import kind
from tests.credentials_matrix.box import Box, Reply, Seen
from tests.credentials_matrix.kind import REFUSED, SECRET, WRONG, Situation

SID, TOKEN = "s1d-of-the-gate-", "t0ken-of-the-gate-"
"""How the cookies that a box issues begin."""

_OUTCOMES = {**kind.Kind.outcomes, Situation.WRONG: (502,)}
# A session can be taken back while an upload is under way.
_UPLOAD_OUTCOMES = {Situation.EXPIRED: (502,)}


class Kind(kind.Kind):
    """A cookie that the box issues for the password; it has a session with each server."""

    name = "session"
    situations = (Situation.FRESH, Situation.EXPIRED, Situation.WRONG)
    outcomes = _OUTCOMES
    upload_outcomes = _UPLOAD_OUTCOMES
    forged = ((b"Cookie", b"sid=forged-by-the-client"), (b"X-Csrf", b"forged-by-the-client"))
    # One that is rejected, and one with a new session.
    seen_per_request = 2
    secrets = (SECRET, WRONG, SID, TOKEN)

    def __init__(self) -> None:
        self._numbers = count(1)
        self._sessions: dict[str, str] = {}

    def table(self, secret: str) -> str:
        """Return the login."""
        return (
            'type = "session"\nlogin_url = "/login"\n'
            f'json = {{ user = "gate", pass = """{secret}""" }}\n'
            'csrf = { cookie = "csrf", header = "X-Csrf" }'
        )

    def judge(self, box: Box, seen: Seen) -> Reply:
        """Check the cookie, and the CSRF token of all but GET."""
        if self.is_login(seen):
            return self._log_in(box, seen)
        cookies = dict(
            each.strip().partition("=")[::2]
            for value in seen.fields.get(b"cookie", [])
            for each in value.decode().split(";")
        )
        token = self._sessions.get(cookies.get("sid", ""))
        if token is None or not token.endswith(box.authority):
            return REFUSED
        if seen.method != b"GET" and seen.fields.get(b"x-csrf") != [token.encode()]:
            return REFUSED
        return Reply()

    def is_login(self, seen: Seen) -> bool:
        """Return whether it is the gate's login."""
        return seen.path == b"/login"

    def tries(self, box: Box) -> list[Seen]:
        """Return the logins."""
        return [seen for seen in box.seen if self.is_login(seen)]

    def expire(self) -> None:
        """End every session."""
        self._sessions.clear()

    def _log_in(self, box: Box, seen: Seen) -> Reply:
        if json.loads(seen.body) != {"user": "gate", "pass": SECRET}:
            return REFUSED
        number = next(self._numbers)
        sid, token = f"{SID}{number}-{box.authority}", f"{TOKEN}{number}-{box.authority}"
        self._sessions[sid] = token
        cookies = [
            (b"Set-Cookie", f"{name}={value}; Path=/".encode())
            for name, value in (("sid", sid), ("csrf", token))
        ]
        return Reply(headers=cookies, body=b"{}")
