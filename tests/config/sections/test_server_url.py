"""Tests of `corsgate.config.sections.server_url`: a URL and the server that it names."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from corsgate.config.model.values import Discovered, Server
from corsgate.config.sections.server_url import parse_discovered, parse_server
from corsgate.errors import BadValue
from tests.config.support import TableTestCase, fault_of

SERVERS = {
    "http://a": Server(scheme="http", host="a", port=80),
    "HTTP://A.Example/": Server(scheme="http", host="a.example", port=80),
    "https://a": Server(scheme="https", host="a", port=443),
    "https://a:80/b/c/": Server(scheme="https", host="a", port=80, base_path="/b/c"),
    "http://[::1]:8000": Server(scheme="http", host="::1", port=8000),
    "http://10.0.0.1:65535": Server(scheme="http", host="10.0.0.1", port=65535),
    "unix:/run/a.sock": Server(scheme="http", host="localhost", port=80, socket="/run/a.sock"),
    "unix:///run/a.sock": Server(scheme="http", host="localhost", port=80, socket="/run/a.sock"),
}
A = Server(scheme="http", host="a.internal", port=80)


class ServerTests(TableTestCase):
    """URLs of single servers."""

    def test_servers(self) -> None:
        """The scheme gives the default port, and a slash at the end means nothing."""
        self.assertEqual(SERVERS, {url: parse_server(url) for url in SERVERS})

    def test_user_info_and_query_are_never_shown(self) -> None:
        """They may be secrets, in whatever order they are written."""
        for url in (
            "http://admin:hunter2@a",
            "http://hunter2@a",
            "http://a/?key=hunter2",
            "http://a/#hunter2",
            "http://admin:hunter2",
            "http://admin:hunter2/b",
        ):
            fault = fault_of(parse_server, url)
            self.assertNotEqual(fault, "", url)
            self.assertNotIn("hunter2", fault)

    def test_a_missing_scheme_is_filled_in(self) -> None:
        """The fix is the user's own URL, if it is one without its scheme."""
        bad = {
            "a.example:80/b": '"a.example:80/b" has no scheme; write "http://a.example:80/b"',
            "http:/a": '"http:/a" has no scheme; write "http://127.0.0.1:8000"',
            "ftp://a": '"ftp://a" has the scheme "ftp"; write "http://" or "https://"',
            "http:///a": '"http:///a" has no host; write one, such as "http://127.0.0.1:8000"',
            "unix:a": '"a" is not an absolute path; write "/run/a"',
        }
        self.assert_checked(parse_server, [], bad)

    @given(st.sampled_from(sorted(SERVERS)))
    def test_an_origin_names_its_server(self, url: str) -> None:
        """To parse a server's own name gives the same place."""
        server = parse_server(url)
        again = parse_server(server.origin + server.base_path)
        self.assertEqual(again, server)

    @given(st.text(max_size=40))
    def test_any_text_is_a_server_or_a_fault(self, rest: str) -> None:
        """No text leads to an exception of another kind."""
        for url in (rest, f"http://{rest}", f"unix:{rest}", f"srv+http://{rest}"):
            try:
                parse_server(url)
                parse_discovered(url)
            except BadValue as error:
                self.assertTrue(str(error).isprintable())


class DiscoveredTests(TableTestCase):
    """URLs of servers that DNS knows."""

    def test_kinds(self) -> None:
        """A host's addresses, a service's records, or None for a fixed server."""
        service = Server(scheme="https", host="_api._tcp.internal", port=443, base_path="/b")
        for url, found in {
            "dns+http://a.internal": Discovered(template=A),
            "srv+https://_api._tcp.internal/b": Discovered(template=service, is_service=True),
            "http://a": None,
            "unix:/a": None,
            "dns+": None,
        }.items():
            self.assertEqual(parse_discovered(url), found, url)

    def test_faults(self) -> None:
        """DNS needs a name, and a service brings its own port."""
        service = 'write one such as "srv+http://_api._tcp.NAME"'
        bad = {
            "dns+http://10.0.0.1": (
                '"dns+http://10.0.0.1" has an address instead of a host name;'
                ' write "http://10.0.0.1"'
            ),
            "dns+http://[::1]": (
                '"dns+http://[::1]" has an address instead of a host name; write "http://[::1]"'
            ),
            "srv+http://a": f'"srv+http://a" is not the name of a service; {service}',
            "srv+http://_a._tcp.b:8000": (
                '"srv+http://_a._tcp.b:8000" has a port, but DNS decides the port; remove it'
            ),
            "dns+ftp://a": '"ftp://a" has the scheme "ftp"; write "http://" or "https://"',
        }
        self.assert_checked(parse_discovered, ["srv+http://_a._tcp.b:80"], bad)
