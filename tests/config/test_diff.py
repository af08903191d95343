"""Tests of `corsgate.config.diff`: the described differences."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.diff import Difference, Kind, differences
from corsgate.config.model.addresses import Addresses
from corsgate.config.model.admin import Admin
from corsgate.config.model.balancing import Balancing, Ejection, Fallback, HealthCheck, Sticky
from corsgate.config.model.certificates import CertifiedKey
from corsgate.config.model.header_rules import HeaderRules
from corsgate.config.model.path_rules import PathPattern
from corsgate.config.model.request_rules import RequestRules
from corsgate.config.model.values import (
    BearerCredentials,
    Config,
    Cors,
    DigestCredentials,
    Discovered,
    Limits,
    Listener,
    OriginCredentials,
    PoolLimits,
    Route,
    Secret,
    Server,
    Upstream,
    UpstreamTls,
)
from tests.certificates import Authority
from tests.support import parse

DIGEST = DigestCredentials(username="u", password=Secret("p"))
BASE = """
listen = ["tcp:5555"]
[upstreams.a]
servers = ["http://10.0.0.1:8000"]
credentials = "one"
[credentials.one]
type = "digest"
username = "admin"
password = "old-s3cret"
[credentials.two]
type = "bearer"
token = "other-s3cret"
[cors.spa]
allow_origins = ["http://localhost:4200"]
allow_methods = ["PUT"]
[routes."/v1"]
upstream = "a"
cors = "spa"
"""

CHANGES: tuple[tuple[str, str, str], ...] = (
    (
        '4200"]',
        '4200", "https://b.example"]',
        '+ routes."/v1": pages of https://b.example may call it',
    ),
    ("4200", "4201", '- routes."/v1": pages of http://localhost:4200 may no longer call it'),
    (
        '4200"]',
        '4200", "https://pr-*.b.example"]',
        '+ routes."/v1": pages of https://pr-*.b.example may call it',
    ),
    (
        '4200"]',
        '4200", "moz-extension://*"]\ndangerously_allow_any_browser_extension = true',
        '+ routes."/v1": pages of any extension (moz-extension://*) may call it',
    ),
    (
        '4200"]',
        '4200", "null"]\ndangerously_allow_null_origin = true\n'
        "dangerously_allow_any_origin_to_use_upstream_credentials = true",
        '+ routes."/v1": pages of null (local files, and sandboxed frames in any page) may call it',
    ),
    (
        '4200"]',
        '4200"]\npreflight_status = 200',
        '~ routes."/v1": preflight_status is 200, previously 204',
    ),
    ('["PUT"]', '["*"]', '+ routes."/v1": pages may use any name or origin'),
    ('["PUT"]', '["PUT"]\nallow_headers = ["X-A"]', "pages may send the header X-A"),
    ('["PUT"]', '["PUT"]\nexpose_headers = ["X-A"]', "pages may read the header X-A"),
    ('["PUT"]', '["PUT"]\nmax_age = "10m"', "max_age is 10m, previously unset"),
    ('["PUT"]', '["PUT"]\nallow_credentials = true', "allow_credentials is true, previously false"),
    ('cors = "spa"', "", '- routes."/v1": its CORS policy is removed'),
    ('cors = "spa"', 'cors = "spa"\nmethods = ["GET"]', '- routes."/v1": it serves GET only'),
    (
        'cors = "spa"',
        'cors = "spa"\nlimits = { max_body_bytes = "1MiB" }',
        "max_body_bytes is 1MiB",
    ),
    (
        'cors = "spa"',
        'cors = "spa"\nallow_framing = true',
        '+ routes."/v1": pages of other origins may show it in frames',
    ),
    ("/v1", "/v2", '- routes."/v1": the route to upstream a is removed'),
    ("/v1", "/v2", '+ routes."/v2": a route to upstream a'),
    ("/v1", "/v2", '+ routes."/v2": pages of http://localhost:4200 may call it'),
    ("10.0.0.1", "10.0.0.2", "- upstreams.a: the server http://10.0.0.1:8000 is removed"),
    ("10.0.0.1", "10.0.0.2", "+ upstreams.a: the server http://10.0.0.2:8000"),
    (
        'credentials = "one"',
        'credentials = "two"',
        "uses the credentials two (bearer), previously one (d",
    ),
    (
        '"http://10.0.0.1:8000"',
        '"http://10.0.0.1:8000", { url = "http://10.0.0.2:8000", backup = true }',
        "~ upstreams.a, server http://10.0.0.2:8000: backup is true, previously false",
    ),
    (
        "[credentials.one]",
        '[upstreams.b]\nservers = [{ url = "http://10.0.0.2:8000", weight = 7 }]\n'
        "[credentials.one]",
        "~ upstreams.b, server http://10.0.0.2:8000: weight is 7, previously 1",
    ),
    (
        'credentials = "one"',
        'credentials = "one"\neject = { failures = 9 }',
        "~ upstreams.a, eject: failures is 9, previously 5",
    ),
    (
        'credentials = "one"',
        'credentials = "one"\naliases = ["http://box.lan"]',
        "+ upstreams.a: URLs of http://box.lan in responses become the gate's",
    ),
    (
        'credentials = "one"',
        'credentials = "one"\ncookies = "drop"',
        "~ upstreams.a: cookies is drop, previously adapt",
    ),
    ('credentials = "one"', "", "it no longer uses the credentials one (digest)"),
    ("admin", "root", "credentials one (digest): username is root, previously admin"),
    ("old-s3cret", "new-s3cret", "credentials one (digest): password changed"),
    ('"tcp:5555"', '"tcp:5555", "tcp:5556"', "+ listen: the gate listens on tcp:5556"),
    ('"tcp:5555"', '"tcp:5556"', "- listen: the gate no longer listens on tcp:5555"),
    ("listen", 'hosts = ["api.example"]\nlisten', "~ hosts: api.example, previously unset"),
    ("listen", 'log_format = "combined"\nlisten', "~ log_format: combined, previously auto"),
    (
        "[cors.spa]",
        "[limits]\nmax_headers = 50\n[cors.spa]",
        "~ limits: max_headers is 50, previously 100",
    ),
)


def diff(old: str, new: str) -> list[Difference]:
    """Return the differences between two files."""
    return differences(parse(old), parse(new), tomllib.loads(old), tomllib.loads(new))


class DiffTests(SynchronousTestCase):
    """`differences`."""

    def test_words(self) -> None:
        """Each change is described in its own words, in both directions, without secrets."""
        for before, after, told in CHANGES:
            changed = BASE.replace(before, after)
            self.assertNotEqual(changed, BASE, before)
            said = "\n".join(map(str, diff(BASE, changed)))
            self.assertIn(told, said)
            back = "\n".join(map(str, diff(changed, BASE)))
            self.assertNotEqual(back, "")
            self.assertNotIn("s3cret", said + back)

    def test_tables(self) -> None:
        """A table's keys are compared one by one, except those that may contain a secret."""
        tables = """
sticky = { cookie = "one", secret = "0123456789-old-s3cret" }
health = { path = "/?key=old-s3cret", rise = 2 }
on_down = { status = 503 }
"""
        old = BASE.replace('credentials = "one"\n', tables)
        new = old.replace('"one"', '"two"').replace("old-", "new-").replace("rise = 2", "rise = 3")
        said = "\n".join(map(str, diff(old, new.replace("status = 503", "status = 200"))))
        self.assertNotIn("s3cret", said)
        for told in (
            "upstreams.a, sticky: cookie is two, previously one",
            "upstreams.a, sticky: secret changed",
            "upstreams.a, health: path changed",
            "upstreams.a, health: rise is 3, previously 2",
            "upstreams.a, on_down: status is 200, previously 503",
        ):
            self.assertIn(told, said)

    def test_long_text(self) -> None:
        """Text with line breaks or control characters is escaped and cut to one line."""
        page = 'credentials = "one"\non_down = { body = "\\u001b[31m\\n' + "x" * 9_999 + '" }'
        old = BASE.replace('credentials = "one"', 'credentials = "one"\non_down = {}')
        (told,) = diff(old, BASE.replace('credentials = "one"', page))
        self.assertTrue(str(told).isprintable())
        self.assertLess(len(str(told)), 300)

    def test_any(self) -> None:
        """Changing a list to ``*`` removes nothing except Authorization."""
        bare = BASE.replace('credentials = "one"\n', "")
        old = bare.replace('["PUT"]', '["PUT"]\nallow_headers = ["X-A", "Authorization"]')
        new = old.replace('["X-A", "Authorization"]', '["*"]').replace('["PUT"]', '["*"]')
        (methods, authorization, names) = diff(old, new)
        self.assertEqual((methods.kind, names.kind), (Kind.GIVES, Kind.GIVES))
        self.assertEqual(authorization.kind, Kind.TAKES)
        self.assertIn("Authorization", authorization.words)
        self.assertEqual([each.kind for each in diff(new, old)].count(Kind.TAKES), 2)

    def test_order(self) -> None:
        """Removed servers and listeners are listed in the order of the file."""
        servers = [f"http://10.0.0.{n}:8000" for n in range(1, 9)]
        listens = [f"tcp:{n}" for n in range(5555, 5563)]
        old = BASE.replace('"http://10.0.0.1:8000"', ", ".join(f'"{each}"' for each in servers))
        old = old.replace('"tcp:5555"', ", ".join(f'"{each}"' for each in listens))
        new = BASE.replace("10.0.0.1", "10.0.0.9").replace("tcp:5555", "tcp:1")
        said = "\n".join(map(str, diff(old, new)))
        for entries in (servers, listens):
            places = [said.index(f" {entry}") for entry in entries]
            self.assertEqual(places, sorted(places))

    def test_same(self) -> None:
        """Two spellings of the same configuration have no differences."""
        inline = BASE.replace(
            'cors = "spa"',
            'cors = { allow_origins = ["http://localhost:4200"], allow_methods = ["PUT"] }',
        )
        for other in (BASE, f"# A comment.\n{BASE}", inline):
            self.assertEqual(diff(BASE, other), [])

    def test_limits_are_told_once(self) -> None:
        """A limit of the file is not repeated for each route."""
        changed = BASE.replace("[cors.spa]", '[limits]\nmax_body_bytes = "1MiB"\n[cors.spa]')
        self.assertEqual([each.where for each in diff(BASE, changed)], ["limits"])

    def test_kinds(self) -> None:
        """Additions and removals have different kinds."""
        (given,) = diff(BASE, BASE.replace('["PUT"]', '["PUT", "PATCH"]'))
        self.assertIs(given.kind, Kind.GIVES)
        (taken,) = diff(BASE.replace('["PUT"]', '["PUT", "PATCH"]'), BASE)
        self.assertIs(taken.kind, Kind.TAKES)

    def test_discovered(self) -> None:
        """Servers from DNS are listed by their name, in a new upstream too."""
        plain = parse(BASE)
        upstream = plain.upstreams["a"]
        found = Discovered(template=Server(scheme="http", host="d.example", port=80))
        both = attrs.evolve(upstream, discovered=(found,))
        alone = attrs.evolve(both, servers=())
        (given,) = differences(plain, attrs.evolve(plain, upstreams={**plain.upstreams, "a": both}))
        self.assertEqual(
            (given.kind, given.words), (Kind.GIVES, "it has the servers of dns+http://d.example")
        )
        more = attrs.evolve(
            plain, upstreams={**plain.upstreams, "new": attrs.evolve(alone, name="new")}
        )
        words = [each.words for each in differences(plain, more)]
        self.assertIn("the servers of dns+http://d.example", words)
        words = [each.words for each in differences(more, plain)]
        self.assertIn("it is removed, with dns+http://d.example", words)

    def test_header_rules(self) -> None:
        """The fields that are set, added and removed are listed, without secrets."""
        toml = (
            'listen = ["tcp:1"]\n[upstreams.a]\nservers = ["http://h"]\nrequest_headers = {}\n'
            '[routes."/v1"]\nupstream = "a"\n'
        )
        rules = '{ set = { X-A = "1", X-Token = "hunter2" }, remove = ["Cookie"] }'
        found = differences(parse(toml), parse(toml.replace("{}", rules)))
        where = "upstreams.a, request_headers"
        self.assertEqual(
            [str(each) for each in found],
            [
                f"+ {where}: it has X-A: 1",
                f"+ {where}: it has X-Token: a secret",
                f"+ {where}: Cookie is removed",
            ],
        )

    def test_every_field(self) -> None:
        """A change of any field of the model is reported, including future fields."""
        issued = Authority.make().issue("a.example")
        certified = CertifiedKey(
            chain_file="a", key_file="b", chain_pem=issued.pem, key_pem=issued.key_pem
        )
        server = Server(scheme="http", host="h", port=1)
        upstream = Upstream(name="a", servers=(server,), credentials=DIGEST)
        route = Route(prefix="/v1", upstream=upstream, cors=Cors(allow_origins=("http://a",)))
        config = Config(
            listeners=(Listener(endpoint="tcp:1", certificates=(certified,)),),
            upstreams={"a": upstream},
            routes=(route,),
        )

        def upstream_with(key: str) -> Callable[[Any], Config]:
            return lambda new: attrs.evolve(
                config, upstreams={"a": attrs.evolve(upstream, **{key: new})}
            )

        owners: tuple[tuple[Any, Callable[[Any], Config]], ...] = (
            (route, lambda new: attrs.evolve(config, routes=(new,))),
            (route.cors, lambda new: attrs.evolve(config, routes=(attrs.evolve(route, cors=new),))),
            (Limits(), lambda new: attrs.evolve(config, limits=new)),
            (config.listeners[0], lambda new: attrs.evolve(config, listeners=(new,))),
            (upstream, lambda new: attrs.evolve(config, upstreams={"a": new})),
            (server, lambda new: upstream_with("servers")((new,))),
            (PoolLimits(), upstream_with("pool")),
            (upstream.credentials, upstream_with("credentials")),
            (Balancing(), upstream_with("balancing")),
            (RequestRules(), upstream_with("request_rules")),
            (Addresses(), upstream_with("addresses")),
            (Admin(), lambda new: attrs.evolve(config, admin=new)),
            (config, lambda new: new),
        )
        other: dict[str, Any] = {
            "host": "h.example",
            "prefix": "/v2",
            "credentials_by_origin": (OriginCredentials(origin="http://a", credentials=DIGEST),),
            "upstream": attrs.evolve(upstream, name="b"),
            "cors": None,
            "cors_report_only": Cors(allow_origins=("http://b",)),
            "methods": ("GET",),
            "pass_headers": ("X-Remote-User",),
            "limits": attrs.evolve(Limits(), max_headers=7),
            "endpoint": "tcp:2",
            "trusted_proxies": (ip_network("10.0.0.0/8"),),
            "certificates": (),
            "name": "b",
            "servers": (attrs.evolve(server, port=2),),
            "pool": PoolLimits(max_queue=7),
            "discovered": (Discovered(template=attrs.evolve(server, host="d.example")),),
            "servers_file": "/servers.toml",
            "resolver": ("10.0.0.2", 53),
            "socket": "/run/a.sock",
            "timeout_s": 7.0,
            "balancing": Balancing(balance="hash"),
            "request_rules": RequestRules(origin="gate"),
            "origin": "drop",
            "forwarded": ("forwarded",),
            "request_headers": HeaderRules(remove=("Cookie",)),
            "response_headers": HeaderRules(remove=("Server",)),
            "balance": "hash",
            "hash_on": "target",
            "sticky": Sticky(cookie="a", secret=Secret("q")),
            "health": HealthCheck(path="/"),
            "eject": Ejection(failures=7),
            "retry_on": ("connect",),
            "max_requests": 7,
            "on_down": Fallback(),
            "credentials": BearerCredentials(token=Secret("t")),
            "ca_pem": issued.pem,
            "server_name": "s.example",
            "client_certificate": certified,
            "scheme": "https",
            "base_path": "/base",
            "username": "w",
            "password": Secret("q"),
            "min_algorithm": "SHA-256",
            "listeners": (Listener(endpoint="tcp:9"),),
            "hosts": ("h.example",),
            "upstreams": {},
            "routes": (attrs.evolve(route, prefix="/v3"),),
            "log_format": "combined",
            "access_log": "off",
            "admin": Admin(),
            "listen": "unix:/run/admin.sock",
            "tls": UpstreamTls(pin=(f"sha256/{'A' * 43}=",)),
            "max_body_bytes": 7,
            "max_requests_per_connection": 7,
            "max_age_s": 7,
            "preflight_status": 200,
            "addresses": Addresses(cookies="drop"),
            "aliases": ("http://box.lan",),
            "cookies": "pass",
            "by_url": (upstream,),
            "allow_paths": (PathPattern("/v1/x"),),
        }
        for owner, put in owners:
            for field in attrs.fields(type(owner)):
                if not field.eq or (owner is upstream and field.name == "name"):
                    continue
                value = getattr(owner, field.name)
                if field.name in other:
                    changed = other[field.name]
                elif isinstance(value, bool):
                    changed = not value
                elif isinstance(value, tuple):
                    changed = (*value, "X-New")
                else:
                    changed = value + 1
                found = differences(config, put(attrs.evolve(owner, **{field.name: changed})))
                self.assertNotEqual(found, [], (type(owner).__name__, field.name))
