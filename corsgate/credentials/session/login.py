"""Log in, fetch CSRF tokens and log out: the requests of the gate's own for a session."""

from __future__ import annotations

from collections.abc import Collection

import attrs
from twisted.logger import Logger

from corsgate.config.model.session import Call, SessionCredentials, parse_call
from corsgate.credentials.means import Means, OwnResponse
from corsgate.credentials.session.cookie_jar import (
    CookieJar,
    cookie_name,
    cookies_replaced,
    set_cookies,
)
from corsgate.credentials.session.messages import (
    SAFE_METHODS,
    basic_field,
    csrf_in,
    csrf_of_cookie,
    expiry_of,
    fetch_problem,
    is_at,
    is_rejection,
    login_head,
    login_problem,
    own_head,
    token_in,
    with_query,
)
from corsgate.errors import LoginFailed, UpstreamError
from corsgate.message.head import RequestHead, ResponseHead

MAX_NAMES = 100
"""The number of cookie names that the gate keeps for itself: the latest, as in the jar."""

_log = Logger()


@attrs.define(eq=False, kw_only=True)
class Session:
    """One session at one server.

    Attributes:
        server: The origin of the server that it was made for.
        made_s: When it was made, in the clock's seconds.
        used_s: When it was last used.
        jar: Its cookies.
        token: The token of the login's response; None for cookies.
        csrf: The last CSRF token that a response had.
        csrf_is_stale: Whether the server has rejected the CSRF token.
        needs_cookies: Whether it is over without cookies.
    """

    server: str
    made_s: float
    used_s: float
    jar: CookieJar = attrs.field(factory=CookieJar, repr=False)
    token: bytes | None = attrs.field(default=None, repr=False)
    csrf: bytes | None = attrs.field(default=None, repr=False)
    csrf_is_stale: bool = False
    needs_cookies: bool = False


class LoginRejected(LoginFailed):
    """The server rejected the login, probably for its credentials."""


class Login:
    """Makes sessions, and signs with them.

    Args:
        credentials: How to log in.
        means: What it may use of the outside world.

    Attributes:
        is_any: Whether a session begins with a request of the gate's own.
        path: The path of that request, for messages; empty if there is none.
        has_expired: Says whether a response's head means that its session has ended.
    """

    def __init__(self, credentials: SessionCredentials, means: Means) -> None:
        self._credentials = credentials
        self._means = means
        csrf = credentials.csrf
        self._fetch = parse_call(csrf.fetch) if csrf is not None and csrf.fetch else None
        # Without a login, the session begins with the response that has the CSRF token.
        self._at = parse_call(credentials.login_url) if credentials.login_url else self._fetch
        self.is_any = self._at is not None
        self.path = "" if self._at is None else self._at.path
        self.has_expired = expiry_of(credentials)

    async def log_in(self, server: str, names: dict[bytes, None]) -> Session:
        """Return a new session.

        Args:
            server: The origin of the server that it is for.
            names: The names of the gate's cookies, the latest last, to which those of the session
                are added.

        Raises:
            LoginFailed: The server did not accept the login.
            UpstreamError: It did not respond, or the guard lets no login through.
        """
        now_s = self._means.seconds()
        session = Session(server=server, made_s=now_s, used_s=now_s)
        if self._at is None:
            return session
        place = self._means.guard.admit_login(self._at.origin or server)
        try:
            await self._begin(server, session, names)
            place.accepted()
        except LoginRejected:
            place.rejected()
            raise
        except UpstreamError:
            place.unjudged()
            raise
        finally:
            place.end()
        return session

    async def fetch_csrf(
        self, server: str, session: Session, names: dict[bytes, None]
    ) -> ResponseHead:
        """Fetch a CSRF token for a session, and return the head of the response.

        Args:
            server: The origin of the server that the session is used at.
            session: The session. It has no CSRF token if the response has none.
            names: As for `log_in`.

        Raises:
            UpstreamError: The server did not respond.
        """
        csrf, call = self._credentials.csrf, self._fetch
        assert csrf is not None, "there is a CSRF token"
        assert call is not None, "there is a place to fetch it from"
        session.csrf = None
        head = self.signed(own_head(call, "GET"), session, names, with_csrf=False)
        head.headers.append((csrf.header.encode("ascii"), b"Fetch"))
        response = await self._ask(call, server, head)
        session.csrf_is_stale = False
        self._take(session, response, names)
        if csrf.token_path:
            session.csrf = token_in(response.body, csrf.token_path)
        return response.head

    async def log_out(self, session: Session) -> None:
        """End a session at its server; what goes wrong is logged.

        Args:
            session: The session.
        """
        call = parse_call(self._credentials.logout_url)
        at = call.origin or session.server
        head = self.signed(own_head(call, "POST"), session, (), with_csrf=True)
        problem = ""
        try:
            response = await self._means.ask(at, head, b"")
            if response.head.status >= 400:
                problem = f"the server responded {response.head.status}"
        except UpstreamError as error:
            problem = str(error)
        if problem:
            _log.warn(
                "server {server}: the gate could not log out at {path}: {problem}",
                server=at,
                path=call.path,
                problem=problem,
            )

    def learn_csrf(self, session: Session, head: ResponseHead) -> None:
        """Take in the CSRF token of a response, if it has one.

        Args:
            session: The session that the response belongs to.
            head: The response's head.
        """
        csrf = self._credentials.csrf
        token = None if csrf is None or csrf.cookie else csrf_in(head, csrf.header)
        if token is not None:
            session.csrf, session.csrf_is_stale = token, False

    def is_login(self, head: RequestHead) -> bool:
        """Return whether a client's request may log in by itself, perhaps as somebody else.

        Then the cookies of its response are not those of the gate's session.

        Args:
            head: The request's head; its target is the one that goes on the wire.
        """
        if head.method in SAFE_METHODS or not self._credentials.login_url:
            return False
        path = head.target.partition(b"?")[0].decode("ascii", "replace")
        return path == self.path or (self.path != "/" and is_at(path, self.path))

    def csrf_of(self, session: Session) -> bytes | None:
        """Return the CSRF token of a session; None if there is none that the server accepts."""
        csrf = self._credentials.csrf
        if csrf is None or session.csrf_is_stale:
            return None
        if not csrf.cookie:
            return session.csrf
        value = session.jar.value(csrf.cookie.encode("ascii"), self._means.wall_clock())
        return None if value is None else csrf_of_cookie(value)

    def signed(
        self, head: RequestHead, session: Session, names: Collection[bytes], *, with_csrf: bool
    ) -> RequestHead:
        """Return a head with all that a session adds to it.

        Args:
            head: The head; its target is the one that goes on the wire.
            session: The session.
            names: The names of the cookies that are not the client's to send.
            with_csrf: Whether the CSRF token is added.
        """
        credentials, target = self._credentials, head.target
        pairs = session.jar.pairs(target, self._means.wall_clock())
        headers = cookies_replaced(head.headers, names, pairs)
        name, template = credentials.token_header
        if session.token is not None and name:
            value = template.encode("ascii").replace(b"{token}", session.token)
            headers.append((name.encode("ascii"), value))
        elif session.token is not None:
            target = with_query(target, credentials.query, session.token)
        if credentials.basic and not credentials.login_url:
            headers.append(basic_field(credentials))
        token = self.csrf_of(session) if with_csrf else None
        if token is not None and credentials.csrf is not None:
            headers.append((credentials.csrf.header.encode("ascii"), token))
        return RequestHead(head.method, target, headers)

    async def _begin(self, server: str, session: Session, names: dict[bytes, None]) -> None:
        """Make a session one that the server knows."""
        credentials, call, csrf = self._credentials, self._at, self._credentials.csrf
        assert call is not None, "there is a login"
        if not credentials.login_url:
            status = (await self.fetch_csrf(server, session, names)).status
            problem = fetch_problem(status, has_token=self.csrf_of(session) is not None)
        else:
            if self._fetch is not None and csrf is not None and csrf.cookie:
                # Its token goes with the login, for a form that is protected too.
                await self.fetch_csrf(server, session, names)
            head, body = login_head(credentials, call)
            head = self.signed(head, session, names, with_csrf=True)
            response = await self._ask(call, server, head, body)
            self._take(session, response, names)
            status = response.head.status
            session.needs_cookies = not credentials.token_path
            if credentials.token_path:
                session.token = token_in(response.body, credentials.token_path)
            problem = login_problem(credentials, response.head, session.token)
        if problem:
            failed = LoginRejected if is_rejection(status) else LoginFailed
            at = call.origin or server
            raise failed(f"{at}: the gate could not log in at {call.path}: {problem}")

    async def _ask(
        self, call: Call, server: str, head: RequestHead, body: bytes = b""
    ) -> OwnResponse:
        """Return the response to a request of the gate's own."""
        at = call.origin or server
        try:
            return await self._means.ask(at, head, body)
        except UpstreamError as error:
            if at == server:
                raise
            # The server of the client's request is not at fault.
            raise LoginFailed(f"{at}: the gate could not log in at {call.path}: {error}") from None

    def _take(self, session: Session, response: OwnResponse, names: dict[bytes, None]) -> None:
        """Take in the cookies and the CSRF token of a response to the gate itself."""
        session.jar.store(response.head, response.target, self._means.wall_clock())
        for value in set_cookies(response.head):
            names.pop(name := cookie_name(value), None)
            if len(names) >= MAX_NAMES:
                # Some boxes use a new name after each restart.
                del names[next(iter(names))]
            names[name] = None
        self.learn_csrf(session, response.head)
