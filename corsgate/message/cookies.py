"""What a request's Cookie fields say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def cookie_values(cookies: Iterable[bytes], name: bytes) -> Iterator[bytes]:
    """Answer the values that a cookie has, in order (RFC 6265bis 4.2.1).

    Names are compared case and all. A name may be there twice, set for different paths.

    Args:
        cookies: The values of all Cookie fields.
        name: The cookie's name.
    """
    for field in cookies:
        for pair in field.split(b";"):
            found, equals, value = pair.partition(b"=")
            if equals and found.strip(b" \t") == name:
                yield value.strip(b" \t")
