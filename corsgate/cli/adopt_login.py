"""Tries to log in to a box, with each kind of login at most once."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from os import urandom

import attrs

from corsgate.adopt.probes import Probe, Reply
from corsgate.config.model.ntlm import check_password
from corsgate.config.model.rules import (
    check_basic_username,
    check_bearer_token,
    check_username,
)
from corsgate.config.model.secret import MASK
from corsgate.credentials.digest.answer import Login as DigestLogin
from corsgate.credentials.digest.challenge import strongest_challenge
from corsgate.credentials.echoed_secrets import forms

MAX_REJECTED = 2
"""How many rejected logins end the attempts: many boxes lock an account after three."""

_SHORTEST_HIDDEN = 8

Send = Callable[[Probe], Reply]


def check_login(kind: str, user: str, secret: str) -> None:
    """Reject a login that no configuration may have, before the box gets it.

    Args:
        kind: The kind of credentials that the box prefers.
        user: The user's name.
        secret: The password or token, which the error doesn't show.

    Raises:
        BadValue: It is one.
    """
    (check_basic_username if kind == "basic" else check_username)(user)
    if kind == "bearer":
        check_bearer_token(secret)
    else:
        check_password(secret)


@attrs.define
class LoginTrial:
    """Signs probes for one account, and counts the logins that the box rejects.

    Args:
        send: Sends a probe.
        user: The user's name.
        secret: The password or token.
    """

    _send: Send
    _user: str
    _secret: str = attrs.field(repr=False)
    rejected: int = attrs.field(default=0, init=False)

    def send(self, kind: str, probe: Probe) -> Reply:
        """Send a probe with a login of a kind; return the reply.

        With Digest, the second 401 counts as a rejection. If it says that the nonce is stale, the
        probe is sent once more instead.
        """
        if self.rejected >= MAX_REJECTED:
            return Reply(failure="not tried: two logins were rejected")
        if kind == "digest":
            reply = self._send_digest(probe)
        else:
            scheme, value = "Bearer", self._secret
            if kind == "basic":
                pair = f"{self._user}:{self._secret}".encode()
                scheme, value = "Basic", b64encode(pair).decode()
            reply = self._send(_signed(probe, f"{scheme} {value}".encode()))
        if reply.status == 401:
            self.rejected += 1
        return self._without_secret(reply)

    def _without_secret(self, reply: Reply) -> Reply:
        """Return a reply without fields that repeat the secret: findings and the file quote them.

        A short secret is also a usual word of a path, and hardly worth hiding.
        """
        if len(self._secret) < _SHORTEST_HIDDEN:
            return reply
        hidden = [each.lower().encode() for each in forms(self._secret)]
        headers = tuple(
            (name, MASK.encode() if any(each in value.lower() for each in hidden) else value)
            for name, value in reply.headers
        )
        return attrs.evolve(reply, headers=headers)

    def _send_digest(self, probe: Probe) -> Reply:
        reply = self._send(probe)
        for tried in range(2):
            if reply.status != 401:
                return reply
            offer = strongest_challenge(list(reply.headers))
            if offer is None or (tried and not offer.stale):
                return reply
            login = DigestLogin(
                username=self._user.encode(), password=self._secret.encode(), rng=urandom
            )
            answer = login.answer(
                login.session(offer), 1, probe.method, probe.target.encode("ascii"), b""
            )
            cookies = [each.partition(b";")[0] for each in reply.values(b"set-cookie")]
            signed = _signed(probe, answer)
            if cookies:
                # Some boxes bind a nonce to a cookie.
                cookie = (b"Cookie", b"; ".join(cookies[:8]))
                signed = attrs.evolve(signed, headers=(*signed.headers, cookie))
            reply = self._send(signed)
        return reply


def _signed(probe: Probe, value: bytes) -> Probe:
    return attrs.evolve(probe, headers=(*probe.headers, (b"Authorization", value)))
