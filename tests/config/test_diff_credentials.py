"""How a change of ``credentials_by_origin`` is described."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.diff_credentials import by_origin_changes, pair_changes
from corsgate.config.model.login_json import JsonObject
from corsgate.config.model.values import (
    BearerCredentials,
    Credentials,
    OriginCredentials,
    Secret,
    Server,
    Upstream,
)

TOKEN, OTHER = (BearerCredentials(token=Secret(text)) for text in ("hunter2", "hunter3"))


def upstream(**named: Credentials) -> Upstream:
    """Return an upstream with credentials for some origins, by the names of their hosts."""
    return Upstream(
        name="a",
        servers=(Server(scheme="http", host="h", port=1),),
        credentials_by_origin=tuple(
            OriginCredentials(origin=f"http://{host}", credentials=each)
            for host, each in named.items()
        ),
    )


class ChangesTests(SynchronousTestCase):
    """`by_origin_changes`."""

    def test_each(self) -> None:
        """An origin gains, loses or changes its credentials; no secret is shown."""
        document = {"upstreams": {"a": {"credentials_by_origin": {"http://x": "dev"}}}}
        for old, new, expected in (
            (upstream(), upstream(), []),
            (upstream(x=TOKEN), upstream(x=TOKEN), []),
            (
                upstream(),
                upstream(x=TOKEN),
                [(True, "requests from http://x get the credentials dev (bearer)")],
            ),
            (
                upstream(y=TOKEN),
                upstream(),
                [(False, "requests from http://y no longer get the credentials bearer")],
            ),
            (
                upstream(x=TOKEN),
                upstream(x=OTHER),
                [(None, "the credentials for requests from http://x: changed")],
            ),
        ):
            self.assertEqual(list(by_origin_changes(old, new, document, document)), expected)

    def test_fields_of_a_login(self) -> None:
        """Each field of a login is named once; its value is not shown."""
        old = (("user", Secret("gate")), ("pass", Secret("hunter2")), ("stay", True))
        new = (("user", Secret("gate")), ("pass", Secret("hunter3")), ("ttl", 60))
        self.assertEqual(list(pair_changes("form", old, old)), [])
        self.assertEqual(
            list(pair_changes("form", old, new)),
            ["form no longer has stay", "form has ttl", "form.pass changed"],
        )

    def test_json_of_a_login(self) -> None:
        """Values at any depth are named by their place, also if only their type changed."""
        old = (("params", (Secret("hunter2"), JsonObject((("a.b", True), ("c", 1))))),)
        new = (("params", (Secret("hunter3"), JsonObject((("a.b", 1),)), ())),)
        self.assertEqual(list(pair_changes("json", old, old)), [])
        self.assertEqual(
            list(pair_changes("json", old, new)),
            [
                "json no longer has params[1].c",
                "json has params[2]",
                "json.params[0] changed",
                'json.params[1]."a.b" changed',
            ],
        )
