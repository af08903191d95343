"""The grammar of authentication fields, with valid and invalid fields of servers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.credentials.auth_fields import (
    Challenge,
    challenges_of,
    parse_challenges,
    parse_parameters,
    quoted,
)

TOKEN_BYTES = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def digest(**parameters: bytes) -> Challenge:
    """Return a Digest challenge with these parameters."""
    return Challenge(
        scheme=b"digest", parameters={name.encode(): value for name, value in parameters.items()}
    )


WELL_FORMED: list[tuple[bytes, list[Challenge]]] = [
    (b"", []),
    (b" , ,\t", []),
    (b"Negotiate", [Challenge(scheme=b"negotiate")]),
    (b"Negotiate YIIB+/==", [Challenge(scheme=b"negotiate", token68=b"YIIB+/==")]),
    (b'Digest realm="a"', [digest(realm=b"a")]),
    (b'DIGEST REALM="a"', [digest(realm=b"a")]),
    (b"Digest realm=a", [digest(realm=b"a")]),
    (b'Digest realm = "a" ,\tnonce= "b"', [digest(realm=b"a", nonce=b"b")]),
    (b'Digest realm="a",nonce="b"', [digest(realm=b"a", nonce=b"b")]),
    (b'Digest realm="a" nonce="b"', [digest(realm=b"a", nonce=b"b")]),
    (b'Digest ,, realm="a",, nonce="b",', [digest(realm=b"a", nonce=b"b")]),
    (b'Digest realm=""', [digest(realm=b"")]),
    (b'Digest realm="a, Basic realm=b"', [digest(realm=b"a, Basic realm=b")]),
    (rb'Digest realm="say \"hi\" \\ \x"', [digest(realm=rb'say "hi" \ x')]),
    (b'Digest realm="J\xc3\xa4"', [digest(realm=b"J\xc3\xa4")]),
    (b"Digest domain=/v1, stale=TRUE", [digest(domain=b"/v1", stale=b"TRUE")]),
    (
        b'Basic realm="x", Digest realm="a", qop="auth,auth-int", Bearer',
        [
            Challenge(scheme=b"basic", parameters={b"realm": b"x"}),
            digest(realm=b"a", qop=b"auth,auth-int"),
            Challenge(scheme=b"bearer"),
        ],
    ),
    (
        b'Negotiate, NTLM abc=, Digest realm="a"',
        [
            Challenge(scheme=b"negotiate"),
            Challenge(scheme=b"ntlm", token68=b"abc="),
            digest(realm=b"a"),
        ],
    ),
]

# Real servers send such fields, and curl reads them.
SLOPPY: list[tuple[bytes, list[Challenge]]] = [
    (b'Digest realm="a', [digest(realm=b"a")]),
    (b'Digest realm="a"b', [digest(realm=b"a")]),
    (b'Digest realm="a"b, nonce="n"', [digest(realm=b"a", nonce=b"n")]),
    (b"Digest realm=, nonce=b", [digest(realm=b"", nonce=b"b")]),
    (b"Digest nonce=b, realm=", [digest(nonce=b"b", realm=b"")]),
    (b'Digest domain= nonce="b"', [digest(domain=b"", nonce=b"b")]),
    (b"Digest realm=My Router, nonce=b", [digest(realm=b"My Router", nonce=b"b")]),
    (b"Digest realm=a nonce=b", [digest(realm=b"a", nonce=b"b")]),
    (b'Digest realm="a", REALM="b"', [digest(realm=b"b")]),
    (b"Digest stale=x, stale=x", [digest(stale=b"x")]),
    (b"Digest qop=auth,auth-int, nonce=b", [digest(qop=b"auth,auth-int", nonce=b"b")]),
    (b'Digest qop="auth", qop="auth-int"', [digest(qop=b"auth,auth-int")]),
    (b'Digest realm="a";nonce="b"', [digest(realm=b"a", nonce=b"b")]),
    (b'Digest realm="a", =, nonce="b"', [digest(realm=b"a", nonce=b"b")]),
    (
        b'Digest realm="a", realm="b", Basic realm="x"',
        [digest(realm=b"b"), Challenge(scheme=b"basic", parameters={b"realm": b"x"})],
    ),
]

# Each with the part that is still parsed.
MALFORMED: list[tuple[bytes, list[Challenge]]] = [
    (b'realm="a"', []),
    (b"=", []),
    (b'"Digest"', []),
    (b'Digest realm="a\\', [digest()]),
    (b'Digest realm="a\r\nX-Evil: 1"', []),
    (b'Digest realm="a\x00"', []),
    (b"Digest realm=a\x7f", []),
    (b'Digest realm="a", realm="a"\x01, Basic realm="x"', []),
    (b"Negotiate abc=, realm=x", [Challenge(scheme=b"negotiate", token68=b"abc=")]),
]


class ParseChallengesTests(SynchronousTestCase):
    def test_well_formed(self) -> None:
        """All forms of RFC 9110 11.3 are parsed, and some others that servers send."""
        for value, challenges in WELL_FORMED:
            self.assertEqual(parse_challenges((value,)), challenges, value)

    def test_sloppy(self) -> None:
        """Values without quotes or an end, empty and repeated ones are read as curl does."""
        for value, challenges in SLOPPY:
            self.assertEqual(parse_challenges((value,)), challenges, value)

    def test_malformed(self) -> None:
        """What can't be parsed is left out; a control character spoils the whole field."""
        for value, challenges in MALFORMED:
            self.assertEqual(parse_challenges((value,)), challenges, value)

    def test_several_fields(self) -> None:
        """Challenges of several fields are parsed; an error in one does not affect the next."""
        values = (b"Basic realm=x", b'"junk', b'Digest realm="a"')
        self.assertEqual(
            [challenge.scheme for challenge in parse_challenges(values)], [b"basic", b"digest"]
        )

    def test_of_a_response(self) -> None:
        """All fields of the name count, in any case, and no others."""
        headers = [
            (b"www-AUTHENTICATE", b"Basic"),
            (b"X", b"NTLM"),
            (b"WWW-Authenticate", b"Digest"),
        ]
        found = [challenge.scheme for challenge in challenges_of(headers)]
        self.assertEqual(found, [b"basic", b"digest"])

    def test_repr_keeps_parameters(self) -> None:
        """The repr hides a challenge's parameters, since credentials have the same form."""
        (challenge,) = parse_challenges((b'Digest response="s3cret"',))
        self.assertNotIn("s3cret", repr(challenge))

    def test_length_costs_in_proportion(self) -> None:
        """Long junk is parsed without backtracking, which would never end."""
        for junk in (
            b'Digest a="' + b"\\" * 200_001,
            b"a " * 200_000,
            b"Digest a" + b" " * 200_000,
        ):
            parse_challenges((junk + b"\x00",))

    @given(st.lists(st.binary()))
    def test_never_raises(self, values: list[bytes]) -> None:
        """Any bytes are parsed or left out."""
        parse_challenges(values)

    @given(st.text(alphabet='Dd =,"\\\ta1/\x00', max_size=40))
    def test_no_control_character_comes_out(self, text: str) -> None:
        """A parsed value can't end a request field that it is put into."""
        for challenge in parse_challenges((text.encode(),)):
            for value in challenge.parameters.values():
                self.assertNotIn(b"\x00", value)

    @given(
        st.lists(
            st.builds(
                Challenge,
                scheme=st.lists(st.sampled_from(TOKEN_BYTES), min_size=1).map(
                    lambda codes: bytes(codes).lower()
                ),
                parameters=st.dictionaries(
                    st.lists(st.sampled_from(TOKEN_BYTES), min_size=1).map(
                        lambda codes: bytes(codes).lower()
                    ),
                    st.lists(st.sampled_from([9, *range(32, 127), *range(128, 256)])).map(bytes),
                    max_size=4,
                ),
            ),
            max_size=4,
        )
    )
    def test_parse_undoes_print(self, challenges: list[Challenge]) -> None:
        """Quoted challenges are parsed to their original values."""
        written = b", ".join(
            each.scheme
            + b" "
            + b", ".join(name + b"=" + quoted(value) for name, value in each.parameters.items())
            for each in challenges
        )
        self.assertEqual(parse_challenges((written,)), challenges)


class ParseParametersTests(SynchronousTestCase):
    def test_parameters(self) -> None:
        """Parameters without a scheme are parsed too, and any error yields none."""
        cases: list[tuple[bytes, dict[bytes, bytes]]] = [
            (b"", {}),
            (b'nextnonce="a,b", qop=auth', {b"nextnonce": b"a,b", b"qop": b"auth"}),
            (b', NextNonce = "a" ,', {b"nextnonce": b"a"}),
            (b'nextnonce="a", nextnonce="b"', {}),
            (b'nextnonce="a', {}),
            (b'Digest nextnonce="a"', {}),
        ]
        for value, parameters in cases:
            self.assertEqual(parse_parameters(value), parameters, value)

    @given(st.binary())
    def test_never_raises(self, value: bytes) -> None:
        """Any bytes are parsed or left out."""
        parse_parameters(value)
