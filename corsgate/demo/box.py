"""The closed box of the demo: a documents API with digest credentials and without CORS.

It represents a server that can't be changed. It rejects OPTIONS, requires a password for every
request, and sends no CORS fields. So pages of other origins can't use it directly.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

import attrs
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

MAX_DOCUMENT_BYTES: Final = 256 * 1024
MAX_DOCUMENTS: Final = 64
MAX_NAME_BYTES: Final = 512
MAX_NONCES: Final = 128
MAX_NONCE_USES: Final = 1000

PATH: Final = b"/v1/documents"
METHODS: Final = (b"GET", b"HEAD", b"PUT")
FIRST_NAME: Final = "/test.json"
FIRST_DOCUMENT: Final = b"""{
  "title": "Hello from the closed box",
  "year": 2026,
  "open": false
}
"""

_FIELD = re.compile(r'\s*([a-z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))\s*(?:,|$)', re.I)
_NONCE_COUNT = re.compile(r"[0-9a-f]{8}", re.I)


class Verdict(enum.Enum):
    """The result of checking a request's credentials."""

    GOOD = "good"
    STALE = "stale"
    BAD = "bad"


def _md5(*parts: str) -> str:
    joined = ":".join(parts).encode("utf-8", "surrogateescape")
    return hashlib.md5(joined, usedforsecurity=False).hexdigest()


def _fields(header: str) -> dict[str, str] | None:
    """Return the parameters of a Digest header, or None if it is malformed."""
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "digest":
        return None
    fields: dict[str, str] = {}
    position = 0
    while position < len(rest):
        match = _FIELD.match(rest, position)
        if match is None or match[1].lower() in fields:
            return None
        quoted = match[2]
        value = match[3] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        fields[match[1].lower()] = value
        position = match.end()
    return fields


@attrs.define
class DigestGuard:
    """Issues nonces and checks the responses to them (RFC 7616, MD5, ``qop=auth``).

    Nonce counts may arrive in any order, since a client may use several connections. Each is valid
    only once, which prevents replays.

    Attributes:
        realm: The protection space in the challenge.
        username: The only user.
        password: The password of that user.
        make_nonce: Returns an unpredictable nonce.
    """

    realm: str
    username: str
    password: str = attrs.field(repr=False)
    make_nonce: Callable[[], str] = secrets.token_hex
    _used: dict[str, set[int]] = attrs.field(factory=dict, init=False, repr=False)

    def challenge(self, stale: bool = False) -> str:
        """Return a WWW-Authenticate value with a fresh nonce (RFC 7616 3.3).

        Args:
            stale: Whether the password was right and only the nonce is no longer valid.
        """
        nonce = self.make_nonce()
        while len(self._used) >= MAX_NONCES:
            del self._used[next(iter(self._used))]
        self._used[nonce] = set()
        end = ", stale=true" if stale else ""
        return f'Digest realm="{self.realm}", qop="auth", algorithm=MD5, nonce="{nonce}"{end}'

    def check(self, method: str, target: str, authorization: str) -> Verdict:
        """Check an Authorization value (RFC 7616 3.4).

        Args:
            method: The request's method.
            target: The raw request target, including the query.
            authorization: The value of the field.
        """
        fields = _fields(authorization)
        if fields is None or not fields.keys() >= {"nonce", "cnonce", "nc", "response"}:
            return Verdict.BAD
        count = fields["nc"]
        if (
            fields.get("username") != self.username
            or fields.get("realm") != self.realm
            or fields.get("uri") != target
            or fields.get("qop") != "auth"
            or fields.get("algorithm", "MD5") != "MD5"
            or not _NONCE_COUNT.fullmatch(count)
        ):
            return Verdict.BAD
        nonce = fields["nonce"]
        secret = _md5(self.username, self.realm, self.password)
        expected = _md5(secret, nonce, count, fields["cnonce"], "auth", _md5(method, target))
        given = fields["response"].encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(expected.encode(), given):
            return Verdict.BAD
        used = self._used.get(nonce)
        number = int(count, 16)
        if used is None or number in used or len(used) >= MAX_NONCE_USES:
            return Verdict.STALE
        used.add(number)
        return Verdict.GOOD


@attrs.frozen
class Document:
    """A stored document: its media type and its bytes."""

    content_type: bytes
    body: bytes


class Refusal(Exception):
    """The box rejects the request."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def _name(request: Request) -> str:
    """Return the ``uri`` parameter, which is the document's name."""
    values = request.args.get(b"uri", [])
    if len(values) != 1 or not values[0].startswith(b"/") or len(values[0]) > MAX_NAME_BYTES:
        raise Refusal(HTTPStatus.BAD_REQUEST, "Name one document, such as ?uri=/test.json.")
    try:
        return str(values[0], "utf-8")
    except UnicodeDecodeError:
        raise Refusal(HTTPStatus.BAD_REQUEST, "The name is not UTF-8.") from None


def _is_json(content_type: bytes) -> bool:
    essence = content_type.partition(b";")[0].strip().lower()
    return essence == b"application/json" or essence.endswith(b"+json")


class Box(Resource):
    """The documents API, which handles every path and method.

    Attributes:
        guard: Checks the credentials.
        documents: The stored documents by name.
        requests: The number of requests received.
    """

    isLeaf = True

    def __init__(self, guard: DigestGuard) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted's
        self.guard = guard
        self.documents = {FIRST_NAME: Document(b"application/json", FIRST_DOCUMENT)}
        self.requests = 0

    def render(self, request: Request) -> bytes | int:
        """Handle a request after its body has arrived."""
        self.requests += 1
        request.responseHeaders.setRawHeaders(b"server", [b"closed-box"])
        try:
            body = self._serve(request)
        except Refusal as refusal:
            body = self._refuse(request, refusal)
        if request.code == HTTPStatus.NO_CONTENT:
            # Returning b"" would add a Content-Length, which 204 must not have (RFC 9110 8.6).
            request.finish()
            return NOT_DONE_YET
        request.responseHeaders.setRawHeaders(b"content-length", [str(len(body)).encode()])
        return b"" if request.method == b"HEAD" else body

    def _serve(self, request: Request) -> bytes:
        if request.method not in METHODS:
            request.responseHeaders.setRawHeaders(b"allow", [b", ".join(METHODS)])
            raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "The box supports only GET, HEAD and PUT.")
        self._authenticate(request)
        if request.path != PATH:
            raise Refusal(HTTPStatus.NOT_FOUND, f"Documents are only at {PATH.decode()}.")
        name = _name(request)
        if request.method == b"PUT":
            return self._write(request, name)
        document = self.documents.get(name)
        if document is None:
            raise Refusal(HTTPStatus.NOT_FOUND, "There is no document with this name.")
        request.responseHeaders.setRawHeaders(b"content-type", [document.content_type])
        return document.body

    def _authenticate(self, request: Request) -> None:
        values = request.requestHeaders.getRawHeaders(b"authorization", [])
        verdict = Verdict.BAD
        if len(values) == 1:
            verdict = self.guard.check(
                request.method.decode("latin-1"),
                request.uri.decode("utf-8", "surrogateescape"),
                values[0].decode("utf-8", "surrogateescape"),
            )
        if verdict is not Verdict.GOOD:
            challenge = self.guard.challenge(stale=verdict is Verdict.STALE)
            request.responseHeaders.setRawHeaders(b"www-authenticate", [challenge.encode()])
            raise Refusal(HTTPStatus.UNAUTHORIZED, "The box requires a user name and a password.")

    def _write(self, request: Request, name: str) -> bytes:
        # The body may be in a temporary file, so check the size before reading it into memory.
        content = request.content
        assert content is not None  # Twisted renders a request after its body has arrived.
        size = content.seek(0, 2)
        if size > MAX_DOCUMENT_BYTES:
            limit = f"The maximum size of a document is {MAX_DOCUMENT_BYTES} bytes."
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, limit)
        content.seek(0)
        body = content.read()
        content_type = request.getHeader(b"content-type")
        if not content_type:
            raise Refusal(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Set the Content-Type of the document."
            )
        if _is_json(content_type):
            try:
                json.loads(body)
            except (ValueError, RecursionError):
                raise Refusal(HTTPStatus.BAD_REQUEST, "The document is not JSON.") from None
        known = name in self.documents
        if not known and len(self.documents) >= MAX_DOCUMENTS:
            full = f"The box holds at most {MAX_DOCUMENTS} documents."
            raise Refusal(HTTPStatus.INSUFFICIENT_STORAGE, full)
        self.documents[name] = Document(content_type, body)
        request.setResponseCode(HTTPStatus.NO_CONTENT if known else HTTPStatus.CREATED)
        # Neither response has a body, so neither may have a Content-Type.
        request.defaultContentType = None
        return b""

    def _refuse(self, request: Request, refusal: Refusal) -> bytes:
        request.setResponseCode(refusal.status)
        request.responseHeaders.setRawHeaders(b"content-type", [b"application/json"])
        error = {
            "status": refusal.status.value,
            "reason": refusal.status.phrase,
            "message": refusal.message,
        }
        return json.dumps({"error": error}).encode()


def make_box(username: str = "admin", password: str = "admin") -> Box:  # noqa: S107  (a demo's)
    """Return a box with one document in it.

    Args:
        username: The only user.
        password: The password of that user.
    """
    return Box(DigestGuard("closed-box", username, password))
