"""Tests of `corsgate.explain_web.masks`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.explain_web.masks import masked_fields, masked_text, masked_url


class MaskTests(SynchronousTestCase):
    """What may be a secret is not shown."""

    def test_fields(self) -> None:
        """Only the values of fields that are known to be harmless are shown."""
        shown = masked_fields(
            [
                (b"Access-Control-Allow-Origin", b"*"),
                (b"Cookie", b"a"),
                (b"Authorization", b"Bearer b"),
                (b"X-Whatever", b"c"),
                (b"Location", b"http://h/x?code=d&page=2"),
                (b"Referer", b"http://u:p@h/"),
            ]
        )
        self.assertEqual(next(value for _, value in shown), "*")
        self.assertEqual([value for _, value in shown][1:4], ["..."] * 3)
        self.assertEqual(shown[4][1], "http://h/x?code=...&page=2")
        self.assertEqual(shown[5][1], "...")

    def test_urls(self) -> None:
        """Parameters that sound like secrets have dots; others stay."""
        self.assertEqual(
            masked_url("http://h/a?uri=/x.json&access_token=abc&sig=&api_key=q"),
            "http://h/a?uri=/x.json&access_token=...&sig=&api_key=...",
        )

    def test_text(self) -> None:
        """URLs within text are masked, and user names with passwords too."""
        self.assertEqual(
            masked_text("see 'http://u:pw@h/x?token=abc' and ?token, http://h/?a=b"),
            "see 'http://...@h/x?token=...' and ?token, http://h/?a=b",
        )
        self.assertEqual(masked_text("http://h/" + "?" * 60_000)[-1], "?")
