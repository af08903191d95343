"""Which resource serves a request, without a socket."""

from __future__ import annotations

from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import IResource, getChildForRequest
from twisted.web.server import NOT_DONE_YET
from zope.interface.verify import verifyObject

from corsgate.gate.compiled_route import CompiledRoute
from corsgate.gate.error_page import Problem
from corsgate.gate.resource import MAX_HOSTS, GateRoot, PlaceResource
from corsgate.gate.runtime import make_runtime
from corsgate.message.host import HostRules
from corsgate.message.target import segments
from corsgate.server.parsed_request import Refusal
from corsgate.transport.deadlines import Deadlines
from tests.gate.fakes import FakeRequest
from tests.support import LISTEN, parse

CONFIG = f"""{LISTEN}hosts = ["localhost", "api.example"]
[upstreams.a]
servers = ["http://10.0.0.1"]
[routes."/v1"]
upstream = "a"
[routes."/v1/deep"]
upstream = "a"
[routes."api.example/"]
upstream = "a"
[routes."/some"]
upstream = "a"
allow_paths = ["/some/**"]
"""


class ResourceTests(SynchronousTestCase):
    """`GateRoot` and the places below it."""

    def setUp(self) -> None:
        """Make a tree that notes what it serves."""
        self.clock = MemoryReactorClock()
        self.served: list[str] = []
        self.misdirected = False
        runtime = make_runtime(
            parse(CONFIG),
            reactor=self.clock,
            deadlines=Deadlines(self.clock),
            rng=bytes,
            file="gate.toml",
            pseudonym=b"corsgate-0",
        )
        hosts = HostRules.build(("localhost", "api.example"), loopback=False)

        def serve(_: object, route: CompiledRoute) -> None:
            self.served.append(route.label)

        def answer(_: object, problem: Problem) -> None:
            self.served.append(str(problem.status))

        def misdirects(_: object) -> bool:
            return self.misdirected

        def admit(_: object, route: CompiledRoute) -> CompiledRoute:
            self.served.append("admitted")
            return route

        self.root = GateRoot(runtime.table, hosts, serve, answer, admit, misdirects)

    def find(self, target: bytes, host: bytes = b"localhost") -> Any:
        """Return the resource of a request, which it has rendered."""
        self.request: Any = FakeRequest(self.clock, target=target)
        self.request.authority = host
        self.request.prepath, self.request.postpath = [], segments(target)
        found: Any = getChildForRequest(self.root, self.request)
        self.assertIs(found.render(self.request), NOT_DONE_YET)
        return found

    def test_interface(self) -> None:
        """The root and every place are resources of twisted.web."""
        for resource in (self.root, self.find(b"/v1"), self.find(b"/x", b"evil.example")):
            verifyObject(IResource, resource)

    def test_places(self) -> None:
        """The longest prefix of whole segments serves; what is below a place is its route's."""
        for target in (b"/v1", b"/v1/x/y", b"/v1/deep", b"/v1/deep/z", b"/v1/deeper", b"/v2"):
            self.find(target)
        self.assertEqual(self.served, ["/v1", "/v1", "/v1/deep", "/v1/deep", "/v1", "404"])

    def test_admitted_first(self) -> None:
        """A route that restricts what its requests reach looks at each before it serves it."""
        self.find(b"/some/x")
        self.find(b"/some")
        self.assertEqual(self.served, ["admitted", "/some"] * 2)

    def test_hosts(self) -> None:
        """A host has its own tree; one that is not served gets 421."""
        for host in (b"api.example", b"API.example:80", b"evil.example"):
            self.find(b"/x", host)
        self.assertEqual(self.served, ["api.example/", "api.example/", "421"])

    def test_made_up_hosts(self) -> None:
        """A host is served on whatever port it is said to be, and not all are remembered."""
        for port in range(1, 3 * MAX_HOSTS):
            self.find(b"/v1", b"localhost:%d" % port)
            self.assertLessEqual(len(self.root._found), MAX_HOSTS)
        self.assertEqual(set(self.served), {"/v1"})

    def test_misdirected_by_proxy(self) -> None:
        """So does one that a trusted proxy was asked for."""
        self.misdirected = True
        self.find(b"/v1")
        self.assertEqual(self.served, ["421"])

    def test_by_head(self) -> None:
        """The same head leads to the same place; what a proxy says is looked at each time."""
        self.assertTrue(self.find(b"/v1").by_head)
        self.assertIs(self.find(b"/v1/a"), self.find(b"/v1/b"))
        self.misdirected = True
        self.assertFalse(getattr(self.find(b"/v1"), "by_head", False))
        self.assertTrue(PlaceResource.by_head)

    def test_no_place(self) -> None:
        """A request without a target that can be read is refused at the root."""
        request: Any = FakeRequest(self.clock)
        request.refusal = Refusal(status=400, detail="x")
        self.assertIs(self.root.render(request), NOT_DONE_YET)
        request.refusal = None
        self.root.render(request)
        self.assertEqual(self.served, ["400", "404"])

    def test_no_route(self) -> None:
        """A refusal that may be routed is the response where no route is."""
        found = self.find(b"/v2")
        self.request.refusal = Refusal(status=400, detail="x", routable=True)
        found.render(self.request)
        self.assertEqual(self.served, ["404", "400"])
