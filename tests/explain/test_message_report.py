"""What a console message means."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.explain.console import read_message
from corsgate.explain.message_report import in_toml, message_dict, message_text
from tests.explain.console_messages import console_messages

REFUSED = "GET http://localhost:5555/v1 net::ERR_CONNECTION_REFUSED"
MISSING = (
    "Access to fetch at 'http://localhost:5555/v1' from origin 'http://localhost:4200' has been"
    " blocked by CORS policy: No 'Access-Control-Allow-Origin' header is present\n"
    "GET http://localhost:5555/v1 net::ERR_FAILED 403 (Forbidden)"
)


class ReportTests(SynchronousTestCase):
    """`message_text` and `message_dict`."""

    def test_all(self) -> None:
        """Each message has a cause and a fix, in whole lines."""
        for said in console_messages():
            message = read_message(said.text)
            text = message_text(message)
            self.assertRegex(text, r"(?m)^cause: [A-Z].*\.$")
            self.assertRegex(text, r"(?m)^fix: .*\.$")
            self.assertEqual("kind: not a CORS problem" in text, not message.is_about_cors)
            self.assertEqual(message_dict(message)["url"], said.url or None)

    def test_not_cors(self) -> None:
        """A server that is down needs no policy."""
        text = message_text(read_message(REFUSED))
        self.assertIn("not a CORS problem", text)
        self.assertIn("Start the server", text)
        self.assertNotIn("allow_origins", text)

    def test_cors(self) -> None:
        """A refused origin gets the policy's key, and its status is explained."""
        text = message_text(read_message(MISSING))
        self.assertIn("status: 403\n", text)
        self.assertIn("note: 403: the server refuses the request", text)
        self.assertIn('    allow_origins = ["http://localhost:4200"]\n', text)
        self.assertNotIn("not a CORS problem", text)

    def test_null_origin_after_redirect(self) -> None:
        """Safari's null after a redirect is no origin to allow."""
        said = read_message("Origin null is not allowed by Access-Control-Allow-Origin.")
        self.assertEqual(in_toml(said), "")
        self.assertIn("redirect", str(message_dict(said)["fix"]))
