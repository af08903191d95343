"""Tests of `corsgate.config.quick`."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.admin import DEFAULT_ADMIN_LISTEN, FREE_ADMIN_LISTEN, Admin
from corsgate.config.model.values import (
    AutoCredentials,
    BasicCredentials,
    BearerCredentials,
    Config,
    Cors,
    DigestCredentials,
    HeaderCredentials,
    Listener,
    NtlmCredentials,
    Route,
    Secret,
    Server,
    Upstream,
)
from corsgate.config.quick import quick_config
from corsgate.cors.check import CORS_RULES
from corsgate.errors import ConfigError

ORIGIN = "http://localhost:4200"
URL = "http://localhost:8000"


def quick_faults(
    upstream: str = URL,
    allow_origins: Sequence[str] = (ORIGIN,),
    auth: str | None = None,
    listen: str | None = None,
) -> list[str]:
    """Return the faults of command line options, as they are shown."""
    error = None
    try:
        quick_config(
            upstream=upstream,
            allow_origins=allow_origins,
            auth=auth,
            listen=listen,
            cors_rules=CORS_RULES,
        )
    except ConfigError as raised:
        error = raised
    return [str(fault) for fault in error.faults] if error is not None else []


class RightTests(SynchronousTestCase):
    maxDiff = None

    def test_least(self) -> None:
        """An upstream and an origin make a loopback gate with one route and a wide policy."""
        upstream = Upstream(
            name="api", servers=(Server(scheme="http", host="localhost", port=8000),)
        )
        policy = Cors(
            allow_origins=(ORIGIN,),
            allow_methods=("*",),
            allow_headers=("*", "Authorization"),
            expose_headers=("*",),
            debug=True,
        )
        self.assertEqual(
            Config(
                listeners=(Listener(endpoint="tcp:5555:interface=127.0.0.1"),),
                upstreams={"api": upstream},
                routes=(Route(prefix="/", upstream=upstream, cors=policy),),
                admin=Admin(),
            ),
            quick_config(upstream=URL, allow_origins=[ORIGIN], cors_rules=CORS_RULES),
        )

    def test_admin(self) -> None:
        """The admin listener has its usual port, unless the gate has that one itself."""
        for listen, admin in (
            (None, DEFAULT_ADMIN_LISTEN),
            ("tcp:9901", FREE_ADMIN_LISTEN),
            ("tcp:9901:interface=127.0.0.1", FREE_ADMIN_LISTEN),
            ("tcp:9902", DEFAULT_ADMIN_LISTEN),
        ):
            config = quick_config(upstream=URL, allow_origins=[ORIGIN], listen=listen)
            self.assertEqual(config.admin, Admin(listen=admin))

    def test_auth(self) -> None:
        """Credentials are split at most twice, so that passwords may hold colons."""
        cases = {
            "basic:user:pass": BasicCredentials(username="user", password=Secret("pass")),
            "digest:user:a:b:": DigestCredentials(username="user", password=Secret("a:b:")),
            "basic::key": BasicCredentials(username="", password=Secret("key")),
            "auto:user:a:b": AutoCredentials(username="user", password=Secret("a:b")),
            "ntlm:OFFICE\\user:a": NtlmCredentials(username="OFFICE\\user", password=Secret("a")),
            "header:X-Key:a:b": HeaderCredentials(name="X-Key", value=Secret("a:b")),
            "bearer:abc.def": BearerCredentials(token=Secret("abc.def")),
            None: None,
        }
        for auth, credentials in cases.items():
            config = quick_config(upstream=URL, allow_origins=[ORIGIN], auth=auth)
            self.assertEqual(credentials, config.upstreams["api"].credentials)

    def test_listen(self) -> None:
        """Another endpoint may be named, or a port; a port alone is one of loopback."""
        for listen, endpoint in (
            ("tcp:0", "tcp:0"),
            ("5556", "tcp:5556:interface=127.0.0.1"),
            (":5556", "tcp:5556:interface=127.0.0.1"),
            ("localhost:5556", "tcp:5556:interface=127.0.0.1"),
            ("127.0.0.2:5556", "tcp:5556:interface=127.0.0.2"),
            ("[::1]:5556", "tcp:5556:interface=\\:\\:1"),
        ):
            config = quick_config(upstream=URL, allow_origins=[ORIGIN], listen=listen)
            self.assertEqual((Listener(endpoint=endpoint),), config.listeners)
        for listen in ("99999", "app.example:5556", "5556x", "tcp:x"):
            (fault,) = quick_faults(listen=listen)
            self.assertIn("--listen", fault)

    def test_debug(self) -> None:
        """Reasons are given only where no other machine can reach the gate."""
        for listen, debug in ((None, True), ("[::1]:0", True), ("tcp:0", False)):
            cors = quick_config(upstream=URL, allow_origins=[ORIGIN], listen=listen).routes[0].cors
            assert cors is not None
            self.assertEqual(cors.debug, debug)

    def test_allow_credentials(self) -> None:
        """With the browser's credentials, response headers are listed: ``*`` is a name then."""
        config = quick_config(
            upstream=URL, allow_origins=[ORIGIN], allow_credentials=True, cors_rules=CORS_RULES
        )
        cors = config.routes[0].cors
        assert cors is not None
        self.assertTrue(cors.allow_credentials)
        self.assertTrue(cors.expose_auto)
        self.assertEqual(((), ("*",)), (cors.expose_headers, cors.allow_methods))
        with self.assertRaises(ConfigError) as caught:
            quick_config(
                upstream=URL, allow_origins=["*"], allow_credentials=True, cors_rules=CORS_RULES
            )
        self.assertIn("can't go with allow_credentials", str(caught.exception))

    def test_authorization_of_scripts(self) -> None:
        """A script may send Authorization unless the gate itself does."""
        for auth, listed in (
            (None, True),
            ("header:X-Key:a", True),
            ("header:Authorization:a", False),
            ("digest:a:b", False),
            ("bearer:a", False),
        ):
            cors = quick_config(upstream=URL, allow_origins=[ORIGIN], auth=auth).routes[0].cors
            assert cors is not None
            self.assertEqual("Authorization" in cors.allow_headers, listed, auth)

    def test_patterns(self) -> None:
        """A pattern is fine; what needs a key that names a danger needs a file."""
        config = quick_config(
            upstream=URL, allow_origins=["https://pr-*.example.com"], cors_rules=CORS_RULES
        )
        assert config.routes[0].cors is not None
        self.assertEqual(config.routes[0].cors.allow_origins, ("https://pr-*.example.com",))
        for origin, key in (
            ("null", "dangerously_allow_null_origin"),
            ("moz-extension://*", "dangerously_allow_any_browser_extension"),
            ("https://*.github.io", "dangerously_allow_subdomains_of_public_suffixes"),
        ):
            with self.assertRaises(ConfigError) as caught:
                quick_config(upstream=URL, allow_origins=[origin], cors_rules=CORS_RULES)
            self.assertIn(f"set {key} = true in a configuration file", str(caught.exception))

    def test_off_loopback(self) -> None:
        """With credentials this produces a warning, since there is no option for hosts."""
        told = (
            "command line: --listen: it serves any Host: a site that points its name here "
            "(DNS rebinding) has the gate's own origin, and can use the credentials of "
            'upstream "api"; and over plain http browsers do not send Sec-Fetch-*, so '
            "any page can embed or frame responses that need the credentials of upstream "
            '"api"; leave it out, or use a configuration file with certificates and '
            "hosts"
        )
        for listen, auth, expected in (
            ("tcp:0", "bearer:t", [told]),
            ("tcp:0", None, []),
            ("tcp:0:interface=127.0.0.1", "bearer:t", []),
            (None, "bearer:t", []),
        ):
            config = quick_config(upstream=URL, allow_origins=[ORIGIN], auth=auth, listen=listen)
            self.assertEqual([str(warning) for warning in config.warnings], expected)


class FaultTests(SynchronousTestCase):
    maxDiff = None

    def test_auth(self) -> None:
        """A fault of --auth does not show its value."""
        forms = (
            "write basic:USER:PASSWORD, digest:USER:PASSWORD or bearer:TOKEN; the kinds are "
            '"basic", "digest", "auto", "ntlm", "bearer" or "header"'
        )
        cases = {
            "": f"it does not start with a kind of credentials; {forms}",
            "secret": f"it does not start with a kind of credentials; {forms}",
            "oauth2:secret": (
                "credentials of type oauth2 can't be given by an option; write them in a file, and"
                " start the gate with corsgate run FILE.toml: docs/reference/credentials.md has an"
                " example"
            ),
            "basic:secret": (
                "it has no password; write --auth basic:USER --auth-env VARIABLE, with the "
                "password in the variable"
            ),
            "digest": (
                "it has no user name; write --auth digest:USER --auth-env VARIABLE, with the "
                "password in the variable"
            ),
            "header:X\r\n:secret": (
                '"X\\u000d\\u000a" is not a header name; write a name, such as "X-Api-Key"'
            ),
            "digest:user:": "the secret is empty; add a value",
            "digest:a\nb:secret": '"a\\u000ab" contains control characters; remove them',
            "bearer:": "the secret is empty; add a value",
            "bearer:a b": (
                "the token contains spaces or other characters that are not allowed in a token; "
                'write the token alone, without "Bearer "'
            ),
        }
        self.assertEqual(
            {auth: [f"command line: --auth: {told}"] for auth, told in cases.items()},
            {auth: quick_faults(auth=auth) for auth in cases},
        )

    def test_all_at_once(self) -> None:
        """Every option's fault is there, with the option as its key."""
        self.assertEqual(
            [
                'command line: --upstream: "localhost:8000" has no scheme; '
                'write "http://localhost:8000"',
                "command line: --auth: it has no password; write --auth basic:USER --auth-env "
                "VARIABLE, with the password in the variable",
                'command line: --listen: "any" is not an endpoint; '
                'write "tcp:5555:interface=127.0.0.1"',
                "command line: --allow-origin: it is missing; "
                "write --allow-origin http://localhost:4200",
            ],
            quick_faults("localhost:8000", (), "basic:user", "any"),
        )

    def test_any_origin(self) -> None:
        """``*`` is valid only without credentials."""
        self.assertEqual([], quick_faults(allow_origins=("*",)))
        self.assertEqual(
            [
                "command line: --allow-origin: the policy allows any origin, and the upstream "
                '"api" has credentials: every page on the web could act with them; '
                "list the origins, with one option for each"
            ],
            quick_faults(allow_origins=("*",), auth="basic:user:password"),
        )

    def test_warnings(self) -> None:
        """Warnings about origins have the option as their key; there are no others."""
        origins = (ORIGIN, ORIGIN, "https://app.example.com")
        for listen, expected in (
            (None, ["is a duplicate", "is public"]),
            ("tcp:0", ["duplicate"]),
        ):
            config = quick_config(
                upstream=URL, allow_origins=origins, listen=listen, cors_rules=CORS_RULES
            )
            self.assertEqual(len(expected), len(config.warnings), config.warnings)
            for warning, part in zip(config.warnings, expected, strict=True):
                self.assertEqual(("command line", "--allow-origin"), (warning.file, warning.key))
                self.assertIn(part, warning.problem)
        for origin, auth, told in (
            ("http://10.0.0.1:4200", "bearer:t", ["credentials of the upstream"]),
            ("http://10.0.0.1:4200", None, []),
            (ORIGIN, "bearer:t", []),
        ):
            config = quick_config(
                upstream=URL, allow_origins=[origin], auth=auth, cors_rules=CORS_RULES
            )
            self.assertEqual(len(told), len(config.warnings))
            for warning, part in zip(config.warnings, told, strict=True):
                self.assertEqual("--allow-origin", warning.key)
                self.assertIn(part, warning.problem)

    def test_origins(self) -> None:
        """The rules' faults of an origin have the option as their key."""
        found = quick_faults(allow_origins=(ORIGIN, "localhost:4200", "http://a/"))
        self.assertEqual(2, len(found))
        for fault in found:
            self.assertTrue(fault.startswith("command line: --allow-origin: "), fault)
