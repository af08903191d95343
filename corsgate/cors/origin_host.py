"""The host of an origin, or of a pattern in a policy."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from corsgate.config.model.rules import show
from corsgate.cors.punycode import bad_label
from corsgate.errors import BadValue

WEB_PORTS = {"http": 80, "https": 443}
"""The default ports of the schemes whose hosts are those of web servers."""

_LABEL = r"[a-z0-9_-]{1,63}"
NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
"""A host name in serialized form."""

_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")


def check_host(text: str, scheme: str, host: str, subdomains: bool) -> None:
    """Reject a host that browsers serialize in another form (URL ``#host-serializing``).

    Args:
        text: The whole pattern, for the message.
        scheme: Its scheme.
        host: Its host, without a leading ``*.``, in lower-cased ASCII.
        subdomains: Whether there was a leading ``*.``.
    """
    has_star = subdomains or "*" in host
    whole = [label for label in host.split(".") if "*" not in label]
    if "*" in host:
        _check_star(text, host, subdomains)
        # To check the rest of the host, replace the star by a valid character.
        host = host.replace("*", "0")
    if host.startswith("["):
        _check_ipv6(text, host)
        return
    if host.endswith("."):
        raise BadValue(f"{show(text)} has a host that ends in a dot", "leave out the last dot")
    if not NAME.fullmatch(host) or len(host) > 253:
        raise BadValue(
            f"{show(text)} has no valid host",
            "write a host name of letters, digits, '-' and dots, or an IP address",
        )
    if scheme not in WEB_PORTS:
        # Browsers don't change hosts of other schemes (URL #concept-opaque-host-parser).
        return
    label = bad_label(whole)
    if label:
        raise BadValue(
            f"{show(text)} has the label {show(label)}, which is not valid Punycode",
            "write the host as location.origin shows it on the page's console",
        )
    if _NUMERIC_LABEL.fullmatch(host.rpartition(".")[2]):
        _check_ipv4(text, host, has_star)


def _check_star(text: str, host: str, subdomains: bool) -> None:
    """Reject a ``*`` that is not within one label, with a literal before or after it.

    The last label can't have one, because names such as ``app.co*`` belong to many strangers.
    """
    label, _, above = host[host.rpartition("*")[0].rfind(".") + 1 :].partition(".")
    if subdomains or host.count("*") > 1 or label == "*" or "[" in host:
        raise BadValue(
            f'{show(text)} has a "*" where it is not allowed',
            'write "*" alone for every origin, "https://*.example.com" for all its subdomains, or'
            ' "https://pr-*.example.com" for some of them',
        )
    if not above:
        raise BadValue(
            f'{show(text)} has a "*" in the last label of its host',
            "write one origin for each host",
        )


def _check_ipv4(text: str, host: str, has_star: bool) -> None:
    """Reject anything except four decimal numbers (URL ``#ends-in-a-number-checker``)."""
    if has_star:
        raise BadValue(
            f'{show(text)} has a "*" before an IP address',
            "write one origin for each address",
        )
    try:
        IPv4Address(host)
    except AddressValueError:
        raise BadValue(
            f"{show(text)} has a host that ends in a number but is not an IPv4 address",
            'write four decimal numbers, as in "http://127.0.0.1:8080"',
        ) from None


def _check_ipv6(text: str, host: str) -> None:
    """Reject an IPv6 address that is not in serialized form (URL ``#concept-ipv6-serializer``).

    An IPv4-mapped one is valid in an origin, but nobody serves pages from it on purpose.
    """
    if "%" in host:
        raise BadValue(f"{show(text)} has a zone in its address", "leave out '%' and the zone")
    try:
        address = IPv6Address(host[1:-1])
    except AddressValueError:
        raise BadValue(
            f"{show(text)} has no IPv6 address in its brackets",
            'write it as in "http://[::1]:8080"',
        ) from None
    wanted = ip_text(address)
    if address.ipv4_mapped is not None:
        raise BadValue(
            f"{show(text)} has an IPv4 address in the form of an IPv6 address",
            f"write {show(wanted)} instead",
        )
    if host != wanted:
        raise BadValue(
            f"{show(text)} has an IPv6 address that browsers write in another form",
            f"write {show(wanted)} instead",
        )


def ip_text(address: IPv6Address) -> str:
    """Return an address as the host of an origin; the IPv4 address if it is a mapped one."""
    mapped = address.ipv4_mapped
    return f"[{address.compressed}]" if mapped is None else str(mapped)
