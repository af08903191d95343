"""The API behind the gate of the matrix: it answers by path and keeps what it is asked."""

from __future__ import annotations

import base64
from typing import Any

import attrs
from twisted.web.resource import Resource
from twisted.web.server import Request
from twisted.web.websocket import WebSocketResource

from tests.greeter import GreeterFactory

USERNAME, PASSWORD = "gate", "s3cret-of-the-gate"
OWN_CREDENTIALS = b"Basic " + base64.b64encode(f"{USERNAME}:{PASSWORD}".encode())

_GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
_BODIES = {
    b"image.gif": (b"image/gif", _GIF),
    b"code.js": (b"text/javascript", b"window.ran = true;"),
    b"events": (b"text/event-stream", b"data: ok\n\n"),
}

_WRONG = {
    b"access-control-allow-origin": [b"http://wrong.example", b"*"],
    b"access-control-allow-credentials": [b"true"],
    b"access-control-allow-methods": [b"*"],
    b"access-control-allow-headers": [b"*"],
    b"access-control-expose-headers": [b"*, X-Hidden"],
    b"access-control-max-age": [b"86400"],
}
"""CORS headers of an API that knows no better; two origins alone would break every answer."""


@attrs.frozen(kw_only=True)
class Reached:
    """A request that the gate let through.

    Attributes:
        case: For which call a page sent it.
        method: Its method.
        place: The last segment of its path.
        cookie: The page's cookie, if it came along.
        authorization: Its Authorization, perhaps empty.
    """

    case: str
    method: str
    place: str
    cookie: str
    authorization: bytes


class Box(Resource):
    """Answers 200 and ``ok``, except for some last segments of the path.

    Args:
        elsewhere: An origin that some redirects lead to.

    Attributes:
        reached: What came, in order.
    """

    isLeaf = True

    def __init__(self, elsewhere: str) -> None:
        super().__init__()
        self.reached: list[Reached] = []
        self._elsewhere = elsewhere.encode()
        factory: Any = GreeterFactory()
        self._socket = WebSocketResource(factory)

    def render(self, request: Request) -> bytes | int:
        """Keep what came, and answer by the path's last segment."""
        place = request.path.rpartition(b"/")[2]
        (case,) = request.args.get(b"case", [b""])
        self.reached.append(
            Reached(
                case=case.decode(),
                method=request.method.decode(),
                place=place.decode(),
                cookie=(request.getCookie(b"session") or b"").decode(),
                authorization=request.getHeader(b"authorization") or b"",
            )
        )
        if place == b"socket":
            answer: bytes | int = self._socket.render(request)
            return answer
        for name, values in _WRONG.items():
            request.responseHeaders.setRawHeaders(name, values)
        for name in (b"X-Total", b"X-Hidden"):
            request.setHeader(name, b"7")
        content_type, body = _BODIES.get(place, (b"text/plain", b"ok"))
        request.setHeader(b"Content-Type", content_type)
        request.setHeader(b"Cache-Control", b"max-age=600" if place == b"fresh" else b"no-store")
        query = request.uri.partition(b"?")[2]
        if place.isdigit():
            request.setResponseCode(int(place))
        if place == b"401":
            request.setHeader(b"WWW-Authenticate", b'Basic realm="the box"')
        elif place in (b"302", b"307"):
            host = request.getHeader(b"host") or b""
            path = request.path.rpartition(b"/")[0]
            request.setHeader(b"Location", b"http://%b%b/landed?%b" % (host, path, query))
        elif place == b"away":
            request.setResponseCode(302)
            request.setHeader(b"Location", self._elsewhere + b"/nothing")
        return body
