"""Tests of `corsgate.interfaces`: what provides an interface keeps its promises."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from corsgate.config.model.oauth2 import OAuth2Credentials
from corsgate.config.model.session import Csrf
from corsgate.config.model.values import (
    AutoCredentials,
    AwsCredentials,
    BasicCredentials,
    BearerCredentials,
    Credentials,
    DigestCredentials,
    HeaderCredentials,
    NtlmCredentials,
    QueryCredentials,
    Secret,
    SessionCredentials,
    SeveralCredentials,
)
from corsgate.credentials.build import build
from corsgate.interfaces import IAttempt, ICredentials
from corsgate.message.head import RequestHead, ResponseHead
from tests.credentials.helpers import means

SERVER = "http://10.0.0.11:8000"
SECRET = Secret("s3cret")
OAUTH2 = OAuth2Credentials(
    grant="client_credentials",
    token_url="https://login.example/token",
    client_id="gate",
    auth_method="basic",
    client_secret=SECRET,
)
KINDS: tuple[Credentials, ...] = (
    BasicCredentials(username="a", password=SECRET),
    BearerCredentials(token=SECRET),
    HeaderCredentials(name="X-Api-Key", value=SECRET),
    QueryCredentials(name="api_key", value=SECRET),
    AwsCredentials(region="r", service="s3", access_key=SECRET, secret_key=SECRET),
    SeveralCredentials(
        parts=(HeaderCredentials(name="X-Api-Key", value=SECRET), BearerCredentials(token=SECRET))
    ),
    SeveralCredentials(
        parts=(
            AwsCredentials(region="r", service="s3", access_key=SECRET, secret_key=SECRET),
            QueryCredentials(name="api_key", value=SECRET),
        )
    ),
    DigestCredentials(username="a", password=SECRET),
    OAUTH2,
    SessionCredentials(csrf=Csrf(header="X-T", status=409), shared=True),
    SessionCredentials(login_url="/login", form=(("pass", SECRET),)),
    NtlmCredentials(username="a", password=SECRET),
    AutoCredentials(username="a", password=SECRET),
)


def signers() -> list[ICredentials]:
    """Return a new signer of each kind."""
    found = [build(credentials, means()) for credentials in KINDS]
    return [signer for signer in found if signer is not None]


def request() -> RequestHead:
    """Return a client's request, with a credential of its own."""
    return RequestHead(
        method=b"GET", target=b"/v1", headers=[(b"Host", b"a"), (b"Authorization", b"Basic eDp5")]
    )


class CredentialsTests(SynchronousTestCase):
    """`ICredentials`, which every kind of credentials provides."""

    def test_provided(self) -> None:
        """Each kind has all methods and attributes, with the right signatures."""
        self.assertEqual(len(signers()), len(KINDS))
        for signer in signers():
            verifyObject(ICredentials, signer)
            verifyObject(IAttempt, signer.begin(SERVER))

    def test_own_names_are_lower_cased(self) -> None:
        """A client's fields are compared with them so."""
        for signer in signers():
            self.assertNotEqual(signer.header_names, frozenset())
            self.assertEqual(signer.header_names, {name.lower() for name in signer.header_names})

    def test_fixed_fields_are_what_signing_adds(self) -> None:
        """Where there are fixed fields, nobody may need to call either method."""
        fixed = [signer for signer in signers() if signer.fixed is not None]
        self.assertEqual(len(fixed), 4)
        for signer in fixed:
            assert signer.fixed is not None
            self.assertLessEqual({name.lower() for name, _ in signer.fixed}, signer.header_names)
            self.assertFalse(signer.may_be_challenged)
            attempt = signer.begin(SERVER)
            signing = attempt.sign(RequestHead(method=b"GET", target=b"/", headers=[]), b"")
            sent = self.successResultOf(Deferred.fromCoroutine(signing))
            self.assertEqual(tuple(sent.head.headers), tuple(signer.fixed))
            refused = ResponseHead(status=401, reason=b"", headers=[])
            self.assertFalse(attempt.responded(sent, refused))

    def test_one_that_learns_has_no_fixed_fields(self) -> None:
        """A body must be kept for a second try, with another token or nonce, or to be signed."""
        learning = [signer for signer in signers() if signer.may_be_challenged]
        self.assertGreater(len(learning), 3)
        self.assertEqual({signer.fixed for signer in learning}, {None})
