"""Reads the explainer's form, and checks its fields and their lengths."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs

from corsgate.config.model.rules import show
from corsgate.errors import BadValue
from corsgate.explain.call import usual_value
from corsgate.explain.console import read_message
from corsgate.explain.near_miss import spell
from corsgate.explain.url import Url
from corsgate.explain_web.curl import is_curl, read_curl
from corsgate.explain_web.har import read_har
from corsgate.explain_web.heads import read_heads
from corsgate.explain_web.pasted import Details, Pasted, of_heads
from corsgate.message.headers import Header

MAX_HAR_LENGTH = 10_000_000
"""The maximum of a HAR file, in characters. Larger ones contain the bodies of many responses."""

MAX_TEXT_LENGTH = 64 * 1024
"""The maximum of other texts, in characters. For curl commands it is `curl.MAX_CURL_LENGTH`."""

MAX_FIELD_LENGTH = 8 * 1024
MAX_HEADERS = 50

_KEYS: Mapping[str, type] = {
    "paste": str,
    "origin": str,
    "method": str,
    "url": str,
    "headers": str,
    "credentials": bool,
    "response": str,
    "toml": str,
    "chosen": int,
}
_SURROGATE = re.compile("[\ud800-\udfff]")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class FormError(Exception):
    """A field of the form can't be read.

    Attributes:
        field: The field's name.
        text: The problem and its fix, without secrets.
    """

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field
        self.text = text


@attrs.frozen(kw_only=True)
class Form:
    """The filled-in form; each field may be empty.

    Attributes:
        paste: A console message, a curl command or a HAR file.
        origin: The page's URL or origin.
        method: The method.
        url: The URL that the page calls.
        headers: The headers that the script sets, one on each line.
        credentials: Whether the page calls with ``credentials: "include"``.
        response: Heads of the server's responses.
        toml: A configuration of corsgate.
        chosen: The number of the call of a HAR file to explain, counted from 0; -1 for the first
            blocked one.
    """

    paste: str = ""
    origin: str = ""
    method: str = ""
    url: str = ""
    headers: str = ""
    credentials: bool = False
    response: str = ""
    toml: str = ""
    chosen: int = -1


def read_form(raw: object) -> Form:
    """Return the form that a page sends.

    Args:
        raw: The form, parsed from JSON.

    Raises:
        FormError: A field is unknown, of the wrong type, or too long.
    """
    if not isinstance(raw, dict):
        raise FormError("", "The request is not a form.")
    for key, value in raw.items():
        kind = _KEYS.get(key)
        if kind is None or type(value) is not kind:
            raise FormError("", "The form has an unknown field. Reload the page.")
    filled: dict[str, Any] = {key: _clean(value) for key, value in raw.items()}
    form = Form(**filled)
    for name in ("origin", "method", "url"):
        _limit(name, getattr(form, name), MAX_FIELD_LENGTH)
    for name in ("headers", "response", "toml"):
        _limit(name, getattr(form, name), MAX_TEXT_LENGTH)
    return form


def _clean(value: object) -> object:
    """Return text without lone surrogates, which JSON can contain but UTF-8 can't."""
    return _SURROGATE.sub("\ufffd", value).strip() if isinstance(value, str) else value


def _limit(field: str, value: str, most: int) -> None:
    if len(value) > most:
        size, bound = f"{len(value):,}", f"{most:,}"
        raise FormError(field, f"This text has {size} characters. The limit is {bound}.")


def read_paste(form: Form) -> list[Pasted]:
    """Return the calls in the pasted text; one without details if the field is empty.

    Raises:
        FormError: It can't be read.
    """
    said = form.paste
    if not said:
        return [Pasted(kind="form", details=Details())]
    is_har = said.startswith(("{", "["))
    if is_har and len(said) > MAX_HAR_LENGTH:
        raise FormError(
            "paste",
            f"This HAR file has {len(said) / 1e6:.0f} MB. The limit is {MAX_HAR_LENGTH / 1e6:.0f}"
            " MB. Filter the network panel to the blocked call, and use"
            ' "Save all (filtered) as HAR", or paste the message of the console.',
        )
    try:
        if is_har:
            return read_har(said)
        if is_curl(said):
            return [read_curl(said)]
        _limit("paste", said, MAX_TEXT_LENGTH)
        message = read_message(said)
    except BadValue as error:
        raise FormError("paste", _sentence(error)) from None
    header = message.header or ""
    return [
        Pasted(
            kind="message",
            details=Details(
                origin=message.origin,
                method=message.method,
                url=message.url,
                headers=((header.encode(), usual_value(header.encode())),) if header else (),
                credentials=message.credentials,
            ),
            message=message,
        )
    ]


def with_fields(pasted: Pasted, form: Form) -> Details:
    """Return the details of a call. The form's own fields override the pasted text.

    Raises:
        FormError: A field can't be read.
    """
    known = pasted.details
    if form.origin:
        known = attrs.evolve(known, origin=page_origin(form.origin))
    elif known.origin is not None and known.origin != "null":
        # It is written into configurations, so it must be a valid origin.
        known = attrs.evolve(known, origin=spell(known.origin))
    if form.url:
        try:
            known = attrs.evolve(known, url=Url.parse(_with_scheme("url", form.url)))
        except BadValue as error:
            raise FormError("url", _sentence(error)) from None
    method = form.method or known.method or ""
    if method and not _TOKEN.fullmatch(method):
        raise FormError("method", f"{show(method)} is not a method. Write one, such as PUT.")
    given = _headers(form.headers)
    return attrs.evolve(
        known,
        method=method or None,
        headers=given or known.headers,
        credentials=form.credentials or known.credentials,
    )


def page_origin(said: str) -> str:
    """Return the origin of a page.

    Args:
        said: The page's URL or origin.

    Raises:
        FormError: It has no origin that browsers send.
    """
    if said == "null" or said.lower().startswith("file:"):
        return "null"
    origin = spell(_with_scheme("origin", said))
    if origin is None:
        fix = 'Write its scheme, host and port, such as "http://localhost:4200".'
        raise FormError("origin", f"{show(said)} is not the URL of a page. {fix}")
    return origin


def _with_scheme(field: str, said: str) -> str:
    if "://" in said:
        return said
    raise FormError(field, f"{show(said)} has no scheme. Did you mean {show(f'http://{said}')}?")


def _headers(said: str) -> tuple[Header, ...]:
    found: list[Header] = []
    for number, line in enumerate(said.splitlines(), start=1):
        name, colon, value = line.strip().partition(":")
        if not name and not colon:
            continue
        if not _TOKEN.fullmatch(name.strip()):
            text = f'Line {number} is not a header. Write one, such as "X-App: 1".'
            raise FormError("headers", text)
        encoded = name.strip().encode("ascii")
        given = value.strip().encode("utf-8")
        found.append((encoded, given if colon else usual_value(encoded)))
    if len(found) > MAX_HEADERS:
        raise FormError("headers", f"There are more than {MAX_HEADERS} headers.")
    return tuple(found)


def with_response(pasted: Pasted, form: Form) -> tuple[Pasted, bool]:
    """Return the pasted call with the form's responses, and whether there are any.

    Raises:
        FormError: The field with the responses can't be read.
    """
    if not form.response:
        return pasted, False
    try:
        found = read_heads(form.response)
    except BadValue as error:
        raise FormError("response", _sentence(error)) from None
    if not found:
        return pasted, False
    return attrs.evolve(pasted, lookup=of_heads(found[0], found[-1])), True


def _sentence(error: BadValue) -> str:
    """Return an error as one or two sentences."""
    parts = [part for part in (error.problem, error.fix) if part]
    return " ".join(f"{part[:1].upper()}{part[1:]}." for part in parts)
