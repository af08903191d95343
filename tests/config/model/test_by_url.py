"""The upstreams of a route with ``by_url``."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.by_url import (
    check_by_url,
    named_servers,
    signed_upstream,
    upstreams_of,
    url_table,
)
from corsgate.config.model.values import (
    BearerCredentials,
    Discovered,
    Route,
    Secret,
    Server,
    Upstream,
)
from corsgate.errors import BadValue
from corsgate.message.proxied_url import read_url

A = Server(scheme="http", host="a.lan", port=80)
BELOW_A = Server(scheme="http", host="a.lan", port=80, base_path="/b")
PLAIN = Upstream(name="plain", servers=(A,))
SIGNED = Upstream(
    name="signed",
    servers=(BELOW_A,),
    credentials=BearerCredentials(token=Secret(text="t")),
)
FOUND = Upstream(name="found", servers=(), discovered=(Discovered(template=A),))
SERVICE = Upstream(name="srv", servers=(), discovered=(Discovered(template=A, is_service=True),))


class ByUrlTests(SynchronousTestCase):
    """What a URL decides between."""

    def test_upstreams(self) -> None:
        """A route has the upstreams of by_url, or the one of its own; any may have credentials."""
        one = Route(prefix="/", upstream=PLAIN)
        both = Route(prefix="/", upstream=PLAIN, by_url=(PLAIN, SIGNED))
        self.assertEqual((upstreams_of(one), upstreams_of(both)), ((PLAIN,), (PLAIN, SIGNED)))
        self.assertEqual((signed_upstream(one), signed_upstream(both)), (None, SIGNED))

    def test_table(self) -> None:
        """A server's own path decides between upstreams on one server; a DNS name counts too."""
        table = url_table((PLAIN, SIGNED))
        for url, name in ((b"http://a.lan/", "plain"), (b"http://a.lan/b/c", "signed")):
            found = table.find(read_url(url))
            assert found is not None
            self.assertEqual(found.value.name, name)
        self.assertEqual(list(named_servers(FOUND)), [A])
        self.assertIsNotNone(url_table((FOUND,)).find(read_url(b"http://a.lan/x")))
        self.assertIsNone(url_table((SERVICE,)).find(read_url(b"http://a.lan/x")))

    def test_faults(self) -> None:
        """A URL must decide, and must be able to name a server."""
        check_by_url((PLAIN, SIGNED))
        for upstreams, problem in (
            ((PLAIN, SIGNED, PLAIN), '"plain" is listed twice'),
            ((PLAIN, FOUND), 'http://a.lan:80 is a server of both "plain" and "found"'),
            ((SERVICE,), 'no URL can name a server of "srv"'),
        ):
            with self.assertRaises(BadValue) as caught:
                check_by_url(upstreams)
            self.assertIn(problem, caught.exception.problem)
