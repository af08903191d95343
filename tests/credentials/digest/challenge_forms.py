"""Forms of challenges that servers send, and what the gate and curl answer."""

from __future__ import annotations

from typing import TypeAlias

import attrs

Answer: TypeAlias = tuple[str, str, str | None, str | None]
"""The realm, nonce, qop and algorithm of an answer."""

SAME: Answer = ("", "", None, "the same")
"""What stands for an answer like the gate's."""


@attrs.frozen
class Form:
    """A 401's WWW-Authenticate.

    Attributes:
        fields: The values of the fields, one for each.
        answer: What the gate answers; None for nothing.
        curl: What curl 7.88 answers, if that is something else.
    """

    fields: tuple[bytes, ...]
    answer: Answer | None
    curl: Answer | None = SAME


FORMS = (
    Form((b'Digest realm="r", nonce="n", qop="auth"',), ("r", "n", "auth", None)),
    Form((b'Digest realm="", nonce="n", qop="auth"',), ("", "n", "auth", None)),
    Form((b'Digest realm=, nonce="n", qop="auth"',), ("", "n", "auth", None)),
    Form((b'Digest nonce="n", qop="auth"',), ("", "n", "auth", None)),
    Form((b"Digest realm=r, nonce=n, qop=auth",), ("r", "n", "auth", None)),
    Form((b'Digest realm=My Router, nonce="n", qop="auth"',), ("My Router", "n", "auth", None)),
    Form((b'Digest realm="a", realm="b", nonce="n", qop="auth"',), ("b", "n", "auth", None)),
    Form((b'Digest realm="a", nonce="n1", nonce="n2", qop="auth"',), ("a", "n2", "auth", None)),
    Form((b'Digest realm="a", nonce="n", qop="auth", qop="auth-int"',), ("a", "n", "auth", None)),
    Form((b'Digest realm="a", nonce="n", qop="auth", stale=',), ("a", "n", "auth", None)),
    Form((b'Digest realm="a", nonce="n", stale=, qop="auth"',), ("a", "n", "auth", None)),
    Form((b'Digest realm="a", domain=, nonce="n", qop="auth"',), ("a", "n", "auth", None)),
    Form((b'Digest realm="a", domain="", nonce="n", qop="auth"',), ("a", "n", "auth", None)),
    Form(
        (b'Digest realm="a", nonce="n", qop="auth", algorithm=SHA-256',),
        ("a", "n", "auth", "SHA-256"),
    ),
    Form(
        (b'Digest realm="a", nonce="n", qop="auth", algorithm="sha-256"',),
        ("a", "n", "auth", "sha-256"),
    ),
    Form(
        (b'Digest realm="a", nonce="n", qop="auth", algorithm=MD5-sess',),
        ("a", "n", "auth", "MD5-sess"),
    ),
    Form((b'Digest realm="a", nonce="n", algorithm=MD5-sess',), None),
    Form((b'Digest realm="a", nonce="n"',), ("a", "n", None, None)),
    Form((b'Digest realm="a", nonce="n", qop=""',), ("a", "n", None, None)),
    Form((b'Digest realm="a", nonce="n", qop=',), ("a", "n", None, None)),
    Form((b'Digest realm="a", nonce="n", qop="x"',), ("a", "n", None, None)),
    Form((b'Digest realm="a", nonce="n", qop="auth-int"',), ("a", "n", "auth-int", None)),
    Form((b'Digest realm="a", nonce="n", qop="auth,auth-int"',), ("a", "n", "auth", None)),
    Form((b'Digest realm="a", nonce="n", qop=auth,auth-int',), ("a", "n", "auth", None)),
    Form((b'Digest realm="a", nonce="", qop="auth"',), ("a", "", "auth", None)),
    Form((b'Digest realm="a", nonce=, qop="auth"',), ("a", "", "auth", None)),
    Form((b'Digest realm="a", qop="auth"',), None),
    Form((b'Digest realm="a nonce="n", qop="auth"',), None),
    Form((b'Digest realm="a", qop="auth", nonce="n',), ("a", "n", "auth", None)),
    Form((b'Digest nonce="n", qop="auth", realm="a"x',), ("a", "n", "auth", None)),
    Form((b'Digest realm="a" nonce="n" qop="auth"',), ("a", "n", "auth", None)),
    Form((b'Digest\trealm="a",\tnonce="n",\tqop="auth"',), ("a", "n", "auth", None)),
    Form((b'DIGEST REALM="a", NONCE="n", QOP="AUTH"',), ("a", "n", "auth", None)),
    Form((b'Digest realm="a, b", nonce="n", qop="auth"',), ("a, b", "n", "auth", None)),
    Form((b'Digest realm="say \\"hi\\"", nonce="n", qop="auth"',), ('say "hi"', "n", "auth", None)),
    Form(
        (b'Digest realm="back\\\\slash", nonce="n", qop="auth"',),
        ("back\\slash", "n", "auth", None),
    ),
    Form((b"Digest realm='a', nonce='n', qop='auth'",), ("'a'", "'n'", None, None)),
    Form((b'Digest realm="J\xc3\xa4", nonce="n", qop="auth"',), ("JÃ¤", "n", "auth", None)),
    Form((b'Digest realm="J\xe4", nonce="n", qop="auth"',), ("Jä", "n", "auth", None)),
    Form((b'Basic realm="x", Digest realm="a", nonce="n", qop="auth"',), ("a", "n", "auth", None)),
    Form((b'Digest realm="a", nonce="n", qop="auth", Basic realm="x"',), ("a", "n", "auth", None)),
    Form(
        (
            b'Basic realm="x"',
            b'Digest realm="a", nonce="n", qop="auth"',
        ),
        ("a", "n", "auth", None),
    ),
    Form(
        (
            b'Digest realm="a", nonce="n", qop="auth"',
            b'Basic realm="x"',
        ),
        ("a", "n", "auth", None),
    ),
    Form((b'Negotiate, NTLM, Digest realm="a", nonce="n", qop="auth"',), ("a", "n", "auth", None)),
    Form(
        (
            b"Negotiate",
            b"NTLM",
            b'Digest realm="a", nonce="n", qop="auth"',
        ),
        ("a", "n", "auth", None),
    ),
    Form(
        (
            b'Digest realm="a", nonce="s", qop="auth", algorithm=SHA-256',
            b'Digest realm="a", nonce="m", qop="auth", algorithm=MD5',
        ),
        ("a", "s", "auth", "SHA-256"),
    ),
    Form((b'Digest realm="a", nonce="n", qop="auth", opaque=""',), ("a", "n", "auth", None)),
    Form((b'Digest realm="a", nonce="n", qop="auth", opaque=',), ("a", "n", "auth", None)),
    Form((b'Digest realm="a", nonce="n", qop="auth", opaque=0a',), ("a", "n", "auth", None)),
    Form((b'Digest realm="a", nonce="n", qop="auth", userhash=true',), ("a", "n", "auth", None)),
    Form((b'Digest realm="a", nonce="n", qop="auth", charset=UTF-8',), ("a", "n", "auth", None)),
    Form((b'Digest realm="a", nonce="n==", qop="auth", x',), ("a", "n==", "auth", None)),
    Form((b'Digest realm="a", nonce=abc==, qop="auth"',), ("a", "abc==", "auth", None)),
    Form(
        (b'Digest realm="a", nonce="n", qop="auth", algorithm=SHA-512-256',),
        ("a", "n", "auth", "SHA-512-256"),
    ),
    Form((b'Digest realm="a", nonce="n", qop="auth-int, auth"',), ("a", "n", "auth", None)),
    Form((b'Digest realm="a", nonce="n", qop="auth", algorithm="MD5,SHA-256"',), None),
    # curl does not answer the following, or not as well.
    Form(
        (b'Digest realm="a", nonce="n", qop="auth", algorithm=SHA256',),
        ("a", "n", "auth", "SHA256"),
        curl=None,
    ),
    Form(
        (b'Digest realm="a", nonce="n", qop="auth", algorithm=',),
        ("a", "n", "auth", None),
        curl=None,
    ),
    Form(
        (b'Digest realm="a", nonce="n", qop="auth", algorithm=""',),
        ("a", "n", "auth", None),
        curl=None,
    ),
    Form((b'Digest realm="a", qop=auth,auth-int, nonce="n"',), ("a", "n", "auth", None), curl=None),
    Form(
        (b'Digest realm="a"x, qop="auth", nonce="n"',),
        ("a", "n", "auth", None),
        curl=("a", "n", None, None),
    ),
    Form((b"Digest realm=a nonce=n qop=auth",), ("a", "n", "auth", None), curl=None),
    Form((b'Digest realm="a";nonce="n";qop="auth"',), ("a", "n", "auth", None), curl=None),
    Form(
        (b'Digest realm = "a" , nonce = "n" , qop = "auth"',), ("a", "n", "auth", None), curl=None
    ),
    Form((b'Digest,realm="a",nonce="n",qop="auth"',), ("a", "n", "auth", None), curl=None),
    Form(
        (
            b'Digest realm="a", nonce="m", qop="auth", algorithm=MD5',
            b'Digest realm="a", nonce="s", qop="auth", algorithm=SHA-256',
        ),
        ("a", "s", "auth", "SHA-256"),
        curl=("a", "m", "auth", "MD5"),
    ),
    Form(
        (
            b'Digest realm="a", nonce="u", qop="auth", algorithm=SHA-1',
            b'Digest realm="a", nonce="m", qop="auth", algorithm=MD5',
        ),
        ("a", "m", "auth", "MD5"),
        curl=None,
    ),
    Form(
        (
            b'Digest realm="a", nonce="s", qop="auth", algorithm=SHA-256, '
            b'Digest realm="a", nonce="m", qop="auth", algorithm=MD5',
        ),
        ("a", "s", "auth", "SHA-256"),
        curl=("a", "m", "auth", "MD5"),
    ),
    Form(
        (b'Digest  realm="a",  nonce="n",,  qop="auth",',),
        ("a", "n", "auth", None),
        curl=("a", "n", None, None),
    ),
    Form(
        (b'Digest realm="a", nonce="n", qop=" auth "',),
        ("a", "n", "auth", None),
        curl=("a", "n", None, None),
    ),
)
