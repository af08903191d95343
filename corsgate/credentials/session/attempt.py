"""One request with a session, which is sent again with a new session if its own has expired."""

from __future__ import annotations

from collections.abc import Callable

from zope.interface import implementer

from corsgate.credentials.session.keeper import SessionKeeper
from corsgate.credentials.session.login import Session
from corsgate.credentials.session.messages import (
    SAFE_METHODS,
    asks_for_csrf,
    json_code,
    readable,
    without_session,
)
from corsgate.errors import SentToLogin
from corsgate.interfaces import IAttempt
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.signed import Signed

IDLE_S = 300.0
"""After this many seconds without use a session has probably expired."""


@implementer(IAttempt)
class SessionAttempt:
    """Signs one request, learns from its responses, and decides whether to sign it again.

    It causes at most one login and one new CSRF token. It does not log in again if another request
    has meanwhile done so.

    Args:
        keeper: Has the session.
        server: The server's origin.
        ended: Called when the attempt ends.
    """

    def __init__(self, keeper: SessionKeeper, server: str, ended: Callable[[], None]) -> None:
        self._keeper = keeper
        self._login = keeper.login
        self._credentials = keeper.login.credentials
        self._csrf_rules = keeper.login.credentials.csrf
        self._server = server
        self._ended = ended
        self._session: Session | None = None
        self._target = b"/"
        self._csrf: bytes | None = None
        self._status = 0
        # Whether this request has already caused a new session, or a new CSRF token.
        self._has_logged_in = self._has_fetched = False
        # Whether it did so because the previous session was refused.
        self._was_refused = False

    async def sign(self, head: RequestHead, body: bytes | None) -> Signed:
        """Return the head with the session; log in first if there is none.

        Args:
            head: The head to send.
            body: Its body, which is not used.
        """
        keeper, login, credentials = self._keeper, self._login, self._credentials
        before, now_s = keeper.current, keeper.means.seconds()
        session = await keeper.session(self._server)
        if login.is_of_client(head, session):
            # With the session, the box might make it the session of the client's user, or end it.
            bare = login.unsigned(head, keeper.names)
            return Signed(head=bare, has_credentials=False, sends_secret=False, is_fresh=False)
        self._has_logged_in = self._has_logged_in or session is not before
        wants_csrf = self._wants_csrf(head.method)
        if wants_csrf and login.csrf_of(session) is None and self._can_fetch:
            await keeper.fetch_csrf(self._server, session)
        is_idle = now_s - session.used_s >= IDLE_S
        session.used_s = now_s
        self._session, self._target, self._csrf = session, head.target, login.csrf_of(session)
        looks = bool(credentials.expired.json_path)
        return Signed(
            head=login.signed(
                readable(head) if looks else head, session, keeper.names, with_csrf=wants_csrf
            ),
            # Without a login, each request carries Basic credentials.
            sends_secret=credentials.basic and not credentials.login_url,
            is_fresh=credentials.basic and not credentials.login_url,
            awaits_continue=is_idle or (wants_csrf and self._csrf is None),
            look=self._look if looks else None,
        )

    def responded(self, signed: Signed, response: ResponseHead) -> bool:
        """Learn the session's state from a response; return whether to sign again.

        Args:
            signed: The request that was sent.
            response: The response, with any status.

        Raises:
            SentToLogin: It redirects to the login page, and another login would not help.
        """
        session, keeper = self._session, self._keeper
        if session is None:
            # The client's own login or logout.
            return False
        self._status = response.status
        session.jar.store(response, self._target, keeper.means.wall_clock(), only=keeper.names)
        self._login.learn_csrf(session, response)
        if self._lacks_csrf(session, signed.head.method, response):
            return True
        if response.status in self._credentials.expired.status:
            return self._refused(session, response.status)
        if self._login.is_sent_to_login(signed.head, response):
            if self._refused(session, response.status):
                return True
            if self._login.is_any:
                # A page would take the login page for the resource that it asked for.
                raise SentToLogin(
                    f"{self._server}: it redirects a request with the gate's session to the login"
                    " page: the user name or the password may be wrong, or the user may lack the"
                    " right to that resource"
                )
        elif response.status < 400:
            if self._has_fetched:
                keeper.csrf_pause.succeeded()
            keeper.worked(after_refusal=self._was_refused)
        return False

    def client_head(self, response: ResponseHead) -> ResponseHead:
        """Return the head without the session's cookies and tokens.

        Args:
            response: The head as the server sent it.
        """
        token = None if self._session is None else self._session.token
        csrf = self._csrf_rules.header if self._csrf_rules else ""
        return without_session(response, self._keeper.names, csrf, token)

    def end(self) -> None:
        """Let the signer log out, if it waits for this attempt."""
        self._ended()

    @property
    def _can_fetch(self) -> bool:
        return self._csrf_rules is not None and bool(self._csrf_rules.fetch)

    def _wants_csrf(self, method: bytes) -> bool:
        rules = self._csrf_rules
        return rules is not None and (rules.always or method not in SAFE_METHODS)

    def _lacks_csrf(self, session: Session, method: bytes, response: ResponseHead) -> bool:
        """Return whether the request was rejected for its CSRF token and another may help."""
        rules = self._csrf_rules
        if rules is None or not self._wants_csrf(method):
            return False
        if response.status != rules.status and not asks_for_csrf(response, rules.header):
            return False
        now_s, pause = self._keeper.means.seconds(), self._keeper.csrf_pause
        if self._has_fetched:
            pause.failed_together(now_s)
            return False
        current = self._login.csrf_of(session)
        if current != self._csrf:
            # This response or another request has brought a new token, or will bring one.
            self._has_fetched = True
            return current is not None or self._can_fetch
        if not self._can_fetch or pause.left_s(now_s):
            return False
        session.csrf_is_stale = self._has_fetched = True
        return True

    def _refused(self, session: Session, status: int) -> bool:
        """Return whether to sign a request again after its session was refused."""
        if self._has_logged_in:
            self._keeper.useless(self._server, status)
            return False
        self._has_logged_in = self._was_refused = self._keeper.give_up(session)
        return self._has_logged_in

    def _look(self, body: bytes) -> bool:
        """Return whether an error in a JSON body means that the session has expired."""
        expired, session = self._credentials.expired, self._session
        code = json_code(body, expired.json_path)
        if session is None or code not in expired.json_values:
            return False
        return self._refused(session, self._status)
