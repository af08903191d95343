"""``/api/config``, and that no address of the admin listener ever shows a secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.admin.masked_config import MASK, masked
from corsgate.config.model.certificates import CertifiedKey
from corsgate.config.model.secret import Secret
from corsgate.config.model.values import Config
from corsgate.config.parse import parse_config
from corsgate.cors.check import CORS_RULES
from tests.admin.support import ADMIN, ALL, AdminTestCase
from tests.certificates import Authority
from tests.support import LISTEN, parse

ROUTE = '[routes."/"]\nupstream = "a"\n'
MARK = "mArKeD-s3cret"

FILE = f"""
{LISTEN}
[[listener]]
endpoint = "tcp:0:interface=127.0.0.2"
certificates = [{{ chain = "/chain.pem", key = "/key.pem" }}]
[upstreams.basic]
servers = ["https://127.0.0.1:1", {{ url = "https://127.0.0.1:2/base", backup = true }}]
credentials = {{ type = "basic", username = "u", password = "{MARK}-1" }}
ca = "/chain.pem"
client_certificate = {{ chain = "/chain.pem", key = "/key.pem" }}
health = {{ path = "/health?key={MARK}-2" }}
[upstreams.basic.sticky]
cookie = "c"
secret = "{MARK}-3-{MARK}-3-{MARK}-3-{MARK}-3"
[upstreams.basic.request_headers]
set = {{ X-Plain = "plain", X-Api-Key = "{MARK}-4", X-Other = {{ env = "MARKED" }} }}
add = {{ X-More = "more" }}
[upstreams.digest]
servers = ["http://127.0.0.1:1"]
credentials = "digest"
[credentials.digest]
type = "digest"
username = "u"
password = {{ env = "MARKED" }}
[upstreams.bearer]
servers = ["http://127.0.0.1:1"]
credentials = {{ type = "bearer", token = "{MARK}-5" }}
[upstreams.header]
servers = ["http://127.0.0.1:1"]
credentials = {{ type = "header", name = "X-Key", value = "{MARK}-6" }}
[upstreams.oauth2]
servers = ["http://127.0.0.1:1"]
credentials = "oauth2"
[credentials.oauth2]
type = "oauth2"
grant = "refresh_token"
token_url = "https://login.example/token?key={MARK}-10"
client_id = "gate"
client_secret = "{MARK}-11"
refresh_token = "{MARK}-12"
token_params = {{ plain = "{MARK}-13" }}
ca = "/chain.pem"
client_certificate = {{ chain = "/chain.pem", key = "/key.pem" }}
[upstreams.key]
servers = ["http://127.0.0.1:1"]
credentials = {{ type = "basic", username = "{MARK}-7", password = "{MARK}-9" }}
[routes."/basic"]
upstream = "basic"
cors = {{ allow_origins = ["https://app.example"] }}
limits = {{ timeout = "7s" }}
[routes."/digest"]
upstream = "digest"
allow_paths = ["GET /digest/**"]
[routes."/bearer"]
upstream = "bearer"
[routes."/header"]
upstream = "header"
[routes."/oauth2"]
upstream = "oauth2"
[routes."/key"]
upstream = "key"
{ADMIN}
"""


def marked() -> Config:
    """Return a configuration with a marked secret wherever there can be one."""
    issued = Authority.make().issue("a.example")
    files = {"/chain.pem": issued.pem, "/key.pem": issued.key_pem}
    return parse_config(
        FILE,
        file="gate.toml",
        environ={"MARKED": f"{MARK}-8"},
        read_file=files.__getitem__,
        cors_rules=CORS_RULES,
    )


def values(value: Any) -> Iterator[Any]:
    """Return all values of the model within a value."""
    yield value
    if isinstance(value, tuple):
        for each in value:
            yield from values(each)
    elif hasattr(value, "items"):
        for each in value.values():
            yield from values(each)
    elif attrs.has(type(value)) and not isinstance(value, Secret):
        for field in attrs.fields(type(value)):
            yield from values(getattr(value, field.name))


class MaskedTests(SynchronousTestCase):
    """`masked`."""

    def test_secrets(self) -> None:
        """Every secret is masked: those of each field that holds one, and keys in PEM."""
        config = marked()
        shown = json.dumps(masked(config))
        secrets = [each for each in values(config) if isinstance(each, Secret)]
        keys = [each.key_pem for each in values(config) if isinstance(each, CertifiedKey)]
        self.assertEqual(sum(MARK in each.reveal() for each in secrets), 22)
        self.assertGreaterEqual(len(keys), 2)
        self.assertNotIn(MARK, shown)
        self.assertNotIn("PRIVATE", shown)
        self.assertNotIn("BEGIN", shown)
        # Besides eleven secrets, two user names, two queries and two files of certificates.
        self.assertEqual(shown.count(MASK), 11 + 2 + 2 + 2)

    def test_shown(self) -> None:
        """The rest is shown, under the model's names."""
        found = masked(marked())
        basic = found["upstreams"]["basic"]
        credentials = {"type": "basic", "username": MASK, "password": MASK}
        self.assertEqual(basic["credentials"], credentials)
        digest = found["upstreams"]["digest"]["credentials"]
        self.assertEqual((digest["username"], digest["password"]), ("u", MASK))
        self.assertEqual(basic["servers"][1]["base_path"], "/base")
        self.assertEqual(basic["balancing"]["health"]["path"], f"/health?{MASK}")
        fields = basic["request_rules"]["request_headers"]["set"]
        self.assertIn({"name": "X-Plain", "value": "plain"}, fields)
        self.assertIn({"name": "X-Other", "value": MASK}, fields)
        certificate = found["listeners"][1]["certificates"][0]
        self.assertEqual(certificate["names"], ["a.example"])
        self.assertEqual(certificate["key_file"], "/key.pem")
        route = found["routes"][0]
        self.assertEqual((route["upstream"], route["limits"]), ("basic", {"timeout_s": 7.0}))
        self.assertEqual(route["cors"]["allow_origins"], ["https://app.example"])
        self.assertEqual(found["routes"][1]["allow_paths"], ["GET /digest/**"])

    def test_several(self) -> None:
        """Of several credentials each part is shown, without its secrets."""
        text = (
            '[upstreams.a]\nservers = ["https://h"]\ncredentials = ["q", "w"]\n'
            f'[credentials.q]\ntype = "query"\nname = "key"\nvalue = "{MARK}"\n'
            '[credentials.w]\ntype = "aws_sigv4"\nregion = "r"\nservice = "s3"\n'
            f'access_key = "{MARK}"\nsecret_key = "{MARK}"\n'
        )
        found = masked(parse(LISTEN + text + ROUTE))["upstreams"]["a"]["credentials"]
        aws = {"type": "aws_sigv4", "region": "r", "service": "s3", "session_token": None}
        self.assertEqual(
            found,
            {
                "type": "query and aws_sigv4",
                "parts": [
                    {"type": "query", "name": "key", "value": MASK},
                    {**aws, "access_key": MASK, "secret_key": MASK},
                ],
            },
        )

    def test_unknown_kinds(self) -> None:
        """A kind of value that is not known here is masked, rather than shown by chance."""

        class Odd:
            def __repr__(self) -> str:
                return MARK

        odd: Any = (Odd(),)
        config = parse(LISTEN + '[upstreams.a]\nservers = ["http://h"]\n' + ROUTE)
        self.assertEqual(masked(attrs.evolve(config, warnings=odd))["warnings"], [MASK])

    def test_discovered(self) -> None:
        """Servers that are found by DNS are shown by what they are found by."""
        text = '[upstreams.a]\nservers = ["dns+http://h:1"]\n' + ROUTE
        (found,) = masked(parse(LISTEN + text))["upstreams"]["a"]["discovered"]
        self.assertEqual(found["found_by"], "dns+http://h:1")


class SecretsTests(AdminTestCase):
    """All addresses, over sockets."""

    async def test_no_address_shows_secrets(self) -> None:
        """No response has one, whatever was requested, refused or failed before."""
        gate = self.serve_config(marked())
        service = self.whole(gate)
        for target in (b"/basic", b"/digest/x", b"/bearer", b"/header", b"/key", b"/none"):
            await self.ask(gate, target=target)
            await self.ask(gate, target=target, headers=[(b"Origin", b"http://evil.example")])
        for path in ALL:
            answer = await self.get(service, b"/" + path.encode())
            self.assertIn(answer.status, (200, 503))
            self.assertNotIn(MARK.encode(), answer.raw, path)
            self.assertNotIn(b"PRIVATE KEY", answer.raw, path)
        found = json.loads((await self.get(service, b"/api/config")).body)
        self.assertEqual(found["config"], json.loads(json.dumps(masked(gate.service.config))))
        since_s = gate.service.config_since_s
        self.assertEqual((found["file"], found["since_s"]), ("gate.toml", since_s))
