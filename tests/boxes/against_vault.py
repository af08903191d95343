"""A stand-in for Vault, with its method LIST and its token in a field of its own."""

from __future__ import annotations

import json

from tests.boxes.case import BoxTestCase, from_json
from tests.boxes.stand_in import Asked, Reply, StandIn

TOKEN = {"X-Vault-Token": "token-of-user"}


def vault(asked: Asked) -> Reply:
    """Answer as Vault does."""
    if asked.headers.get("x-vault-token") != TOKEN["X-Vault-Token"]:
        return Reply(status=403, pieces=(b'{"errors": ["permission denied"]}',))
    if asked.method == "LIST":
        return Reply(pieces=(json.dumps({"data": {"keys": ["a", "b/"]}}).encode(),))
    if asked.target == "/v1/secret/data/none":
        return Reply(status=404, pieces=(b'{"errors": []}',))
    return Reply(pieces=(b'{"data": {"data": {"k": "v"}}}',))


class Approle:
    """A stand-in that issues tokens by AppRole, each of which can be made invalid."""

    def __init__(self) -> None:
        """Start without a token."""
        self.tokens: list[str] = []
        self.revoked: list[str] = []

    def respond(self, asked: Asked) -> Reply:
        """Respond as Vault does."""
        if asked.target == "/v1/auth/approle/login":
            if json.loads(asked.body) != {"role_id": "role", "secret_id": "secret"}:
                return Reply(status=400, pieces=(b'{"errors": ["invalid secret id"]}',))
            self.tokens.append(f"hvs.{len(self.tokens)}")
            auth = {"client_token": self.tokens[-1], "lease_duration": 1200}
            return Reply(pieces=(json.dumps({"auth": auth}).encode(),))
        token = asked.headers.get("x-vault-token", "")
        if token not in self.tokens or token in self.revoked:
            return Reply(status=403, pieces=(b'{"errors": ["permission denied"]}',))
        if asked.target == "/v1/auth/token/revoke-self":
            self.revoked.append(token)
            return Reply(status=204)
        return Reply(pieces=(b'{"data": {"data": {"k": "v"}}}',))


class VaultTests(BoxTestCase):
    """A stand-in for Vault."""

    def test_page(self) -> None:
        """A page lists and reads with its user's token; a stranger reaches nothing."""
        box = StandIn(vault)
        self.addCleanup(box.stop)
        self.open("vault", {8200: box.port})
        self.check_preflight("/v1/secret/metadata", "LIST", "X-Vault-Token")
        listed = self.check(self.send("LIST", "/v1/secret/metadata", TOKEN))
        self.assertEqual(from_json(listed)["data"]["keys"], ["a", "b/"])
        self.assertEqual(box.asked[-1].method, "LIST")
        self.check(self.send("GET", "/v1/secret/data/a", TOKEN))
        self.check(self.send("GET", "/v1/secret/data/none", TOKEN), 404)
        self.read("/v1/secret/data/a", 403)
        self.assertEqual(self.send("GET", "/v1/sys/seal-status", TOKEN).status, 404)
        seen = len(box.asked)
        answer = self.send("LIST", "/v1/secret/metadata", TOKEN, origin=self.app.stranger)
        self.assertEqual((answer.status, len(box.asked)), (403, seen))
        fetched = self.run_script(
            self.browser(),
            """
            const options = {method: "LIST", headers: args[1]};
            return (await (await fetch(`${args[0]}/v1/secret/metadata`, options)).json()).data.keys;
            """,
            self.url,
            TOKEN,
        )
        self.assertEqual(fetched, ["a", "b/"])

    def test_approle(self) -> None:
        """The gate logs in once, again when its token has ended, and revokes it at the end."""
        approle = Approle()
        box = StandIn(approle.respond)
        self.addCleanup(box.stop)
        # This runs when the gate has stopped.
        self.addCleanup(lambda: self.assertEqual(approle.revoked, approle.tokens))
        secrets = {"VAULT_ROLE_ID": "role", "VAULT_SECRET_ID": "secret"}
        self.open("vault", {8200: box.port}, secrets, number=1)
        for _ in range(2):
            found = self.check(self.send("GET", "/v1/secret/data/app/db"))
            self.assertEqual(from_json(found)["data"]["data"], {"k": "v"})
        self.assertEqual(len(approle.tokens), 1)
        approle.revoked.append(approle.tokens[0])
        self.check(self.send("GET", "/v1/secret/data/app/db"))
        self.assertEqual(len(approle.tokens), 2)
        self.read("/v1/secret/data/other", 403)
