"""Tests of `corsgate.config.model.credentials`: what exists is valid and shows no secret."""

from __future__ import annotations

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.credentials import (
    AwsCredentials,
    BasicCredentials,
    BearerCredentials,
    DigestCredentials,
    HeaderCredentials,
    QueryCredentials,
    SeveralCredentials,
    fields_of,
    parts_of,
)
from corsgate.config.model.secret import Secret
from corsgate.errors import BadValue

KINDS: tuple[Callable[[Secret], object], ...] = (
    lambda secret: BasicCredentials(username="a", password=secret),
    lambda secret: DigestCredentials(username="a", password=secret),
    lambda secret: BearerCredentials(token=secret),
    lambda secret: HeaderCredentials(name="X-Key", value=secret),
    lambda secret: QueryCredentials(name="key", value=secret),
    lambda secret: AwsCredentials(
        region="r", service="s", access_key=secret, secret_key=Secret("a")
    ),
    lambda secret: AwsCredentials(
        region="r", service="s", access_key=Secret("a"), secret_key=secret
    ),
    lambda secret: AwsCredentials(
        region="r",
        service="s",
        access_key=Secret("a"),
        secret_key=Secret("a"),
        session_token=secret,
    ),
    lambda secret: SeveralCredentials(
        parts=(QueryCredentials(name="key", value=secret), BearerCredentials(token=Secret("a")))
    ),
)


class CredentialsTests(SynchronousTestCase):
    """Each kind of credentials."""

    def test_not_shown(self) -> None:
        """No kind shows its secret."""
        for make in KINDS:
            self.assertNotIn("hunter2", repr(make(Secret("hunter2"))))

    def test_sendable(self) -> None:
        """A secret that can't be sent is rejected, without being shown."""
        for make in KINDS:
            for text in ("", "hunter2\n"):
                with self.assertRaises(BadValue) as caught:
                    make(Secret(text))
                self.assertNotIn("hunter2", str(caught.exception))

    def test_aws_names(self) -> None:
        """A region or service is a plain name: it stands between slashes in the scope."""
        for name in ("", "a/b", "a b", "a\n", "-a", "x" * 65):
            for region, service in ((name, "s3"), ("r", name)):
                with self.assertRaises(BadValue):
                    AwsCredentials(
                        region=region,
                        service=service,
                        access_key=Secret("a"),
                        secret_key=Secret("a"),
                    )


class SeveralTests(SynchronousTestCase):
    """`SeveralCredentials`, and what is asked of any credentials."""

    key = HeaderCredentials(name="X_Key", value=Secret("k"))
    query = QueryCredentials(name="key", value=Secret("k"))
    bearer = BearerCredentials(token=Secret("k"))

    def test_fields(self) -> None:
        """The fields of all parts are those of the whole; a parameter has none."""
        several = SeveralCredentials(parts=(self.key, self.query, self.bearer))
        self.assertEqual(fields_of(several), {"x-key", "authorization"})
        self.assertEqual(fields_of(self.query), frozenset())
        self.assertEqual(several.kind, "header and query and bearer")
        self.assertEqual(parts_of(several), (self.key, self.query, self.bearer))
        self.assertEqual((parts_of(None), parts_of(self.key)), ((), (self.key,)))

    def test_incompatible(self) -> None:
        """One request has one Authorization, and each field and parameter once."""
        aws = AwsCredentials(
            region="r", service="s3", access_key=Secret("a"), secret_key=Secret("a")
        )
        date = HeaderCredentials(name="X-Amz-Date", value=Secret("k"))
        same = HeaderCredentials(name="x-key", value=Secret("k"))
        for parts in (
            (),
            (self.key,),
            (self.bearer, self.bearer),
            (self.bearer, aws),
            (aws, date),
            (self.key, same),
            (self.query, self.query),
        ):
            with self.assertRaises(BadValue):
                SeveralCredentials(parts=parts)
