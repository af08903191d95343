"""What is learned from a record: enough for all calls, and nothing that could be left out."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator
from copy import deepcopy
from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Config
from corsgate.config.parse import parse_config
from corsgate.config.toml.writer import toml_value
from corsgate.cors.check import CORS_RULES
from corsgate.errors import BadValue, ConfigError
from corsgate.explain.explanation import explain
from corsgate.explain.url import Url
from corsgate.learn.minimal import Learned, learn
from corsgate.learn.record import Recorded, read_record

APP = "http://localhost:4200"
BOX = "http://localhost:8000"


def entry(
    method: str,
    url: str,
    sent: dict[str, str],
    came: dict[str, str] | None = None,
    cookies: int = 0,
    *,
    granted: bool = True,
) -> dict[str, Any]:
    """Return an entry of a HAR file, whose response grants the call by default."""
    if granted:
        fields_of = {name.lower(): value for name, value in sent.items()}
        came = {
            "Access-Control-Allow-Origin": fields_of.get("origin", ""),
            "Access-Control-Allow-Credentials": "true",
            "Access-Control-Allow-Methods": fields_of.get("access-control-request-method", ""),
            "Access-Control-Allow-Headers": fields_of.get("access-control-request-headers", ""),
            **(came or {}),
        }

    def fields(named: dict[str, str]) -> list[dict[str, str]]:
        return [{"name": name, "value": value} for name, value in named.items()]

    return {
        "request": {
            "method": method,
            "url": url,
            "headers": fields(sent),
            "cookies": [{"name": "sid", "value": "s3cret"}] * cookies,
        },
        "response": {"status": 200, "headers": fields(came or {})},
    }


def har(*entries: dict[str, Any]) -> str:
    """Return a HAR file."""
    return json.dumps({"log": {"version": "1.2", "entries": entries}})


CHROME = {
    ":authority": "localhost:8000",
    "accept": "application/json, text/plain, */*",
    "accept-encoding": "gzip, deflate, br, zstd",
    "accept-language": "de-DE,de;q=0.9",
    "cache-control": "no-cache",
    "pragma": "no-cache",
    "priority": "u=1, i",
    "referer": f"{APP}/",
    "sec-ch-ua-platform": '"Linux"',
    "sec-fetch-mode": "cors",
    "user-agent": "Mozilla/5.0",
    "origin": APP,
}
RECORD = har(
    entry("GET", f"{APP}/index.html", {}),
    entry("GET", f"{BOX}/v1/search?q=a", CHROME),
    entry(
        "OPTIONS",
        f"{BOX}/v1/documents?uri=/a.json",
        {
            "Origin": APP,
            "Access-Control-Request-Method": "PUT",
            "Access-Control-Request-Headers": "content-type,x-app",
        },
    ),
    entry(
        "PUT",
        f"{BOX}/v1/documents?uri=/a.json",
        {**CHROME, "content-type": "application/json", "x-app": "1"},
        {"ETag": "x", "Access-Control-Expose-Headers": "ETag, X-Gone", "Content-Type": "a/b"},
    ),
    entry("POST", f"{BOX}/v1/form", {**CHROME, "content-type": "text/plain"}),
    entry("POST", f"{BOX}/v1/own", {**CHROME, "origin": BOX}),
    entry("GET", f"{BOX}/v1/other", {**CHROME, "origin": "https://app.example"}),
    entry("GET", f"{BOX}/v1/null", {**CHROME, "origin": "null"}),
)
COOKIES = har(
    entry("GET", "https://api.example/a", {**CHROME, "origin": "https://app.example"}, cookies=1),
    entry("DELETE", "https://api.example/b", {"Origin": "https://app.example", "X-Token": "1"}),
    entry(
        "OPTIONS",
        "https://api.example/a%2Fb",
        {
            "Origin": "https://app.example",
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "accept,authorization",
        },
    ),
)


def line(method: str, target: str, origin: str = APP, **more: object) -> str:
    """Return a line of a gate's access log."""
    event: dict[str, object] = {"method": method, "host": "localhost:5555", "target": target}
    if method == "OPTIONS":
        event["status"] = 204
    else:
        event |= {"status": 200, "server": BOX}
    return json.dumps({**event, "route": "/v1", "origin": origin, **more})


LOG = "\n".join(
    (
        "2026-11-26T12:00:00+0000 [-] Site starting on 5555",
        "2026-11-26T12:00:00+0000 [corsgate.access#info] " + line("GET", "/v1/a", server=BOX),
        line("OPTIONS", "/v1/b", asked_method="PATCH", asked_headers="x-b, x-a"),
        line("OPTIONS", "/v2/b", asked_method="PUT", route="/v2"),
        line("OPTIONS", "/v1/plain"),
        line("GET", "/v1/none", origin=""),
        line("POST", "/v1/own", origin="http://localhost:5555"),
        line("POST", "/v1/own", origin="https://localhost:5555"),
        line("GET", "/nowhere", route=None),
    )
)


def config_of(toml: str) -> Config:
    """Parse a learned configuration, which must have no fault."""
    return parse_config(
        toml, file="learned.toml", environ={}, read_file=lambda _: b"", cors_rules=CORS_RULES
    )


def works(toml: str, recorded: Iterable[Recorded]) -> bool:
    """Return whether a configuration allows all calls and exposes the same headers."""
    try:
        config = config_of(toml)
    except ConfigError:
        return False
    for each in recorded:
        if each.was_refused:
            continue
        url = Url.parse(f"http://localhost:5555{each.call.url.target}")
        found = explain(config, {}, attrs.evolve(each.call, url=url))
        exposed = {
            name
            for _, answer in found.trace.exchanges
            for field, value in answer.headers
            if field == b"Access-Control-Expose-Headers"
            for name in value.decode().split(", ")
        }
        if not found.allowed or not exposed.issuperset(each.exposed):
            return False
    return True


def smaller(document: dict[str, Any]) -> Iterator[str]:
    """Return copies of a configuration, each without one key or one list entry of a policy."""
    for name, policy in document["cors"].items():
        for key, value in policy.items():
            for index in range(len(value)) if isinstance(value, list) else ():
                less = deepcopy(document)
                del less["cors"][name][key][index]
                yield "".join(f"{k} = {toml_value(v)}\n" for k, v in less.items())
            less = deepcopy(document)
            del less["cors"][name][key]
            yield "".join(f"{k} = {toml_value(v)}\n" for k, v in less.items())


class LearnTests(SynchronousTestCase):
    """`read_record` and `learn`."""

    def learned(self, text: str) -> Learned:
        """Return what is learned, after checking that it is sufficient and minimal."""
        recorded = read_record(text)
        found = learn(recorded)
        self.assertTrue(works(found.toml, recorded), found.toml)
        count = 0
        for toml in smaller(tomllib.loads(found.toml)):
            count += 1
            self.assertFalse(works(toml, recorded), toml)
        self.assertGreater(count, 2)
        return found

    def test_har(self) -> None:
        """The browser's own headers, simple requests and other pages add nothing."""
        self.assertEqual(
            self.learned(RECORD).toml,
            'listen = ["tcp:5555:interface=127.0.0.1"]\n\n'
            '[upstreams.api]\nservers = ["http://localhost:8000"]\n\n'
            '[cors.learned]\nallow_origins = ["http://localhost:4200", "https://app.example"]\n'
            'allow_methods = ["PUT"]\nallow_headers = ["content-type", "x-app"]\n'
            'expose_headers = ["ETag"]\n\n'
            '[routes."/v1"]\nupstream = "api"\ncors = "learned"\n'
            "# to serve only the recorded paths:\n"
            '# allow_paths = ["PUT /v1/documents", "POST /v1/form", "GET /v1/other",'
            ' "GET /v1/search"]\n',
        )

    def test_cookies(self) -> None:
        """Cookies, Authorization and an unusual Accept are allowed if they were used."""
        found = self.learned(COOKIES)
        policy = tomllib.loads(found.toml)["cors"]["learned"]
        self.assertEqual(
            policy,
            {
                "allow_origins": ["https://app.example"],
                "allow_methods": ["DELETE"],
                "allow_headers": ["X-Token", "accept", "authorization"],
                "allow_credentials": True,
            },
        )
        self.assertNotIn("s3cret", found.toml)
        self.assertEqual(list(tomllib.loads(found.toml)["routes"]), ["/"])

    def test_log(self) -> None:
        """A gate's log yields its routes; a note asks for a server that is missing."""
        found = self.learned(LOG)
        document = tomllib.loads(found.toml)
        self.assertEqual(list(document["routes"]), ["/v1", "/v2"])
        self.assertEqual(document["cors"]["learned"]["allow_headers"], ["x-a", "x-b"])
        self.assertEqual(document["cors"]["learned2"]["allow_methods"], ["PUT"])
        self.assertEqual(document["upstreams"], {"api": {"servers": [BOX]}})
        self.assertIn("does not name a server", found.notes[0])

    def test_hosts(self) -> None:
        """A route of a host is served, and loopback names as well."""
        text = line("GET", "/v1/a", host="api.example", route="api.example/v1", server=BOX)
        document = tomllib.loads(learn(read_record(text)).toml)
        self.assertEqual(document["hosts"], ["localhost", "127.0.0.1", "[::1]", "api.example"])
        config_of(learn(read_record(text)).toml)

    def test_two_servers(self) -> None:
        """Two servers get a route each, unless they were called at the same paths."""
        one = entry("GET", "http://a.example/one/x", CHROME)
        two = entry("GET", "http://b.example/two/x", CHROME)
        found = self.learned(har(one, two))
        self.assertEqual(list(tomllib.loads(found.toml)["routes"]), ["/one/x", "/two/x"])
        both = har(one, entry("GET", "http://b.example/one/x", CHROME))
        error = self.assertRaises(BadValue, learn, read_record(both))
        self.assertIn("--only", str(error))

    def test_what_no_policy_allows(self) -> None:
        """A call that no policy can allow is reported, and the rest is learned."""
        text = har(
            entry("GET", f"{BOX}/a", {**CHROME, "origin": "http://app.example"}, cookies=1),
            entry("GET", f"{BOX}/a", CHROME),
        )
        found = learn(read_record(text))
        self.assertEqual(len(found.refused), 1)
        self.assertIn("http://app.example", found.refused[0])
        policy = tomllib.loads(found.toml)["cors"]["learned"]
        self.assertEqual(policy, {"allow_origins": [APP]})

    def test_what_does_not_go_together(self) -> None:
        """Of conflicting calls, the first are learned and the others reported."""
        text = har(
            entry("GET", f"{BOX}/a", {**CHROME, "origin": "http://app.example"}),
            entry("PUT", f"{BOX}/a", CHROME, cookies=1),
            entry("DELETE", f"{BOX}/a", CHROME),
        )
        found = learn(read_record(text))
        self.assertEqual(len(found.refused), 1)
        self.assertIn("PUT from", found.refused[0])
        policy = tomllib.loads(found.toml)["cors"]["learned"]
        self.assertEqual(policy["allow_origins"], ["http://app.example", APP])
        self.assertEqual(policy["allow_methods"], ["DELETE"])

    def test_many(self) -> None:
        """A log with a flood of invented origins and headers is read in linear time."""
        lines = [line("GET", "/v1/a", origin=f"https://a{n}.example") for n in range(3_000)]
        lines += [
            line("OPTIONS", "/v1/a", asked_method="GET", asked_headers=f"x-{n}")
            for n in range(3_000)
        ]
        policy = tomllib.loads(learn(read_record("\n".join(lines))).toml)["cors"]["learned"]
        self.assertEqual(len(policy["allow_origins"]), 3_001)
        self.assertEqual(policy["allow_headers"][:2], ["x-0", "x-1"])

    def test_nothing_by_pattern(self) -> None:
        """Stars in a log, which anyone can write, widen no policy."""
        for more in (
            {"origin": "*"},
            {"origin": "https://*.example.com"},
            {"origin": "http://localhost:*"},
            {"method": "*"},
            {"method": "OPTIONS", "asked_method": "*"},
            {"method": "OPTIONS", "asked_method": "GET", "asked_headers": "x-a, *"},
        ):
            given: dict[str, Any] = {"method": "GET", "target": "/v1/a", **more}
            for text in (line(**given), "\n".join((line("GET", "/v1/a"), line(**given)))):
                found = learn(read_record(text))
                self.assertNotIn("*", found.toml)
                self.assertEqual(len(found.refused), 1, more)

    def test_no_gate_before_itself(self) -> None:
        """A server at the address where the gate would listen is not proposed."""
        for host in ("localhost", "127.0.0.1", "[::1]", "127.0.0.2", "app.localhost", "0.0.0.0"):
            text = har(entry("GET", f"http://{host}:5555/v1/a", CHROME))
            found = learn(read_record(text))
            self.assertNotIn(f"{host}:5555", found.toml)
            self.assertEqual(
                tomllib.loads(found.toml)["upstreams"],
                {"api": {"servers": ["http://localhost:8000"]}},
            )
            self.assertIn("a gate can't forward to itself", found.notes[0])
        for server in ("http://localhost:5556", "http://10.0.0.1:5555", "http://a.example:5555"):
            found = learn(read_record(har(entry("GET", f"{server}/v1/a", CHROME))))
            self.assertEqual(tomllib.loads(found.toml)["upstreams"], {"api": {"servers": [server]}})
            self.assertEqual(found.notes, ())

    def test_exposed(self) -> None:
        """Exposed headers that scripts can't read don't make the configuration faulty."""
        came = {"Set-Cookie": "a=b", "*": "1", "ETag": "x", "Host": "h"}
        came["Access-Control-Expose-Headers"] = "Set-Cookie, *, ETag, Host"
        found = learn(read_record(har(entry("GET", f"{BOX}/v1", CHROME, came))))
        policy = tomllib.loads(found.toml)["cors"]["learned"]
        self.assertEqual(policy["expose_headers"], ["ETag"])
        config_of(found.toml)

    def test_nothing(self) -> None:
        """A record without a cross-origin call yields nothing; other files are rejected."""
        self.assertEqual(learn(read_record(har())).toml, "")
        self.assertEqual(learn([]), Learned(toml=""))
        for text in ("", "{}", "[]", '127.0.0.1 - - [x] "GET / HTTP/1.1" 200 3 "-" "-"', "null"):
            self.assertRaises(BadValue, read_record, text)

    def test_odd_entries(self) -> None:
        """Malformed entries are ignored."""
        odd: list[Any] = [None, {}, {"request": None}, {"request": {"url": "data:,x"}}]
        odd.append({"request": {"url": BOX, "headers": [None, {"name": "origin"}]}})
        odd += [{"request": "x"}, {"request": {"url": BOX, "headers": 5}, "response": 3}]
        half = {"name": "origin", "value": "http://\ud800"}
        self.assertEqual(read_record(har(*odd)), [])
        self.assertEqual(
            learn(read_record(har({"request": {"url": BOX, "headers": [half]}}))).toml, ""
        )
        for text in ("[" * 200_000, "x" + '{"a":' * 200_000):
            self.assertRaises(BadValue, read_record, text)
