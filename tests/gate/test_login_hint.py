"""The setting that lets the gate log in to a box that asks for a login."""

from __future__ import annotations

import tomllib
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.parse import parse_config
from corsgate.config.quick_auth import parse_auth
from corsgate.gate.login_hint import login_hint

LISTEN = 'listen = ["tcp:5555:interface=127.0.0.1"]\n'

ASKED = {
    b'Digest realm="box", nonce="n", qop="auth"': ("Digest", "digest"),
    b'Basic realm="box"': ("Basic", "basic"),
    b"NTLM": ("NTLM", "ntlm"),
    b"Negotiate": ("Negotiate", "ntlm"),
    b'Bearer realm="box"': ("Bearer", "bearer"),
    b'Basic realm="box", Digest realm="box", nonce="n"': ("Basic or Digest", "digest"),
}
"""What is shown and suggested, by the challenge."""


def hint(*challenges: bytes, name: str = "api", has_file: bool = False) -> str:
    """Return the line for a 401 with these challenges."""
    fields = [(b"WWW-Authenticate", each) for each in challenges]
    return login_hint(fields, name, has_file=has_file)


class LoginHintTests(SynchronousTestCase):
    """`login_hint`."""

    def test_option(self) -> None:
        """Without a file it is an option, which is valid."""
        for challenge, (shown, kind) in ASKED.items():
            realm = ' (realm "box")' if b"realm" in challenge else ""
            line = hint(challenge)
            self.assertIn(f"the server asks for {shown}{realm}, and the gate has no", line)
            value = line.partition("--auth ")[2]
            self.assertEqual(parse_auth(value).kind, kind, line)

    def test_toml(self) -> None:
        """With a file it is a key, which is valid in the upstream's table."""
        for name in ("api", "my.box"):
            for challenge, (_, kind) in ASKED.items():
                line = hint(challenge, name=name, has_file=True)
                key, _, table = line.partition("write ")[2].rpartition(" in ")
                upstream = f'{table}\nservers = ["https://box.example"]\n{key}\n'
                text = f'{LISTEN}{upstream}[routes."/"]\nupstream = "{name}"\n'
                self.assertIn(name, tomllib.loads(text)["upstreams"])
                config = parse_config(
                    text,
                    file="gate.toml",
                    environ={"BOX_PASSWORD": "p", "BOX_TOKEN": "t"},
                    read_file=lambda name: Path(name).read_bytes(),
                    has_spnego=True,
                )
                credentials = config.upstreams[name].credentials
                self.assertEqual(getattr(credentials, "kind", None), kind)

    def test_nothing(self) -> None:
        """Nothing is suggested if the box says nothing, or asks for something unknown."""
        for challenges in ((), (b"HOBA max-age=1",), (b"\x00Basic realm=r",), (b"",)):
            self.assertEqual(hint(*challenges), "")

    def test_shown(self) -> None:
        """A box's own text is short and printable."""
        line = hint(b'Basic realm="' + b'r\xff\\"' * 100 + b'"')
        self.assertLess(len(line), 250)
        self.assertTrue(line.isascii())
        self.assertTrue(line.isprintable())
