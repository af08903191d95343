"""A box that takes all kinds of credentials, and repeats them wherever it can."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs

from corsgate.message.headers import HeaderList
from tests.peers import Message, Upstream, response

CHALLENGES: HeaderList = [
    (b"WWW-Authenticate", b'Digest realm="box", nonce="n", qop="auth"'),
    (b"WWW-Authenticate", b'Basic realm="box"'),
    (b"WWW-Authenticate", b'Bearer realm="box", error="invalid_token"'),
    (b"WWW-Authenticate", b"NTLM"),
]
_JSON = (b"Content-Type", b"application/json")


class Box:
    """Stands for the closed box of all upstreams, and for their token server.

    Args:
        upstream: Its sockets.
        learn: Returns a secret that the gate learns, such as a session.
        ntlm: The second message of any NTLM handshake. Whoever answers it is accepted.

    Attributes:
        issued: The tokens and sessions that are valid.
        derived: What the gate has made of its secrets: signatures, hashes, NTLM messages.
        assertions: What the gate has signed for the token server.
        failed: How often a login has failed in each way.
    """

    def __init__(self, upstream: Upstream, learn: Callable[[str], str], ntlm: bytes) -> None:
        self.upstream = upstream
        self.issued: set[str] = set()
        self.derived: set[str] = set()
        self.assertions: list[str] = []
        self.failed: Counter[int] = Counter()
        self._learn = learn
        self._ntlm = ntlm
        upstream.answer = self.answer

    def answer(self, asked: Message) -> bytes | None:
        """Return what the last segment of the target says."""
        self.derived.update(_derived(asked))
        path = asked.target.partition(b"?")[0]
        way = path.rpartition(b"/")[2]
        if path.startswith(b"/login/"):
            return self._logged_in(asked)
        if path.startswith(b"/failing/"):
            return self._failed(asked)
        if path in (b"/csrf", b"/logout"):
            return response(200, [(b"X-CSRF-Token", self._learn("csrf").encode())])
        step = self._challenge(asked, path)
        if step is not None:
            return response(401, step)
        if path.startswith((b"/oauth2", b"/session", b"/several")) and not self._knows(asked):
            return response(401, CHALLENGES[2:3])
        match way:
            case b"wrong":
                self.issued.clear()
                return response(401, CHALLENGES, b"no")
            case b"forbidden":
                return response(403, body=b"no")
            case b"error":
                return response(500, body=b"no")
            case b"away":
                # As servers do that add a slash, or that want another host.
                there = b"http://127.0.0.1:1/elsewhere" + asked.target
                fields = [(b"Location", there), (b"Content-Location", asked.target)]
                return response(302, [*fields, (b"Link", b"<%b>; rel=next" % asked.target)])
            case b"garbage":
                return b"this is no HTTP " + _line(_sent(asked)) + b"\r\n\r\n"
            case b"echo":
                return response(401, _echoed(asked), _sent(asked))
            case b"close":
                asked.connection.transport.abortConnection()
                return None
        return response(200, self._renewed(asked, path), b"fine")

    def _knows(self, asked: Message) -> bool:
        """Return whether a request has a token or a cookie that the box has issued."""
        given = [asked.target, *(value for _, value in asked.headers)]
        return any(each.encode() in value for each in self.issued for value in given)

    def _renewed(self, asked: Message, path: bytes) -> HeaderList:
        """Return the fields of a response, which renew what belongs to the session."""
        fields: HeaderList = [(b"Set-Cookie", b"theme=dark")]
        if path.startswith((b"/session", b"/several")):
            for name in ("sid", "csrf") if path.startswith(b"/session-form") else ("sid",):
                if path.startswith((b"/session-form", b"/several")):
                    fields.append((b"Set-Cookie", self._cookie(name)))
            fields.append((b"X-Repeated", asked.target))
        if path.startswith(b"/session-json"):
            fields.append((b"X-CSRF-Token", self._learn("csrf").encode()))
        return fields

    def _cookie(self, name: str) -> bytes:
        value = self._issue(name)
        return f"{name}={value}; Path=/; HttpOnly".encode()

    def _issue(self, name: str) -> str:
        value = self._learn(name)
        self.issued.add(value)
        return value

    def _logged_in(self, asked: Message) -> bytes:
        path = asked.target.partition(b"?")[0].removeprefix(b"/login/")
        if path.startswith(b"oauth2"):
            token = {"access_token": self._issue("access token"), "expires_in": 3600}
            if path.startswith(b"oauth2-refresh"):
                token["refresh_token"] = self._learn("refresh token")
            form = parse_qs(asked.body.decode())
            self.assertions += form.get("client_assertion", ())
            return response(200, [_JSON], json.dumps(token).encode())
        cookies: HeaderList = [(b"Set-Cookie", self._cookie(name)) for name in ("sid", "csrf")]
        body = json.dumps({"data": {"token": self._issue("token")}}).encode()
        return response(200, [_JSON, *cookies], body)

    def _failed(self, asked: Message) -> bytes | None:
        """Refuse a login each time in another way, with all that it was sent."""
        self.assertions += parse_qs(asked.body.decode("latin-1")).get("client_assertion", ())
        way = self.failed.total() % 8
        self.failed[way] += 1
        sent, line, echoed = _sent(asked), _line(_sent(asked)), _echoed(asked)
        text = sent.decode("latin-1")
        match way:
            case 0:
                body = json.dumps({"error": "invalid_client", "error_description": text})
                return response(400, [_JSON, *echoed], body.encode())
            case 1:
                return response(401, echoed, sent)
            case 2:
                return response(302, echoed, sent)
            case 3:
                return response(500, echoed, sent)
            case 4:
                # No token, nor a cookie.
                return response(200, [_JSON], json.dumps({"error": text, text: text}).encode())
            case 5:
                return sent + b"\r\n\r\n"
            case 6:
                return b"HTTP/1.1 200 " + line + b"\r\n" + line + b"\r\n\r\n"
        asked.connection.transport.abortConnection()
        return None

    def _challenge(self, asked: Message, path: bytes) -> HeaderList | None:
        """Return the challenge for a request without the credentials of its kind."""
        scheme, _, token = asked.fields.get(b"authorization", [b""])[0].partition(b" ")
        if path.startswith((b"/digest-", b"/auto-")) and scheme != b"Digest":
            return CHALLENGES
        if not path.startswith(b"/ntlm-"):
            return None
        if scheme != b"NTLM":
            return CHALLENGES
        if len(token) < 200:
            return [(b"WWW-Authenticate", b"NTLM " + b64encode(self._ntlm))]
        return None


def _derived(asked: Message) -> Iterator[str]:
    """Return the parts of Authorization that were computed with a secret."""
    for value in asked.fields.get(b"authorization", ()):
        yield from re.findall(
            r'\b(?:response="|Signature=)([0-9a-f]{16,})', value.decode("latin-1")
        )
        if value.startswith(b"NTLM ") and len(value) > 200:
            yield value.decode("latin-1").rstrip("=")[-60:]


def _sent(asked: Message) -> bytes:
    """Return all that a request has."""
    return b" ".join([asked.target, asked.body, *(value for _, value in asked.headers)])


def _line(sent: bytes) -> bytes:
    """Return the printable ASCII of some bytes."""
    return bytes(each for each in sent if 32 < each < 127)


def _echoed(asked: Message) -> HeaderList:
    """Return fields that repeat a request wherever the gate may show a server's text."""
    line = _line(_sent(asked))
    fields: HeaderList = [
        (b"X-Repeated", line),
        (b"WWW-Authenticate", b'Bearer realm="%b"' % line.replace(b'"', b"")),
        (b"Location", b"/" + line),
        (b"Set-Cookie", b"%b=%b" % (line.replace(b"=", b""), line)),
    ]
    for name, value in asked.headers:
        if name.lower() in (b"authorization", b"cookie") or name.lower().startswith(b"x-"):
            word = _line(value.rpartition(b" ")[2]).replace(b'"', b"").replace(b"\\", b"")
            for scheme in (b"Basic", b"Bearer", b"Digest", b"NTLM"):
                challenge = b'%b realm="%b", error="%b"' % (scheme, word, word.lower())
                fields.append((b"WWW-Authenticate", challenge))
            fields.append((b"WWW-Authenticate", word.rstrip(b"=") + b" realm=x"))
    return fields
