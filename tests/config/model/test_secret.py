"""Tests that no secret is in a fault, a repr or a str, wherever it was written."""

from __future__ import annotations

import copy
import json
import pickle

import attrs
from hypothesis import assume, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.command import Command
from corsgate.config.model.secret import secrets_of, with_secrets
from corsgate.config.model.values import BearerCredentials, Config, Secret
from corsgate.config.parse import parse_config
from corsgate.config.quick import quick_config
from corsgate.errors import BadValue, ConfigError
from tests.config.support import ROUTE, TOP, UPSTREAM
from tests.tree import ROOT, files

MARK = "hunter2"
REVEALING = {
    *("corsgate/config/model/credentials.py", "corsgate/config/model/header_rules.py"),
    "corsgate/config/model/login_json.py",
    *("corsgate/config/model/ntlm.py", "corsgate/config/model/oauth2.py"),
    *("corsgate/config/model/session.py", "corsgate/config/sections/oauth2.py"),
    *("corsgate/credentials/aws.py", "corsgate/credentials/digest/signer.py"),
    *("corsgate/credentials/ntlm_messages.py", "corsgate/credentials/oauth2/refresh_token.py"),
    *("corsgate/credentials/oauth2/request.py", "corsgate/credentials/oauth2/tokens.py"),
    *("corsgate/credentials/query.py", "corsgate/credentials/refusal.py"),
    "corsgate/credentials/secret_commands.py",
    *("corsgate/credentials/session/messages.py", "corsgate/credentials/static.py"),
    "corsgate/gate/upstream_runtime.py",
}
"""The modules that may take a secret out of its object: to check it, to sign with it,
or to recognize it in what a server sends."""
HEAD = TOP + UPSTREAM
AWS = 'type = "aws_sigv4"\nregion = "r"\nservice = "s3"\n'
AWS_KEYS = (
    'secret_key = "x"\naccess_key = ',
    'access_key = "x"\nsecret_key = ',
    'access_key = "x"\nsecret_key = "x"\nsession_token = ',
)
OAUTH2 = 'type = "oauth2"\ntoken_url = "https://a/"\nclient_id = "a"\n'
OAUTH2_KEYS = (
    'grant = "client_credentials"\nclient_secret = ',
    'grant = "client_credentials"\nprivate_key = ',
    'grant = "client_credentials"\nclient_secret = "x"\ntoken_params.x = ',
    'grant = "refresh_token"\nrefresh_token = ',
)

IN_CREDENTIALS = tuple(
    f"{kind}{secret}"
    for kind in (
        'type = "basic"\nusername = "a"\npassword = ',
        'type = "digest"\nusername = "a"\npassword = ',
        'type = "bearer"\ntoken = ',
        'type = "header"\nname = "X-Key"\nvalue = ',
        'type = "header"\nheaders.X-Key = ',
        'type = "query"\nname = "key"\nvalue = ',
        'type = "auto"\nusername = "a"\npassword = ',
        'type = "ntlm"\nusername = "a"\npassword = ',
        *(f"{AWS}{key}" for key in AWS_KEYS),
        *(f"{OAUTH2}{key}" for key in OAUTH2_KEYS),
        'type = "session"\nlogin_url = "/"\nform.pass = ',
        'type = "session"\nlogin_url = "/"\njson.pass = ',
        'type = "session"\nlogin_url = "/"\nbasic = true\nusername = "a"\npassword = ',
        'type = "session"\nlogin_url = "/"\npass = ',
        'type = "basic"\nusername = 5\npasword = ',
        "type = 5\npassword = ",
        "password = ",
        'type = "bearer"\npassword = ',
    )
    for secret in (
        f'"{MARK}"',
        f'"{MARK}\\n"',
        f'" {MARK} "',
        f'"é{MARK}"',
        f'["{MARK}"]',
        f'{{ text = "{MARK}" }}',
        f'{{ env = ["{MARK}"] }}',
        '{ env = "SECRET" }',
        '{ env = "LINES" }',
        '{ file = "/secret" }',
        '{ file = "/lines" }',
        '{ file = "/binary" }',
        '{ systemd = "secret" }',
    )
)
ELSEWHERE = (
    f'[upstreams.b]\nservers = ["http://admin:{MARK}@a"]',
    f'[upstreams.b]\nservers = ["http://{MARK}@a:x"]',
    f'[upstreams.b]\nservers = ["http://admin:{MARK}"]',
    f'[upstreams.b]\nservers = ["http://admin:{MARK}/@a"]',
    f'[upstreams.b]\nservers = ["http://admin:{MARK}?@a/#"]',
    f'[upstreams.b]\nservers = ["admin:{MARK}@a"]',
    f'[upstreams.b]\nservers = ["http://a/?token={MARK}"]',
    f'[upstreams.b]\nservers = ["http://a/#{MARK}"]',
    f'[upstreams.b]\nservers = "http://admin:{MARK}@a"',
    f'[upstreams.b]\nservers = [{{ uri = "http://admin:{MARK}@a" }}]',
    f'[upstreams.b]\nservers = ["http://a"]\ncredentials = "digest:admin:{MARK}"',
    f'[upstreams.b]\nservers = ["http://a"]\ncredentials = ["{MARK}"]',
    f'[upstreams.b]\nservers = ["http://a"]\npassword = "{MARK}"',
    '[upstreams.b]\nservers = ["http://a"]\nca = "/secret"',
    '[upstreams.b]\nservers = ["http://a"]\nca = "/pem"',
    f'[credentials]\npassword = "{MARK}"',
    f'credentials = "{MARK}"',
    f'[routes."/x"]\nupstream = "http://admin:{MARK}@a"',
    f"[credentials.b]\npassword = {MARK}",
    f'[credentials.b]\npassword = "{MARK}',
    f'[credentials.b]\npassword = "{MARK}" "{MARK}"',
)


def read_file(path: str) -> bytes:
    """Return files that contain the mark in various ways."""
    return {
        "/secret": f"{MARK}\n".encode(),
        "/run/secret": f"{MARK}\n".encode(),
        "/lines": f"{MARK}\n{MARK}\n".encode(),
        "/binary": b"\xff" + MARK.encode(),
        "/pem": f"-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n{MARK}\n".encode(),
    }[path]


def told(text: str) -> tuple[str, bool]:
    """Return all text of a configuration or its faults, and whether it was valid."""
    environ = {"SECRET": MARK, "LINES": f"{MARK}\n{MARK}", "CREDENTIALS_DIRECTORY": "/run"}
    try:
        config = parse_config(text, file="c.toml", environ=environ, read_file=read_file)
    except ConfigError as error:
        chain = f"{error.__cause__!r} {error.__context__ if not error.__suppress_context__ else ''}"
        return f"{error} {error!r} {error.faults!r} {chain}", False
    return f"{config} {config!r} {config.upstreams!r}", True


class FileTests(SynchronousTestCase):
    def test_in_credentials(self) -> None:
        """A secret under [credentials] is not shown, whether valid, faulty or under a wrong key."""
        right = 0
        for body in IN_CREDENTIALS:
            shown, is_config = told(f'{HEAD}credentials = "b"\n[credentials.b]\n{body}\n{ROUTE}')
            self.assertNotIn(MARK, shown, body)
            right += is_config
        self.assertGreater(right, 12)

    def test_elsewhere(self) -> None:
        """A secret in a wrong place is not shown either."""
        for body in ELSEWHERE:
            shown, _ = told(f"{TOP}{body}\n{UPSTREAM}{ROUTE}")
            self.assertNotIn(MARK, shown, body)

    @given(
        st.sampled_from([each for each in IN_CREDENTIALS if MARK in each and "env" not in each]),
        st.sampled_from(
            ("[credentials.b]\nBODY", "[credentials.b]\nLINE", "[credentials]\nb = { LINE }")
        ),
        st.lists(
            st.tuples(st.floats(0, 0.999), st.sampled_from(("", *"=:,{}[]#.\\\"' \n"))), max_size=3
        ),
    )
    def test_damaged(self, body: str, layout: str, changes: list[tuple[float, str]]) -> None:
        """A secret is not shown after a few wrong characters anywhere in its table."""
        text = layout.replace("BODY", body).replace("LINE", ", ".join(body.splitlines()))
        for place, char in changes:
            at = int(place * len(text))
            text = f"{text[:at]}{char}{text[at + 1 :]}"
        assume(MARK in text)
        shown, _ = told(f'{HEAD}credentials = "b"\n{text}\n{ROUTE}')
        self.assertNotIn(MARK, shown, text)

    @given(st.text(max_size=6), st.text(max_size=6))
    def test_user_info(self, before: str, after: str) -> None:
        """User info in a server's URL is never shown, whatever surrounds it."""
        url = "".join(f"\\U{ord(char):08x}" for char in f"http://u:{before}{MARK}{after}@a")
        shown, is_config = told(f'{TOP}[upstreams.a]\nservers = ["{url}"]\n{ROUTE}')
        self.assertFalse(is_config)
        self.assertNotIn(MARK, shown)


class QuickTests(SynchronousTestCase):
    def test_auth(self) -> None:
        """No form of --auth or --upstream shows its secret, whether valid or faulty."""
        for auth in (
            *(f"basic:user:{MARK}", f"digest:user:{MARK}:{MARK}", f"bearer:{MARK}"),
            *(MARK, f"basic:{MARK}", f"basic:u:{MARK}\n", f"bearer:{MARK} {MARK}"),
            *(f"oauth2:{MARK}", f"{MARK}:x:y", f":{MARK}"),
        ):
            self.assertNotIn(MARK, self.quick("http://a", auth), auth)
        self.assertNotIn(MARK, self.quick(f"http://u:{MARK}@a", None))

    def quick(self, upstream: str, auth: str | None) -> str:
        """Return all text of the configuration or its faults."""
        config: Config | None = None
        try:
            config = quick_config(upstream=upstream, allow_origins=["http://b"], auth=auth)
        except ConfigError as error:
            return f"{error} {error!r} {error.faults!r}"
        return f"{config} {config!r}"


class SecretTests(SynchronousTestCase):
    def test_only_reveal_tells(self) -> None:
        """Only reveal returns the text of a secret."""
        secret = Secret(MARK)
        self.assertNotIn(MARK, f"{secret} {secret!r} {[secret]} {BearerCredentials(token=secret)}")
        self.assertEqual(MARK, secret.reveal())

    def test_hidden(self) -> None:
        """Neither formats nor tools that walk through objects open it."""
        secret = Secret(MARK)
        credentials = BearerCredentials(token=secret)
        self.assertEqual(
            (str(secret), repr(secret), f"{secret:>5}", f"{secret!s}"),
            ("***", "***", "  ***", "***"),
        )
        self.assertNotIn(MARK, str(attrs.asdict(credentials)))
        self.assertRaises(TypeError, vars, secret)
        for spill in (pickle.dumps, json.dumps, iter, len, bytes, list, "".join):
            self.assertRaises(TypeError, spill, secret)
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            self.assertRaises(TypeError, pickle.dumps, credentials, protocol)
            # pickle and copyreg get the state of other objects by this.
            self.assertRaises(TypeError, object.__reduce_ex__, secret, protocol)
        self.assertRaises(TypeError, lambda: MARK + secret)  # type: ignore[operator]
        self.assertRaises(AttributeError, setattr, secret, "shown", MARK)
        self.assertIs(copy.deepcopy(credentials).token, secret)
        self.assertIs(copy.copy(secret), secret)

    def test_equality(self) -> None:
        """A secret equals a secret of the same text and command, and never text."""
        command = Command(arguments=("pass",))
        self.assertEqual(Secret(MARK), Secret(MARK))
        self.assertEqual(hash(Secret(MARK)), hash(Secret(MARK)))
        self.assertNotEqual(Secret(MARK), Secret("other"))
        self.assertNotEqual(Secret(MARK), Secret(MARK, command))
        self.assertFalse(Secret(MARK) == MARK)

    def test_only_signers_reveal(self) -> None:
        """A module that begins to reveal secrets has to be looked at, and listed here."""
        found = {
            str(path.relative_to(ROOT))
            for path in files("corsgate")
            if path.suffix == ".py" and ".reveal()" in path.read_text("utf-8")
        }
        self.assertLessEqual(found, REVEALING)

    def test_validators(self) -> None:
        """A validator that rejects a secret does not show it."""
        error = self.assertRaises(BadValue, BearerCredentials, token=Secret(f"{MARK} {MARK}"))
        self.assertNotIn(MARK, f"{error} {error!r}")


@attrs.frozen(kw_only=True)
class Nested:
    """A value with secrets in all places."""

    one: Secret
    several: tuple[object, ...]
    named: dict[str, object]
    text: str = "text"
    computed: int = attrs.field(init=False, default=3)
    _private: Secret = attrs.field(factory=lambda: Secret("private"))


class WalkTests(SynchronousTestCase):
    """`secrets_of` and `with_secrets`."""

    def test_all_are_found(self) -> None:
        """Secrets are found in attributes, tuples and mappings, at any depth."""
        inner = BearerCredentials(token=Secret("inner"))
        value = Nested(
            one=Secret("one"), several=("a", Secret("two"), (inner,)), named={"x": Secret("three")}
        )
        found = [each.reveal() for each in secrets_of(value)]
        self.assertEqual(found, ["one", "two", "inner", "three", "private"])
        changed = with_secrets(value, lambda each: Secret(f"new-{each.reveal()}"))
        self.assertEqual(
            [each.reveal() for each in secrets_of(changed)], [f"new-{each}" for each in found]
        )
        self.assertEqual((changed.text, changed.computed), ("text", 3))

    def test_without_secrets(self) -> None:
        """What has no secret is the same object."""
        value = ("a", 5, {"b": None})
        self.assertEqual(list(secrets_of(value)), [])
        self.assertIs(with_secrets(value, lambda each: Secret("x")), value)

    def test_validated(self) -> None:
        """A new secret passes the rule of its place."""
        value = BearerCredentials(token=Secret("good"))
        self.assertRaises(BadValue, with_secrets, value, lambda each: Secret("not good"))
