"""Everything around a browser that goes through the matrix: its pages, the box and the gate."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from twisted.web.resource import NoResource, Resource
from twisted.web.server import Request, Site

from tests.matrix.box import OWN_CREDENTIALS, Box
from tests.matrix.calls_app import app
from tests.matrix.calls_others import bare, below, file, foreign, other, own, sandbox
from tests.matrix.notation import Call, Page
from tests.peers import Watched, reactor
from tests.twistd import Daemon

HERE = Path(__file__).parent

ROUND: Sequence[Page] = (file, app, sandbox, below, bare, own, other, foreign)
"""The pages in the order in which they are opened, each by the one before.

The first is a file, since no page of a server may open one.
"""

CALLS: Sequence[Call] = [call for page in ROUND for call in page.calls]


class Stage(Watched):
    """Serves the pages on two ports, and the box on a third.

    Attributes:
        box: The API.
        seen: What each page's script saw, by the call's name.
        origins: The origin that each page said it has.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, Any] = {}
        self.origins: dict[str, str] = {}
        self.ports: list[Any] = []
        self.app = self._listen(_Pages(self))
        self.pages = self._listen(_Pages(self))
        self.box = Box(f"http://localhost:{self.pages}")
        self.gate = 0
        self.config = (HERE / "stage.toml").read_text("utf-8") % {
            "app": self.app,
            "pages": self.pages,
            "box": self._listen(self.box),
        }

    def _listen(self, root: Resource) -> int:
        self.ports.append(reactor.listenTCP(0, Site(root, timeout=None), interface="127.0.0.1"))
        port: int = self.ports[-1].getHost().port
        return port

    def origin_of(self, page: Page) -> str:
        """Return where a page is served; for the file, the value that its scripts get instead."""
        if page is file:
            return "null"
        places = {
            app: f"localhost:{self.app}",
            sandbox: f"localhost:{self.app}",
            below: f"deep.app.localhost:{self.app}",
            bare: f"app.localhost:{self.app}",
            own: f"localhost:{self.gate}",
            other: f"localhost:{self.pages}",
            foreign: f"127.0.0.1:{self.pages}",
        }
        return f"http://{places[page]}"

    def url_of(self, page: Page, **more: str) -> str:
        """Return a page's URL."""
        path = "/pages/" if page is own else "/"
        return f"{self.origin_of(page)}{path}?{urlencode({'page': page.name, **more})}"

    def work_of(self, name: str, inside: bool) -> dict[str, Any]:
        """Return the work of a page: what its script has to do.

        Args:
            name: The name of the page.
            inside: Whether it is in a frame of a page with the same name.
        """
        (number,) = (number for number, page in enumerate(ROUND) if page.name == name)
        page, after = ROUND[number], ROUND[number + 1 : number + 2]
        framed = page is sandbox and not inside
        return {
            "page": page.name,
            "gate": f"http://localhost:{self.gate}",
            "collect": f"http://localhost:{self.pages}/seen",
            "cases": [] if framed else [call.work for call in page.calls],
            "frame": self.url_of(page, inside="yes") if framed else "",
            "inside": inside,
            "next": self.url_of(after[0]) if after else "",
        }

    def html_of(self, name: str, *, inside: bool) -> str:
        """Return a page; see `work_of`."""
        work = json.dumps(self.work_of(name, inside))
        html = (HERE / "page.html").read_text("utf-8")
        script = (HERE / "page.js").read_text("utf-8")
        return html.replace("@SCRIPT@", script).replace("@WORK@", work)

    def take(self, report: dict[str, Any]) -> None:
        """Store what a page saw."""
        self.seen.update(report["seen"])
        self.origins[report["page"]] = report["origin"]
        self.changed()


class _Pages(Resource):
    """Serves a page with its work, and receives what it saw."""

    isLeaf = True

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage

    def render_GET(self, request: Request) -> bytes:
        """Return the page."""
        if request.path != b"/":
            answer: bytes = NoResource().render(request)
            return answer
        request.setHeader(b"Content-Type", b"text/html; charset=utf-8")
        request.setHeader(b"Cache-Control", b"no-store")
        (name,) = request.args[b"page"]
        return self._stage.html_of(name.decode(), inside=b"inside" in request.args).encode()

    def render_POST(self, request: Request) -> bytes:
        """Receive what a page saw."""
        assert request.content is not None
        self._stage.take(json.loads(request.content.read()))
        return b""


def logged(daemon: Daemon) -> dict[str, list[dict[str, Any]]]:
    """Return the lines of a gate's access log by call, in order."""
    found: dict[str, list[dict[str, Any]]] = {}
    for text in daemon.said.splitlines():
        if text.startswith("{") and "target" in (line := json.loads(text)):
            (name,) = parse_qs(urlsplit(line["target"]).query).get("case", [""])
            found.setdefault(name, []).append(line)
    return found


def faults(
    stage: Stage, lines: dict[str, list[dict[str, Any]]], calls: Iterable[Call]
) -> list[str]:
    """Return every difference between the verdicts and what happened.

    Args:
        stage: What the pages saw and what reached the box.
        lines: The lines of the gate's access log.
        calls: The verdicts.
    """
    found = []
    for call in calls:
        seen = stage.seen.get(call.name, {})
        if any(seen.get(key, call) != value for key, value in call.sees.items()):
            found.append(f"{call.name}: sees {seen}, not {dict(call.sees)}")
        reached = [each for each in stage.box.reached if each.case == call.name]
        methods = tuple(each.method for each in reached)
        if methods != call.reaches:
            found.append(f"{call.name}: {methods} reached the box, not {call.reaches}")
        if any(bool(each.cookie) != call.cookie for each in reached):
            found.append(f"{call.name}: cookies {[each.cookie for each in reached]} came")
        if any(each.authorization not in _authorizations(call) for each in reached):
            found.append(f"{call.name}: {[each.authorization for each in reached]} came")
        preflights = [line for line in lines.get(call.name, ()) if line["method"] == "OPTIONS"]
        if len(preflights) != call.preflights:
            found.append(f"{call.name}: {len(preflights)} preflights, not {call.preflights}")
    return found


def _authorizations(call: Call) -> tuple[bytes, ...]:
    """Return the Authorization that the box may get: the gate's if it adds one, else the page's."""
    guarded = call.target.startswith(("/guarded", "/sealed", "/abroad", "/framed", "/trusting"))
    return (OWN_CREDENTIALS,) if guarded else (call.authorization,)
