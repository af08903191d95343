"""Parses a call that a person describes, on the command line or in a form."""

from __future__ import annotations

from collections.abc import Iterable

from corsgate.config.model.rules import show
from corsgate.cors.names import TOKEN
from corsgate.errors import BadValue
from corsgate.explain.call import Call, usual_value
from corsgate.explain.url import Url
from corsgate.message.headers import Header


def given_call(
    *, origin: str, method: str, url: str, headers: Iterable[str], credentials: bool
) -> Call:
    """Return the described call.

    Args:
        origin: The page's origin.
        method: The method, in the script's spelling.
        url: The full URL.
        headers: The headers that the script sets, as ``Name: value``. Without a value, the usual
            one for this name is used.
        credentials: Whether the call's credentials mode is "include".

    Raises:
        BadValue: A part of the call is not valid.
    """
    return Call(
        origin=_origin(origin),
        method=_method(method),
        url=Url.parse(url),
        headers=tuple(_header(text) for text in headers),
        credentials=credentials,
    )


def _origin(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise BadValue(f"{show(text)} is not ASCII", "write its host in Punycode") from None


def _method(text: str) -> bytes:
    method = text.encode("utf-8")
    if not TOKEN.fullmatch(method):
        raise BadValue(f"{show(text)} is not a method", 'write one, such as "PUT"')
    return method


def _header(text: str) -> Header:
    name, colon, value = text.partition(":")
    field = name.strip().encode("utf-8")
    if not TOKEN.fullmatch(field):
        raise BadValue(f"{show(name)} is not a header name", 'write one, such as "Content-Type"')
    return field, value.strip().encode("utf-8") if colon else usual_value(field)
