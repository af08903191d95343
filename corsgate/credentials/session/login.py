"""Log in, fetch CSRF tokens and log out: the gate's own requests for a session."""

from __future__ import annotations

from collections.abc import Collection

import attrs
from twisted.logger import Logger

from corsgate.config.model.session import Call, SessionCredentials, parse_call
from corsgate.credentials.means import Means, OwnResponse
from corsgate.credentials.session.cookie_jar import (
    CookieJar,
    cookie_name,
    set_cookies,
)
from corsgate.credentials.session.login_urls import is_for, leads_back, leads_to, login_pages
from corsgate.credentials.session.messages import (
    SAFE_METHODS,
    basic_field,
    csrf_in,
    csrf_of_cookie,
    fetch_problem,
    has_json_error,
    is_rejection,
    login_head,
    login_problem,
    own_head,
    token_in,
    with_query,
)
from corsgate.errors import LoginFailed, UpstreamError
from corsgate.message.cookies import cookies_replaced
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.headers import as_cgi_reads
from corsgate.message.identity import METHOD_OVERRIDES

MAX_NAMES = 100
"""How many cookie names are reserved for the gate at most; the oldest are dropped."""

_log = Logger()


@attrs.define(eq=False, kw_only=True)
class Session:
    """One session at one server.

    Attributes:
        server: The origin of the server for which it was made.
        base: The path of that server's URL, which came before that of the login.
        made_s: When it was made, in the clock's seconds.
        used_s: When it was last used.
        jar: Its cookies.
        token: The token from the login's response; None if the session uses cookies.
        csrf: The last CSRF token in a response.
        csrf_is_stale: Whether the server has rejected the CSRF token.
        needs_cookies: Whether it ends when no valid cookie is left.
    """

    server: str
    made_s: float
    used_s: float
    base: bytes = b""
    jar: CookieJar = attrs.field(factory=CookieJar, repr=False)
    token: bytes | None = attrs.field(default=None, repr=False)
    csrf: bytes | None = attrs.field(default=None, repr=False)
    csrf_is_stale: bool = False
    needs_cookies: bool = False


class LoginRejected(LoginFailed):
    """The server rejected the login, probably because of its credentials."""


class Login:
    """Makes sessions, and signs requests with them.

    Args:
        credentials: How to log in.
        means: Time, randomness and I/O.

    Attributes:
        credentials: As above.
        is_any: Whether a session starts with one of the gate's own requests.
    """

    def __init__(self, credentials: SessionCredentials, means: Means) -> None:
        self.credentials = credentials
        self._means = means
        csrf = credentials.csrf
        self._fetch = parse_call(csrf.fetch) if csrf is not None and csrf.fetch else None
        # Without a login, the session starts with the response that has the CSRF token.
        own = dict(credentials.calls())
        self._login, self._logout = own.get("login_url"), own.get("logout_url")
        self._at = self._login or self._fetch
        self.is_any = self._at is not None
        self._pages = login_pages(credentials)

    async def log_in(self, server: str, names: dict[bytes, None]) -> Session:
        """Return a new session.

        Args:
            server: The origin of the server.
            names: The names of the gate's cookies, the latest last. Those of the session are added.

        Raises:
            LoginFailed: The server did not accept the login.
            UpstreamError: It did not respond, or the guard admits no login now.
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
            server: The origin of the server where the session is used.
            session: The session. It has no CSRF token afterwards if the response has none.
            names: As for `log_in`.

        Raises:
            UpstreamError: The server did not respond.
        """
        csrf, call = self.credentials.csrf, self._fetch
        assert csrf is not None, "the CSRF token is configured"
        assert call is not None, "a URL to fetch it from is configured"
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
        """Log out of a session at its server; failures are logged.

        Args:
            session: The session.
        """
        call = parse_call(self.credentials.logout_url)
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
        """Store the CSRF token of a response, if it has one.

        Args:
            session: The session of the response.
            head: The response's head.
        """
        csrf = self.credentials.csrf
        token = None if csrf is None or csrf.cookie else csrf_in(head, csrf.header)
        if token is not None:
            session.csrf, session.csrf_is_stale = token, False

    def is_sent_to_login(self, head: RequestHead, response: ResponseHead) -> bool:
        """Return whether a response redirects a request to the login page, so the session is over.

        Args:
            head: The request's head.
            response: The response's head, with any status.
        """
        return leads_to(response, self._pages) and not leads_back(head.target, response)

    def is_of_client(self, head: RequestHead, session: Session) -> bool:
        """Return whether a client's request is its own login or logout.

        Args:
            head: The request's head, with the target as sent.
            session: The gate's session.
        """
        login, logout, base = self._login, self._logout, session.base
        method = head.method.decode("ascii")
        # Some servers read the method from such a field.
        is_any = any(as_cgi_reads(name.lower()) in METHOD_OVERRIDES for name, _ in head.headers)
        calls = []
        if login and (is_any or head.method not in SAFE_METHODS):
            calls.append(login)
        if logout and (is_any or logout.method in ("", method)):
            calls.append(logout)
        return any(is_for(head.target, call, base) for call in calls)

    def csrf_of(self, session: Session) -> bytes | None:
        """Return the CSRF token of a session; None if there is none, or the server rejected it."""
        csrf = self.credentials.csrf
        if csrf is None or session.csrf_is_stale:
            return None
        if not csrf.cookie:
            return session.csrf
        value = session.jar.value(csrf.cookie.encode("ascii"), self._means.wall_clock())
        return None if value is None else csrf_of_cookie(value)

    def unsigned(self, head: RequestHead, names: Collection[bytes]) -> RequestHead:
        """Return a head without cookies of the gate's names, and with nothing of a session.

        Args:
            head: The head, with the target as sent.
            names: The names of cookies that clients must not send.
        """
        return RequestHead(head.method, head.target, cookies_replaced(head.headers, names, ()))

    def signed(
        self, head: RequestHead, session: Session, names: Collection[bytes], *, with_csrf: bool
    ) -> RequestHead:
        """Return a head with the cookies, tokens and fields of a session.

        Args:
            head: The head, with the target as sent.
            session: The session.
            names: The names of cookies that clients must not send.
            with_csrf: Whether to add the CSRF token.
        """
        credentials, target = self.credentials, head.target
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
        """Start a session at the server."""
        credentials, call, csrf = self.credentials, self._at, self.credentials.csrf
        assert call is not None, "a login is configured"
        if not credentials.login_url:
            status = (await self.fetch_csrf(server, session, names)).status
            problem = fetch_problem(status, has_token=self.csrf_of(session) is not None)
        else:
            if self._fetch is not None and csrf is not None and csrf.cookie:
                # Send its token with the login, because the form may also be protected.
                await self.fetch_csrf(server, session, names)
            head, body = login_head(credentials, call)
            head = self.signed(head, session, names, with_csrf=True)
            response = await self._ask(call, server, head, body)
            session.base = response.target.removesuffix(head.target)
            self._take(session, response, names)
            status = response.head.status
            session.needs_cookies = not credentials.token_path
            if credentials.token_path:
                session.token = token_in(response.body, credentials.token_path)
            kept = session.jar.names(self._means.wall_clock())
            problem = login_problem(
                credentials,
                response.head,
                session.token,
                kept,
                has_error=has_json_error(response.body),
            )
        if problem:
            failed = LoginRejected if is_rejection(status) else LoginFailed
            at = call.origin or server
            raise failed(f"{at}: the gate could not log in at {call.path}: {problem}")

    async def _ask(
        self, call: Call, server: str, head: RequestHead, body: bytes = b""
    ) -> OwnResponse:
        """Return the response to one of the gate's own requests."""
        at = call.origin or server
        try:
            return await self._means.ask(at, head, body)
        except UpstreamError as error:
            if at == server:
                raise
            # Don't blame the server of the client's request.
            raise LoginFailed(f"{at}: the gate could not log in at {call.path}: {error}") from None

    def _take(self, session: Session, response: OwnResponse, names: dict[bytes, None]) -> None:
        """Store the cookies and the CSRF token of a response to the gate's own request."""
        session.jar.store(response.head, response.target, self._means.wall_clock())
        for value in set_cookies(response.head):
            names.pop(name := cookie_name(value), None)
            if len(names) >= MAX_NAMES:
                # Some servers use a new name after each restart.
                del names[next(iter(names))]
            names[name] = None
        self.learn_csrf(session, response.head)
