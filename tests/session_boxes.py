"""Servers with a login, each as its vendor documents it; see docs/recipes/logins.md."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from urllib.parse import parse_qs

from corsgate.message.headers import Header
from tests.peers import Message, response
from tests.prose import Prose
from tests.support import PASSWORD

USER = "gate"
BASIC = b"Basic " + b64encode(f"{USER}:{PASSWORD}".encode())
JSON = (b"Content-Type", b"application/json; charset=utf-8")


def documented(name: str, url: str) -> str:
    """Return the configuration that docs/recipes/logins.md has for a box.

    Args:
        name: The box.
        url: The server to put in the place of the one that is shown.
    """
    (block,) = Prose.read("docs/recipes/logins.md").section(name).blocks("toml")
    before, _, rest = block.partition('servers = ["')
    text = f'{before}servers = ["{url}"]{rest.partition(chr(34) + "]")[2]}'
    return text.replace("BOX_PASSWORD", "PASSWORD").replace("tcp:5555:", "tcp:0:")


class SessionBox:
    """A server with sessions, as an `Upstream`'s answer.

    Attributes:
        sessions: Those that are valid, with the CSRF token of each.
        logins: How many were tried.
        logouts: How many came.
        password: The one that it accepts.
        login_status: What it responds to every login instead; None for a proper response.
    """

    def __init__(self) -> None:
        self.sessions: dict[str, str] = {}
        self.logins = self.logouts = self.made = 0
        self.password = PASSWORD
        self.login_status: int | None = None

    def __call__(self, message: Message) -> bytes | None:
        """Respond to a request."""
        raise NotImplementedError

    def begin(self) -> str:
        """Begin a session; return its name."""
        self.made += 1
        name = f"session-{self.made}"
        self.sessions[name] = f"csrf-{self.made}"
        return name

    def expire(self) -> None:
        """End all sessions."""
        self.sessions.clear()


def cookies(message: Message) -> dict[str, str]:
    """Return the cookies of a request; each name occurs once."""
    fields = message.fields.get(b"cookie", [])
    assert len(fields) <= 1, fields
    pairs = fields[0].decode().split("; ") if fields else []
    found = dict(pair.partition("=")[::2] for pair in pairs)
    assert len(found) == len(pairs), pairs
    return found


def field(message: Message, name: bytes) -> str:
    """Return the value of a field; empty without one."""
    values = message.fields.get(name, [])
    assert len(values) <= 1, values
    return values[0].decode() if values else ""


def says(value: object, status: int = 200, *headers: Header) -> bytes:
    """Return a response with JSON."""
    return response(status, [JSON, *headers], json.dumps(value).encode())


class CouchDb(SessionBox):
    """CouchDB's cookie authentication: ``/_session``."""

    def __call__(self, message: Message) -> bytes | None:
        """Respond."""
        session = cookies(message).get("AuthSession", "")
        if message.target == b"/_session" and message.method == b"POST":
            self.logins += 1
            given = json.loads(message.body)
            if given != {"name": USER, "password": self.password}:
                return says({"error": "unauthorized"}, 401)
            cookie = f"AuthSession={self.begin()}; Version=1; Max-Age=600; Path=/; HttpOnly"
            return says({"ok": True}, 200, (b"Set-Cookie", cookie.encode()))
        if message.target == b"/_session" and message.method == b"DELETE":
            self.logouts += 1
            self.sessions.pop(session, None)
            gone = b"AuthSession=; Version=1; Path=/; HttpOnly"
            return says({"ok": True}, 200, (b"Set-Cookie", gone))
        if session not in self.sessions:
            return says({"error": "unauthorized"}, 401)
        if message.target == b"/renew":
            del self.sessions[session]
            cookie = f"AuthSession={self.begin()}; Version=1; Max-Age=600; Path=/; HttpOnly"
            own = (b"Set-Cookie", b"theme=dark; Path=/")
            return says({"ok": True}, 200, (b"Set-Cookie", cookie.encode()), own)
        return says({"db_name": message.target.decode()})


class Jenkins(SessionBox):
    """Jenkins: Basic with each request, and a crumb that belongs to the session."""

    def __call__(self, message: Message) -> bytes | None:
        """Respond."""
        if field(message, b"authorization").encode() != BASIC:
            return response(401, [(b"WWW-Authenticate", b'Basic realm="Jenkins"')])
        session = cookies(message).get("JSESSIONID.1", "")
        if message.target == b"/crumbIssuer/api/json":
            self.logins += 1
            if session not in self.sessions:
                session = self.begin()
            cookie = f"JSESSIONID.1={session}; Path=/; HttpOnly".encode()
            found = {"crumb": self.sessions[session], "crumbRequestField": "Jenkins-Crumb"}
            return says(found, 200, (b"Set-Cookie", cookie))
        crumb = field(message, b"jenkins-crumb")
        if message.method == b"POST" and (not crumb or self.sessions.get(session) != crumb):
            return response(403, body=b"No valid crumb was included in the request")
        return response(201 if message.method == b"POST" else 200)


class ArcGis(SessionBox):
    """ArcGIS Server: a token in the query, and errors in responses with 200."""

    def __call__(self, message: Message) -> bytes | None:
        """Respond."""
        path, _, query = message.target.decode().partition("?")
        if path == "/arcgis/tokens/generateToken":
            self.logins += 1
            given = {name: values[0] for name, values in parse_qs(message.body.decode()).items()}
            assert given["f"] == "json", given
            assert given["expiration"] == "60", given
            if (given["username"], given["password"]) != (USER, self.password):
                return says({"error": {"code": 400, "message": "Unable to generate token."}})
            return says({"token": self.begin(), "expires": 1})
        token = parse_qs(query).get("token", [""])
        assert len(token) == 1, query
        if token[0] not in self.sessions:
            code = 498 if token[0] else 499
            return says({"error": {"code": code, "message": "Invalid Token", "details": []}})
        return says({"layers": [], "query": query.replace(token[0], "T")})


class Sap(SessionBox):
    """An SAP gateway: Basic, and a CSRF token for changes that belongs to the session."""

    def __call__(self, message: Message) -> bytes | None:
        """Respond."""
        if field(message, b"authorization").encode() != BASIC:
            return response(401, [(b"WWW-Authenticate", b'Basic realm="SAP"')])
        session = cookies(message).get("SAP_SESSIONID_ABC_100", "")
        token = field(message, b"x-csrf-token")
        if token == "Fetch":
            self.logins += 1
            if session not in self.sessions:
                session = self.begin()
            cookie = f"SAP_SESSIONID_ABC_100={session}; path=/; secure; HttpOnly".encode()
            csrf = self.sessions[session].encode()
            return response(200, [(b"Set-Cookie", cookie), (b"x-csrf-token", csrf)])
        if message.method != b"GET" and (not token or self.sessions.get(session) != token):
            return response(403, [(b"x-csrf-token", b"Required")], b"CSRF token validation failed")
        return response(200, body=b"{}")


class UniFi(SessionBox):
    """UniFi OS: the cookie TOKEN and a CSRF token, which any response may replace."""

    def __call__(self, message: Message) -> bytes | None:
        """Respond."""
        session = cookies(message).get("TOKEN", "")
        if message.target == b"/api/auth/login":
            self.logins += 1
            if json.loads(message.body) != {"username": USER, "password": self.password}:
                return says({"code": "AUTHENTICATION_FAILED"}, 403)
            session = self.begin()
            cookie = f"TOKEN={session}; path=/; samesite=strict; secure; httponly".encode()
            csrf = (b"X-CSRF-Token", self.sessions[session].encode())
            return says({}, 200, (b"Set-Cookie", cookie), csrf)
        if session not in self.sessions:
            return says({"code": 401}, 401)
        if message.method != b"GET" and field(message, b"x-csrf-token") != self.sessions[session]:
            return says({"error": {"message": "Invalid CSRF Token"}}, 403)
        if message.target == b"/api/auth/logout":
            self.logouts += 1
            del self.sessions[session]
            return says({})
        if message.target.endswith(b"/rotate"):
            self.sessions[session] += "-new"
            return says({}, 200, (b"X-Updated-CSRF-Token", self.sessions[session].encode()))
        if message.target == b"/api/users/self":
            return says({}, 200, (b"X-CSRF-Token", self.sessions[session].encode()))
        return says({"data": []})


class Django(SessionBox):
    """A Django application: cookies, a protected login form, and redirects to it."""

    def __call__(self, message: Message) -> bytes | None:
        """Respond."""
        given = cookies(message)
        session, token = given.get("sessionid", ""), given.get("csrftoken", "")
        is_valid = token != "" and field(message, b"x-csrftoken") == token
        if message.method not in (b"GET", b"HEAD") and not is_valid:
            return response(403, body=b"CSRF verification failed.")
        if message.target == b"/accounts/login/":
            if message.method == b"GET":
                cookie = f"csrftoken=form-{self.made}; Path=/; SameSite=Lax".encode()
                return response(200, [(b"Set-Cookie", cookie)], b"<form>")
            self.logins += 1
            form = parse_qs(message.body.decode())
            if form != {"username": [USER], "password": [self.password]}:
                cookie = f"csrftoken=again-{self.made}; Path=/; SameSite=Lax".encode()
                return response(200, [(b"Set-Cookie", cookie)], b"<form>wrong")
            session = self.begin()
            fields = [
                (b"Location", b"/accounts/profile/"),
                (b"Set-Cookie", f"sessionid={session}; HttpOnly; Path=/".encode()),
                (b"Set-Cookie", f"csrftoken={self.sessions[session]}; Path=/".encode()),
            ]
            return response(302, fields)
        if session not in self.sessions:
            return response(302, [(b"Location", b"/accounts/login/?next=/api")])
        if message.target == b"/accounts/logout/":
            self.logouts += 1
            del self.sessions[session]
        return says({"method": message.method.decode()})


class Transmission(SessionBox):
    """Transmission's RPC: its token comes with a 409."""

    def __call__(self, message: Message) -> bytes | None:
        """Respond."""
        if field(message, b"authorization").encode() != BASIC:
            self.logins += 1
            return response(401, [(b"WWW-Authenticate", b'Basic realm="Transmission"')])
        given = field(message, b"x-transmission-session-id")
        if given not in self.sessions:
            name = next(iter(self.sessions), "") or self.begin()
            return response(409, [(b"X-Transmission-Session-Id", name.encode())])
        return says({"result": "success"})


class Odoo(SessionBox):
    """Odoo: JSON-RPC that responds 200 to everything, even with a cookie to a wrong password."""

    def __call__(self, message: Message) -> bytes | None:
        """Respond."""
        session = cookies(message).get("session_id", "")
        if message.target == b"/web/session/authenticate":
            self.logins += 1
            params = json.loads(message.body)["params"]
            given = (params["db"], params["login"], params["password"])
            if given != ("shop", USER, self.password):
                cookie = b"session_id=session-of-nobody; Path=/; HttpOnly"
                error = {"code": 200, "message": "Odoo Server Error"}
                return says({"jsonrpc": "2.0", "error": error}, 200, (b"Set-Cookie", cookie))
            cookie = f"session_id={self.begin()}; Path=/; HttpOnly".encode()
            return says({"jsonrpc": "2.0", "result": {"uid": 2}}, 200, (b"Set-Cookie", cookie))
        if session not in self.sessions:
            error = {"code": 100, "message": "Odoo Session Expired"}
            return says({"jsonrpc": "2.0", "error": error})
        return says({"jsonrpc": "2.0", "result": []})


class OpenWrt(SessionBox):
    """OpenWrt's ubus over HTTP: an array with the token, which requests carry in a field."""

    def __call__(self, message: Message) -> bytes | None:
        """Respond."""
        if message.target == b"/ubus":
            self.logins += 1
            session, name, method, account = json.loads(message.body)["params"]
            assert (session, name, method) == ("0" * 32, "session", "login")
            if account != {"username": USER, "password": self.password}:
                return says({"jsonrpc": "2.0", "id": 1, "result": [6]})
            found = {"ubus_rpc_session": self.begin(), "timeout": 300}
            return says({"jsonrpc": "2.0", "id": 1, "result": [0, found]})
        if field(message, b"authorization").removeprefix("Bearer ") not in self.sessions:
            return says({"jsonrpc": "2.0", "error": {"code": -32002, "message": "Access denied"}})
        return says({"jsonrpc": "2.0", "result": [0, {}]})


BOXES: dict[str, Callable[[], SessionBox]] = {
    "ArcGIS": ArcGis,
    "CouchDB": CouchDb,
    "Django": Django,
    "Jenkins": Jenkins,
    "Odoo": Odoo,
    "OpenWrt": OpenWrt,
    "SAP": Sap,
    "Transmission": Transmission,
    "UniFi": UniFi,
}
"""Those of docs/recipes/logins.md that have a stand-in here."""
