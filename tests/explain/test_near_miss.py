"""How a refused call differs from what the policy allows."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Cors
from corsgate.cors.policy import compile_policy
from corsgate.explain.call import Call
from corsgate.explain.near_miss import near_misses, spell
from corsgate.explain.url import Url

LOCAL = "http://localhost:4200"
POLICY = compile_policy(
    Cors(
        allow_origins=(LOCAL, "https://app.example", "https://*.sub.example"),
        allow_methods=("PUT", "PURGE", "frob"),
        allow_headers=("Content-Type",),
    )
)


def misses(
    origin: str = LOCAL,
    method: str = "GET",
    *names: str,
    credentials: bool = False,
    policy: Cors | None = None,
) -> list[str]:
    """Return the near misses of a call."""
    call = Call(
        origin=origin.encode("latin-1"),
        method=method.encode(),
        url=Url.parse("http://localhost:5555/v1"),
        headers=tuple((name.encode(), b"application/json") for name in names),
        credentials=credentials,
    )
    return near_misses(POLICY if policy is None else compile_policy(policy), call)


class OriginTests(SynchronousTestCase):
    """The line for the origin."""

    def test_similar_origin_is_named(self) -> None:
        """The line names the difference and what is allowed."""
        for origin, near in (
            (f"{LOCAL}/", f"trailing slash: browsers send {LOCAL}, which is allowed"),
            (
                "https://evil.example/",
                "trailing slash: browsers send https://evil.example, which is not allowed either",
            ),
            (
                "HTTPS://App.example:443",
                "spelling: browsers send https://app.example, which is allowed",
            ),
            ("http://app.example", "http instead of https: https://app.example is allowed"),
            ("http://localhost:4201", f"port: {LOCAL} is allowed"),
            ("http://localhost", f"port: {LOCAL} is allowed"),
            ("http://127.0.0.1:4200", f"127.0.0.1 instead of localhost: {LOCAL} is allowed"),
            ("http://[::1]:4200", f"[::1] instead of localhost: {LOCAL} is allowed"),
            (
                "https://www.app.example",
                "www.app.example instead of app.example: https://app.example is allowed",
            ),
            (
                "https://sub.example",
                'bare domain: "https://*.sub.example" covers subdomains of sub.example,'
                " but not sub.example",
            ),
            (
                "https://ap.example",
                "another host: https://app.example is allowed, and ap.example is only spelled"
                " similarly",
            ),
        ):
            self.assertEqual((origin, misses(origin)), (origin, [near]))

    def test_look_alikes_of_localhost(self) -> None:
        """So is one that begins with localhost, and one in letters of another script."""
        for origin, near in (
            (
                "http://localhost.evil.example:4200",
                "another site: localhost.evil.example belongs to evil.example, not to localhost,"
                " which is allowed",
            ),
            (
                "http://xn--lcalhost-nbh:4200",
                "another site: xn--lcalhost-nbh is in letters that only look like those of"
                f" {LOCAL}",
            ),
        ):
            self.assertEqual((origin, misses(origin)), (origin, [near]))
        self.assertEqual(misses("http://xn--zzzzzzzzzzzz"), [])

    def test_look_alikes(self) -> None:
        """A host that contains the name of an allowed one is said to be something else."""
        for origin, near in (
            (
                "https://app.example.evil.test",
                "another site: app.example.evil.test belongs to evil.test, not to app.example,"
                " which is allowed",
            ),
            (
                "http://x.app.example.evil.test:8080",
                "another site: x.app.example.evil.test belongs to evil.test, not to app.example,"
                " which is allowed",
            ),
            (
                "https://x.sub.example.evil.test",
                "another site: x.sub.example.evil.test belongs to evil.test, not to sub.example,"
                " which is allowed",
            ),
            (
                "https://app-example.evil.test",
                "another host: https://app.example is allowed, and app-example.evil.test only"
                " contains its name",
            ),
            (
                "https://evilapp.example",
                "another host: https://app.example is allowed, and evilapp.example only contains"
                " its name",
            ),
            (
                "https://x.app.example",
                "subdomain: https://app.example is allowed, but x.app.example is another host",
            ),
        ):
            self.assertEqual((origin, misses(origin)), (origin, [near]))
        self.assertEqual(misses("https://elsewhere.test"), [])

    def test_bare_domain_may_lack_its_www(self) -> None:
        """A policy for the www name is near to the bare name."""
        policy = Cors(allow_origins=("https://www.app.example",))
        self.assertEqual(
            misses("https://app.example", policy=policy),
            ["app.example instead of www.app.example: https://www.app.example is allowed"],
        )

    def test_star_within_a_label(self) -> None:
        """A pattern is named if scheme or port differ, or if it only seems to cover the host."""
        pattern = "https://pr-*.app.example"
        policy = Cors(allow_origins=(pattern, "http://localhost:*"))
        star = (
            f'star: the "*" in "{pattern}" matches one or more letters, digits and hyphens within'
            " one label"
        )
        for origin, near in (
            ("http://pr-1.app.example", "http instead of https: https://pr-1.app.example"),
            ("https://pr-1.app.example:8443", "port: https://pr-1.app.example"),
            ("https://pr-.app.example", star),
            ("https://pr-1.x.app.example", star),
            ("https://pr-1_2.app.example", star),
        ):
            said = near if near == star else f'{near} is allowed by "{pattern}"'
            self.assertEqual((origin, misses(origin, policy=policy)), (origin, [said]))
        for origin in ("https://pr.app.example", "https://x.example"):
            self.assertNotIn(star, misses(origin, policy=policy))
        self.assertEqual(misses("https://pr-1.app.example", policy=policy), [])

    def test_nothing_similar(self) -> None:
        """Without a similar origin there is no line."""
        for origin in ("https://else.where", "null", "chrome-extension://abc", "\xff", "http://["):
            self.assertEqual((origin, misses(origin)), (origin, []))

    def test_allowed_origin_has_no_line(self) -> None:
        """Exact entries, subdomains and ``*`` are no misses."""
        for origin in (LOCAL, "https://a.sub.example"):
            self.assertEqual((origin, misses(origin)), (origin, []))
        self.assertEqual(misses("https://any.example", policy=Cors(allow_origins=("*",))), [])


class RequestTests(SynchronousTestCase):
    """The lines for method, headers and credentials."""

    def test_method(self) -> None:
        """A refused method has a line; a difference in case only is named."""
        for method, said in (
            ("GET", []),
            ("put", []),
            ("PURGE", []),
            ("DELETE", ["method DELETE is not in allow_methods"]),
            ("patch", ["case: browsers don't change patch to upper case; write PATCH"]),
            ("FROB", ["case: frob is in allow_methods, but methods are case-sensitive"]),
        ):
            self.assertEqual((method, misses(LOCAL, method)), (method, said))

    def test_headers(self) -> None:
        """Each refused header has a line, with a similar one if that is allowed."""
        self.assertEqual(misses(LOCAL, "PUT", "content-TYPE"), [])
        self.assertEqual(
            misses(LOCAL, "PUT", "X-App", "Contents-Type"),
            [
                "header contents-type is not in allow_headers; content-type is",
                "header x-app is not in allow_headers",
            ],
        )

    def test_wildcards(self) -> None:
        """``*`` covers every method and header, except Authorization."""
        policy = Cors(allow_origins=("*",), allow_methods=("*",), allow_headers=("*",))
        self.assertEqual(misses(LOCAL, "DELETE", "X-App", policy=policy), [])
        self.assertEqual(
            misses(LOCAL, "GET", "Authorization", policy=policy),
            ['header authorization is not in allow_headers, and "*" never covers it'],
        )

    def test_credentials(self) -> None:
        """Credentials have a line unless the policy allows them."""
        line = "credentials: the page sends them, but allow_credentials is not set"
        self.assertEqual(misses(credentials=True), [line])
        allowing = Cors(allow_origins=(LOCAL,), allow_credentials=True)
        self.assertEqual(misses(credentials=True, policy=allowing), [])


class SpellTests(SynchronousTestCase):
    """`spell`."""

    def test_as_browsers_send_it(self) -> None:
        """Case, default port, path and slash are dropped; other schemes have no spelling."""
        for given, sent in (
            ("HTTPS://App.Example:443/x?y", "https://app.example"),
            ("http://h:8080/", "http://h:8080"),
            ("null", None),
            ("ftp://h", None),
            ("h:8080", None),
            ("https://app.example@evil.example", None),
        ):
            self.assertEqual((given, spell(given)), (given, sent))
