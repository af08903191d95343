"""Tests of `corsgate.explain_web.form`: what comes from a page is checked and bounded."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.explain_web.form import (
    MAX_FIELD_LENGTH,
    MAX_HAR_LENGTH,
    MAX_TEXT_LENGTH,
    Form,
    FormError,
    page_origin,
    read_form,
    read_paste,
    with_fields,
    with_response,
)


class FormTests(SynchronousTestCase):
    """The fields, one by one."""

    def refused(self, **fields: object) -> tuple[str, str]:
        """Return the field that is wrong, and why."""
        with self.assertRaises(FormError) as caught:
            form = read_form(fields)
            pasted, _ = with_response(read_paste(form)[0], form)
            with_fields(pasted, form)
        return caught.exception.field, caught.exception.text

    def test_shape(self) -> None:
        """Only the known fields of the right types are taken."""
        bad: tuple[object, ...] = (
            None,
            [],
            "x",
            {"x": 1},
            {"paste": 1},
            {"chosen": True},
            {"chosen": 1.5},
        )
        for raw in bad:
            self.assertRaises(FormError, read_form, raw)
        self.assertEqual(read_form({"paste": " a\ud800 "}), Form(paste="a\ufffd"))

    def test_bounds(self) -> None:
        """Each text has a bound, and the message says it."""
        for name in ("origin", "method", "url"):
            self.assertEqual(self.refused(**{name: "x" * (MAX_FIELD_LENGTH + 1)})[0], name)
        for name in ("headers", "response", "toml", "paste"):
            field, text = self.refused(**{name: "x" * (MAX_TEXT_LENGTH + 1)})
            self.assertEqual(field, name)
            self.assertIn("The limit is 65,536", text)
        field, text = self.refused(paste="{" + " " * MAX_HAR_LENGTH + "}")
        self.assertIn("The limit is 10 MB", text)
        self.assertIn("Filter the network panel", text)

    def test_origins(self) -> None:
        """A page's URL will do; a missing scheme is proposed."""
        for said, origin in (
            ("http://localhost:4200/", "http://localhost:4200"),
            ("HTTPS://App.Example:443/x?y#z", "https://app.example"),
            ("null", "null"),
            ("file:///home/x.html", "null"),
        ):
            self.assertEqual(page_origin(said), origin)
        self.assertIn(
            'Did you mean "http://localhost:4200"', self.refused(origin="localhost:4200")[1]
        )
        for said in ("http://", "ftp://h", "http://a b", "http://u:p@h/"):
            self.assertEqual(self.refused(origin=said)[0], "origin")

    def test_others(self) -> None:
        """A wrong method, header, URL, response and message are reported at their field."""
        for name, value in (
            ("method", "P T"),
            ("headers", "X-App: 1\nno header"),
            ("headers", "X: 1\n" * 51),
            ("url", "localhost/x"),
            ("url", "http://h:99999/"),
            ("response", "rubbish"),
            ("paste", "rubbish"),
            ("paste", "curl"),
            ("paste", "{}"),
        ):
            self.assertEqual(self.refused(**{name: value})[0], name, value)

    def test_fields_come_first(self) -> None:
        """What is filled in replaces what was pasted."""
        form = Form(
            paste="curl http://h/x -H 'Origin: http://a' -H 'X-A: 1'",
            origin="http://b",
            method="PUT",
            url="http://i/y",
            headers="X-B\n\nContent-Type: text/plain",
            credentials=True,
        )
        found = with_fields(read_paste(form)[0], form)
        self.assertEqual(
            (found.origin, found.method, str(found.url)), ("http://b", "PUT", "http://i/y")
        )
        self.assertEqual(found.headers, ((b"X-B", b"1"), (b"Content-Type", b"text/plain")))
        self.assertTrue(found.credentials)
