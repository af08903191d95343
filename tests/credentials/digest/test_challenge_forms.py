"""Every form of a challenge that curl answers is answered, with the right hash."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from corsgate.credentials.auth_fields import parse_challenges
from tests.credentials.digest.challenge_forms import FORMS, SAME, Answer
from tests.credentials.helpers import (
    SERVER,
    SigningTestCase,
    digest_signer,
    expected_response,
    refusal,
    request,
)
from tests.programs import require


def answered(authorization: str | None) -> tuple[Answer | None, dict[str, str]]:
    """Return what an Authorization answers, and all its parameters."""
    if authorization is None:
        return None, {}
    (credentials,) = parse_challenges((authorization.encode("latin-1"),))
    given = credentials.parameters
    fields = {name.decode(): value.decode("latin-1") for name, value in given.items()}
    return (fields["realm"], fields["nonce"], fields.get("qop"), fields.get("algorithm")), fields


class FormTests(SigningTestCase):
    """The gate."""

    def test_enough(self) -> None:
        """The table is no smaller than it was meant to be."""
        self.assertGreaterEqual(len(FORMS), 40)
        self.assertEqual(len({form.fields for form in FORMS}), len(FORMS))

    def test_answers(self) -> None:
        """Each form is answered as the table says, with the hash that a server computes."""
        for form in FORMS:
            signer = digest_signer("admin", "s3cret")
            again = self.challenged(signer, request(), refusal(*form.fields), SERVER)
            self.assertIs(again, form.answer is not None, form.fields)
            if not again:
                continue
            sent = dict(self.sign(signer).headers)[b"Authorization"].decode("latin-1")
            answer, fields = answered(sent)
            self.assertEqual(answer, form.answer, form.fields)
            session = ""
            if "sess" in fields.get("algorithm", "").lower():
                session = f"{fields['nonce']}:{fields['cnonce']}"
            usual = {"SHA256": "SHA-256"}.get(fields.get("algorithm", ""), fields.get("algorithm"))
            if usual is not None:
                fields["algorithm"] = usual.replace("sha", "SHA")
            if fields.get("qop") == "auth-int" or not fields["realm"].isascii():
                continue  # `test_answer` has the first; the second is no UTF-8.
            self.assertEqual(
                fields["response"],
                expected_response(fields, "admin", "s3cret", "GET", session),
                form.fields,
            )


class CurlTests(SigningTestCase):
    """curl, whichever is here."""

    def test_curl(self) -> None:
        """The gate answers all that curl answers; curl 7.88 answers what the table says."""
        curl = require("curl", "curl")
        server = ThreadingHTTPServer(("127.0.0.1", 0), Challenging)
        self.addCleanup(server.server_close)
        serving = Thread(target=server.serve_forever, daemon=True)
        serving.start()
        self.addCleanup(serving.join)
        self.addCleanup(server.shutdown)

        def ask(number: int) -> str | None:
            url = f"http://127.0.0.1:{server.server_port}/{number}"
            command = [curl, "-s", "-m", "30", "--digest", "-u", "admin:s3cret", url]
            found = subprocess.run(command, capture_output=True, check=False).stdout
            return found.decode("latin-1") or None

        version = subprocess.run([curl, "--version"], capture_output=True, check=False).stdout
        with ThreadPoolExecutor(4) as pool:
            sent = list(pool.map(ask, range(len(FORMS))))
        for form, authorization in zip(FORMS, sent, strict=True):
            answer, _ = answered(authorization)
            if answer is not None:
                self.assertIsNotNone(form.answer, form.fields)
            if version.startswith(b"curl 7.88"):
                recorded = form.answer if form.curl == SAME else form.curl
                self.assertEqual(answer, recorded, form.fields)


class Challenging(BaseHTTPRequestHandler):
    """Answers with the Authorization, and without one with the form of the path's number."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:  # the name that it looks for
        """Answer."""
        value = self.headers["Authorization"]
        body = (value or "").encode("latin-1")
        self.send_response_only(401 if value is None else 200)
        for field in FORMS[int(self.path[1:])].fields if value is None else ():
            self.send_header("WWW-Authenticate", field.decode("latin-1"))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
