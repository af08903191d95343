"""Fields about the client or request: which are dropped, which a proxy may set, which pass."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.message.forwarded import forwarded
from corsgate.message.headers import HeaderList, end_to_end, forwardable_trailers
from corsgate.message.identity import (
    CLIENT_FIELDS,
    CLIENT_PREFIXES,
    METHOD_OVERRIDES,
    WRITTEN_FIELDS,
    DroppedFields,
    is_proxys_word,
    speaks_of_client,
)

BELIEVED = (
    *(b"Proxy", b"Remote-User", b"X-Remote-User", b"X-Forwarded-User", b"X-Auth-Request-Email"),
    *(b"X-Auth-Request-User", b"X-WEBAUTH-USER", b"Client-Cert", b"Client-Cert-Chain"),
    *(b"X-SSL-Client-Cert", b"X-SSL-Client-Verify", b"X-Forwarded-Client-Cert"),
    *(b"WL-Proxy-Client-IP", b"WL-Proxy-SSL", b"Proxy-Client-IP", b"X-Real-IP"),
    *(b"X-Original-URL", b"X-Rewrite-URL", b"X-Envoy-Original-Path", b"X-Envoy-Internal"),
    *(b"X-Auth-CouchDB-UserName", b"X-Auth-CouchDB-Roles", b"X-Auth-CouchDB-Token"),
    *(b"es-security-runas-user", b"X-Forwarded-Host", b"Forwarded", b"Impersonate-User"),
    *(b"X-MS-CLIENT-PRINCIPAL", b"X-MS-CLIENT-PRINCIPAL-NAME", b"X-MS-TOKEN-AAD-ID-TOKEN"),
    *(b"X-Goog-Authenticated-User-Email", b"x-amzn-oidc-identity", b"Tailscale-User-Login"),
    *(b"Cf-Access-Authenticated-User-Email", b"Remote-Groups", b"X-authentik-username"),
    *(b"X-Remote-Group", b"X-Client-Cert", b"X-ARR-ClientCert", b"SSL_CLIENT_S_DN", b"SM_USER"),
    *(b"X-Consumer-Username", b"iv-user", b"MS-ASPNETCORE-TOKEN", b"X-Forwarded-Access-Token"),
)
"""Fields that upstreams are known to trust."""

HARMLESS = (
    *(b"Via", b"Host", b"Cookie", b"Origin", b"Referer", b"User-Agent", b"X-Requested-With"),
    *(b"Authorization", b"X-Api-Key", b"X-Request-Id", b"X-Client-Version", b"X-CSRF-Token"),
    *(b"Destination", b"X-Proxy", b"Forward", b"X-SSLess", b"Remote", b"X-Auth-Token", b"X_Page"),
    *(b"CF-Access-Client-Id", b"X-Amzn-Trace-Id", b"X-User-Id", b"traceparent", b"proxies"),
)
"""Fields of applications, some of them similar to the above."""


class NameTests(SynchronousTestCase):
    def test_believed(self) -> None:
        """Each is recognized, with hyphens, underscores or other signs of a token."""
        for name in BELIEVED:
            for sign in b"!#$%&'*+.^_`|~":
                for count in (1, -1):
                    spelled = name.replace(b"-", bytes((sign,)), count)
                    self.assertTrue(speaks_of_client(spelled.lower()), spelled)

    def test_harmless(self) -> None:
        """Fields of applications pass."""
        for name in HARMLESS:
            self.assertFalse(speaks_of_client(name.lower()), name)

    def test_written(self) -> None:
        """All fields that the gate writes are dropped first, also those of a proxy."""
        written = forwarded(
            [], peer="10.0.0.1", scheme=b"http", host=b"gate", trusted=True
        ) + forwarded([], peer="10.0.0.1", scheme=b"http", host=b"gate", trusted=False)
        self.assertEqual({name.lower() for name, _ in written}, WRITTEN_FIELDS)
        for name in WRITTEN_FIELDS:
            self.assertTrue(speaks_of_client(name))
            self.assertFalse(is_proxys_word(name))

    def test_spelling_of_the_table(self) -> None:
        """The sets have lower case and hyphens, since names are looked up so."""
        for name in (*CLIENT_FIELDS, *CLIENT_PREFIXES, *METHOD_OVERRIDES):
            self.assertEqual(name, name.lower().replace(b"_", b"-"))


class DroppedTests(SynchronousTestCase):
    def test_passed(self) -> None:
        """A name in pass_headers passes, only in that spelling."""
        dropped = DroppedFields(
            frozenset((b"x-http-method", b"host")),
            frozenset((b"x-remote-user", b"x-http-method", b"sm_user")),
        )
        for name in (b"x-remote-user", b"x-http-method", b"sm_user", b"accept"):
            self.assertNotIn(name, dropped)
        for name in (b"x_remote_user", b"x_remote-user", b"x_http_method", b"sm-user", b"host"):
            self.assertIn(name, dropped)
        for name in (b"x.remote.user", b"x-http.method", b"sm!user"):
            self.assertIn(name, dropped)

    def test_named_by_connection(self) -> None:
        """Fields that Connection names are dropped too, and nothing else."""
        sent: HeaderList = [
            (b"Connection", b"X-A, x-remote-user"),
            (b"X-A", b"1"),
            (b"X-Remote-User", b"2"),
            (b"X-B", b"3"),
        ]
        passed = DroppedFields(frozenset((b"connection",)), frozenset((b"x-remote-user",)))
        self.assertEqual(end_to_end(sent, passed), sent[3:])
        self.assertEqual(end_to_end(sent[1:], passed), sent[1:])

    def test_trailers(self) -> None:
        """They are also dropped from trailers."""
        dropped = DroppedFields(frozenset())
        trailers: HeaderList = [(name, b"admin") for name in BELIEVED]
        self.assertEqual(
            forwardable_trailers([*trailers, (b"X-Sum", b"1")], dropped), [(b"X-Sum", b"1")]
        )

    @given(st.lists(st.sampled_from((*BELIEVED, *HARMLESS)), max_size=60))
    def test_none_gets_through(self, names: list[bytes]) -> None:
        """With any number of fields, these are dropped and the others stay in order."""
        sent: HeaderList = [(name, b"v") for name in names]
        kept = [field for field in sent if field[0] in HARMLESS]
        self.assertEqual(end_to_end(sent, DroppedFields(frozenset())), kept)


class ProxyTests(SynchronousTestCase):
    """Fields of a trusted proxy."""

    def told(self, name: bytes, passed: frozenset[bytes] = frozenset()) -> bool:
        """Return whether a field of a trusted proxy is passed on."""
        header = (name, b"value")
        return header in forwarded(
            [header], peer="10.0.0.1", scheme=b"http", host=b"gate", trusted=True, passed=passed
        )

    def test_kept(self) -> None:
        """It authenticates users and clients, so its fields about them are passed on."""
        for name in (
            *(b"X-Forwarded-User", b"Remote-User", b"X-WEBAUTH-USER", b"Client-Cert"),
            *(b"X-SSL-Client-Cert", b"X-Real-IP", b"X-Auth-Request-Email", b"X-Forwarded-Port"),
        ):
            self.assertTrue(self.told(name), name)

    def test_not_kept(self) -> None:
        """Other spellings and fields that proxies don't know come from the client."""
        for name in (
            *(b"X_Forwarded_User", b"Remote_User", b"Proxy", b"es-security-runas-user"),
            *(b"Impersonate-User", b"X-Middleware-Subrequest", b"Accept"),
        ):
            self.assertFalse(self.told(name), name)

    def test_not_twice(self) -> None:
        """A field that passes anyway isn't added twice."""
        self.assertFalse(self.told(b"X-Real-IP", frozenset((b"x-real-ip",))))
