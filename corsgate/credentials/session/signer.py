"""Log in to a server, and sign requests with its session: cookies, a token, a CSRF token."""

from __future__ import annotations

from functools import partial
from math import ceil

import attrs
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from corsgate.config.model.session import SessionCredentials
from corsgate.credentials.back_off import BackOff
from corsgate.credentials.logins import LoginFailure
from corsgate.credentials.means import Means
from corsgate.credentials.refusal import REFUSED
from corsgate.credentials.session.login import Login, LoginRejected, Session
from corsgate.credentials.session.messages import (
    SAFE_METHODS,
    asks_for_csrf,
    json_code,
    readable,
    without_session,
)
from corsgate.credentials.single_flight import SingleFlight
from corsgate.errors import (
    ConnectFailed,
    CredentialsRejected,
    LoginFailed,
    UpstreamBusy,
    UpstreamError,
)
from corsgate.interfaces import IAttempt, ICredentials, ILogin, ILogOut
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.signed import Signed

MAX_SERVERS = 1000
"""How many servers' sessions are kept at most, since discovery may keep adding servers."""

IDLE_S = 300.0
"""After this many seconds without use a session has probably expired."""

FREE_FAILURES = 3
"""How many logins in a row may fail, other than by a rejection, before there is a pause."""

SLOW_S = 1.0
"""A failure that took longer immediately causes a pause of the same length."""

_log = Logger()


@attrs.define(eq=False)
class _Place:
    """The state of one server, or of all servers that share a session.

    Attributes:
        session: The current session; None before a login.
        names: The names of the gate's cookies, the latest last; kept when a session ends.
        down: Counts logins that failed without a rejection; the guard counts rejections.
        login_pause: Counts logins after which the server still refused a request.
        csrf_pause: Counts CSRF tokens that did not help.
        failure: Why there is no working session; None if there is one.
        logins: Logs in, one at a time.
        fetches: Fetches a CSRF token, one at a time.
    """

    session: Session | None = None
    names: dict[bytes, None] = attrs.field(factory=dict, repr=False)
    down: BackOff = attrs.Factory(lambda: BackOff(first_s=1.0, most_s=60.0, free=FREE_FAILURES))
    login_pause: BackOff = attrs.Factory(lambda: BackOff(first_s=5.0, most_s=300.0))
    csrf_pause: BackOff = attrs.Factory(lambda: BackOff(first_s=5.0, most_s=300.0))
    failure: LoginFailure | None = None
    logins: SingleFlight[Session] = attrs.Factory(SingleFlight)
    fetches: SingleFlight[ResponseHead] = attrs.Factory(SingleFlight)


@implementer(ICredentials, ILogin, ILogOut)
class SessionSigner:
    """Signs the requests of one upstream, with a session for each server or a shared one.

    One request logs in, and the others wait for it. A session is dropped when a response shows that
    it has expired. Each request logs in again at most once, and not if another has meanwhile done
    so. A new session may not help, such as for a user without the right to a resource. Then
    refusals cause no login for a time that doubles from 5 s to 5 min.

    Args:
        credentials: How to log in, and how the session is sent.
        means: Time, randomness and I/O.

    Attributes:
        header_names: The fields that it sets, except Cookie, because the client's cookies with
            other names are also sent.
        fixed: None.
        may_be_challenged: True.
    """

    def __init__(self, credentials: SessionCredentials, means: Means) -> None:
        names = {name.encode("ascii").lower() for name in credentials.field_names}
        self.header_names = frozenset({b"authorization", *names})
        self.fixed: None = None
        self.may_be_challenged = True
        self.credentials = credentials
        self.means = means
        self.login = Login(credentials, means)
        self._places: dict[str, _Place] = {}
        self._under_way = 0
        # Fires when it has logged out; None until that is requested.
        self._left: Deferred[None] | None = None
        self._leaving: Deferred[None] | None = None

    def begin(self, server: str) -> _Attempt:
        """Return an attempt at one server.

        Args:
            server: The server's origin.
        """
        self._under_way += 1
        return _Attempt(self, self._place(server), server)

    async def session(self, place: _Place, server: str) -> Session:
        """Return the current session, or log in.

        Args:
            place: The state of the server.
            server: The server's origin.

        Raises:
            UpstreamError: The login failed, or is not tried now.
        """
        session = place.session
        if session is not None and not self._is_over(session):
            return session
        return await place.logins.join(partial(self._log_in, place, server))

    def give_up(self, place: _Place, session: Session) -> bool:
        """Drop a session that the server refused; return whether to sign again.

        Args:
            place: The state of the server.
            session: The session that signed the request.
        """
        if place.session is session:
            if not self.login.is_any or place.login_pause.left_s(self.means.seconds()):
                return False
            place.session = None
        # Otherwise there is a newer session, or a login that will make one.
        return True

    def useless(self, place: _Place, server: str, status: int) -> None:
        """Record that a server refused a request with a new session.

        Args:
            place: The state of the server.
            server: The server's origin.
            status: The status of its response.
        """
        counts = place.login_pause.failed_together(self.means.seconds())
        if not counts or not self.login.is_any or status in REFUSED:
            return  # A 401 or 403 is logged and shown elsewhere.
        words = (
            f"{server}: it responded {status} to a request with a new session: the user name or the"
            " password may be wrong, or the user may lack the right to that resource"
        )
        self._note(place, words)
        pause = ceil(place.login_pause.left_s(self.means.seconds()))
        _log.warn("{words}; the next login follows in {pause} s", words=words, pause=pause)

    def log_out(self) -> Deferred[None]:
        """Log out of all sessions, once no request needs them.

        Returns:
            A Deferred that fires when this is done. It has no time limit, but can be cancelled.
        """
        if self._left is None:
            self._left = Deferred(self._stay)
            self._leave()
        return self._left

    def ended(self) -> None:
        """Count the end of an attempt; log out after the last one if requested."""
        self._under_way -= 1
        self._leave()

    def _leave(self) -> None:
        if self._left is None or self._under_way or self._leaving is not None:
            return
        # This also runs again if a late request has made another session.
        self._leaving = Deferred.fromCoroutine(self._log_out())
        self._leaving.addErrback(_logged).addCallback(self._has_left)

    def _has_left(self, _: None) -> None:
        self._leaving = None
        if self._left is not None and not self._left.called:
            self._left.callback(None)

    def _stay(self, _: Deferred[None]) -> None:
        if self._leaving is not None:
            self._leaving.cancel()

    def _place(self, server: str) -> _Place:
        key = "" if self.credentials.shared else server
        found = self._places.get(key)
        if found is None:
            if len(self._places) >= MAX_SERVERS:
                del self._places[next(iter(self._places))]
            found = self._places[key] = _Place()
        return found

    def _is_over(self, session: Session) -> bool:
        """Return whether a session is certainly over: it is too old, or all its cookies expired."""
        lifetime_s = self.credentials.lifetime_s
        if lifetime_s is not None and self.means.seconds() - session.made_s >= lifetime_s:
            return True
        return session.needs_cookies and session.jar.is_empty(self.means.wall_clock())

    @property
    def login_failure(self) -> LoginFailure | None:
        """Why a server has no working session; None if all have one."""
        return next((p.failure for p in self._places.values() if p.failure is not None), None)

    async def _log_in(self, place: _Place, server: str) -> Session:
        began_s = self.means.seconds()
        pause_s = place.down.left_s(began_s)
        if pause_s and place.failure is not None:
            raise LoginFailed(f"{place.failure.words} (next attempt in {pause_s:.0f} s)")
        try:
            place.session = await self.login.log_in(server, place.names)
        except UpstreamError as error:
            if not isinstance(error, CredentialsRejected | UpstreamBusy):
                self._note(place, str(error))
                if not isinstance(error, ConnectFailed | LoginRejected):
                    # Don't let each client wait for as long again if a login hangs.
                    now_s = self.means.seconds()
                    took_s = now_s - began_s
                    place.down.failed(now_s, took_s if took_s >= SLOW_S else 0.0)
            raise
        place.down.succeeded()
        place.failure = None
        return place.session

    def _note(self, place: _Place, words: str) -> None:
        place.failure = LoginFailure.after(place.failure, self.means.wall_clock(), words)

    async def _log_out(self) -> None:
        leaving = []
        for place in self._places.values():
            place.logins.cancel()
            session, place.session = place.session, None
            if session is not None and self.credentials.logout_url:
                leaving.append(Deferred.fromCoroutine(self.login.log_out(session)))
        await gatherResults(leaving, consumeErrors=True)


def _logged(failure: Failure) -> None:
    if not failure.check(CancelledError):
        _log.failure("a logout failed", failure)


@implementer(IAttempt)
class _Attempt:
    """One request: signed with a session, and again with a new one if it has expired."""

    def __init__(self, signer: SessionSigner, place: _Place, server: str) -> None:
        self._signer = signer
        self._login = signer.login
        self._csrf_rules = signer.credentials.csrf
        self._place = place
        self._server = server
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
        signer, place, login = self._signer, self._place, self._login
        before, now_s = place.session, signer.means.seconds()
        session = await signer.session(place, self._server)
        self._has_logged_in = self._has_logged_in or session is not before
        wants_csrf = self._wants_csrf(head.method)
        if wants_csrf and login.csrf_of(session) is None and self._can_fetch:
            fetch = partial(login.fetch_csrf, self._server, session, place.names)
            await place.fetches.join(fetch)
        is_idle = now_s - session.used_s >= IDLE_S
        session.used_s = now_s
        self._session, self._target, self._csrf = session, head.target, login.csrf_of(session)
        credentials = signer.credentials
        looks = bool(credentials.expired.json_path) and not login.is_login(head)
        return Signed(
            head=login.signed(
                readable(head) if looks else head, session, place.names, with_csrf=wants_csrf
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
        """
        session, signer = self._session, self._signer
        assert session is not None, "a request is signed before it is sent"
        self._status = response.status
        if self._login.is_login(signed.head):
            # The client's own login: its cookies or rejection don't belong to the session.
            return False
        session.jar.store(response, self._target, signer.means.wall_clock(), only=self._place.names)
        self._login.learn_csrf(session, response)
        if self._lacks_csrf(session, signed.head.method, response):
            return True
        if self._login.has_expired(response):
            return self._refused(session, response.status)
        if response.status < 400:
            place = self._place
            # Only after a refusal: otherwise the page may be public, and proves nothing.
            if self._was_refused:
                place.login_pause.succeeded()
            if self._has_fetched:
                place.csrf_pause.succeeded()
            if place.failure is not None and not place.login_pause.left_s(signer.means.seconds()):
                place.failure = None
        return False

    def client_head(self, response: ResponseHead) -> ResponseHead:
        """Return the head without the session's cookies and tokens.

        Args:
            response: The head as the server sent it.
        """
        token = None if self._session is None else self._session.token
        csrf = self._csrf_rules.header if self._csrf_rules else ""
        return without_session(response, self._place.names, csrf, token)

    def end(self) -> None:
        """Let the signer log out, if it waits for this attempt."""
        self._signer.ended()

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
        now_s, pause = self._signer.means.seconds(), self._place.csrf_pause
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
        place = self._place
        if self._has_logged_in:
            self._signer.useless(place, self._server, status)
            return False
        self._has_logged_in = self._was_refused = self._signer.give_up(place, session)
        return self._has_logged_in

    def _look(self, body: bytes) -> bool:
        """Return whether an error in a JSON body means that the session has expired."""
        expired, session = self._signer.credentials.expired, self._session
        code = json_code(body, expired.json_path)
        if session is None or code not in expired.json_values:
            return False
        return self._refused(session, self._status)
