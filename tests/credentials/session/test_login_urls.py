"""Tests of `corsgate.credentials.session.login_urls`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.secret import Secret
from corsgate.config.model.session import Expired, SessionCredentials
from corsgate.credentials.session.login_urls import leads_to, login_pages
from tests.credentials.helpers import response

FORM = (("user", Secret("u")),)


class ExpiryTests(SynchronousTestCase):
    """What tells that a session has ended."""

    def test_default(self) -> None:
        """A redirect to the login page, wherever the server has it."""
        pages = login_pages(SessionCredentials(login_url="/login", form=FORM))
        for location in (b"/login", b"/login/", b"/login?next=/", b"http://x:1/app/login;j=1"):
            self.assertTrue(leads_to(response(302, (b"Location", location)), pages), location)
        for location in (b"/", b"/xlogin", b"/login/help", b"/?to=/login", b"//login/"):
            self.assertFalse(leads_to(response(302, (b"Location", location)), pages), location)
        for head in (response(401), response(200, (b"Location", b"/login")), response(302)):
            self.assertFalse(leads_to(head, pages))

    def test_configured(self) -> None:
        """Another page counts too; a login at the root makes no redirect to it suspect."""
        credentials = SessionCredentials(
            login_url="/", form=FORM, expired=Expired(location="/sign-in")
        )
        pages = login_pages(credentials)
        self.assertTrue(leads_to(response(303, (b"Location", b"/sign-in?x")), pages))
        self.assertFalse(leads_to(response(303, (b"Location", b"/")), pages))
