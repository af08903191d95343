"""NTLM end to end, against Apache with mod_auth_gssapi and gss-ntlmssp."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from unittest import mock

from twisted.internet.defer import Deferred, gatherResults

from tests.apache import MODULES, ApacheDigest
from tests.gate.test_ntlm import LARGE, NtlmTestCase, credentials
from tests.ntlm_box import DOMAIN, PASSWORD, USER
from tests.programs import missing
from tests.support import FROM_APP, LISTEN, POLICY, Gate

_MODULE = MODULES / "mod_auth_gssapi.so"
_MECHANISM = Path("/etc/gss/mech.d/mech.ntlmssp.conf")
_NTLM = "GssapiAllowedMech ntlmssp"
"""Has Apache offer both schemes."""
_NEGOTIATE = """\
<If "req('Authorization') =~ /^NTLM/">
    AuthType Basic
    AuthBasicProvider file
    Header always set WWW-Authenticate Negotiate
</If>"""
"""Has Apache offer only Negotiate, since mod_auth_gssapi always accepts both."""

_CONFIGURATION = """\
LoadModule auth_gssapi_module "{module}"
<Location "/">
    AuthType GSSAPI
    AuthName "box"
    GssapiConnectionBound On
    Require valid-user
    {mechanism}
</Location>
"""


class ApacheTests(NtlmTestCase):
    """Apache authenticates connections, verifies NTLMv2, and stores uploads by WebDAV."""

    def begin(self, password: str = PASSWORD, mechanism: str = _NTLM) -> Gate:
        """Start Apache, and return a gate in front of it."""
        if not (_MODULE.exists() and _MECHANISM.exists()):
            missing("no NTLM in Apache (Debian: libapache2-mod-auth-gssapi gss-ntlmssp)")
        folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        users = folder / "users"
        users.write_text(f"{DOMAIN}:{USER}:{PASSWORD}\n", "utf-8")
        # Apache's workers may run as another user.
        folder.chmod(0o755)
        users.chmod(0o644)
        more = _CONFIGURATION.format(module=_MODULE, mechanism=mechanism)
        with mock.patch.dict(os.environ, {"NTLM_USER_FILE": str(users)}):
            self.box = ApacheDigest(users={}, files={"a.json": b"{}"}, more=more)
        self.addCleanup(self.box.stop)
        return self.serve(
            f'{LISTEN}[upstreams.a]\nservers = ["{self.box.origin}"]\n{credentials(password)}'
            # Apache closes idle connections if all of its threads are busy.
            f'max_connections = 12\n{POLICY}\n[routes."/"]\nupstream = "a"\ncors = "app"\n'
        )

    async def test_both_schemes(self) -> None:
        """A connection is authenticated once, and then used again."""
        for mechanism in (_NTLM, _NEGOTIATE):
            gate = self.begin(mechanism=mechanism)
            for _ in range(2):
                answer = await self.ask(gate, target=b"/a.json", headers=[FROM_APP])
                self.assertEqual((answer.status, answer.body), (200, b"{}"))
                self.assertNotIn(b"www-authenticate", answer.fields)
            # Where only Negotiate is offered, the first message of NTLM is refused.
            refused = 1 if mechanism is _NTLM else 2
            self.assertEqual(self.box.statuses(refused + 2), [200, 200] + [401] * refused)

    async def test_uploads(self) -> None:
        """Small and large uploads are stored whole."""
        gate = self.begin()
        for body in (b"some", LARGE):
            answer = await self.ask(gate, b"PUT", b"/new", [FROM_APP], body)
            self.assertIn(answer.status, (201, 204))
            self.assertEqual((self.box.files / "new").read_bytes(), body)
            self.assertEqual((await self.ask(gate, target=b"/new")).body, body)

    async def test_at_once(self) -> None:
        """64 requests at once are served."""
        gate = self.begin()
        asked = [Deferred.fromCoroutine(self.ask(gate, target=b"/a.json")) for _ in range(64)]
        answers = await gatherResults(asked, consumeErrors=True)
        self.assertEqual({(each.status, each.body) for each in answers}, {(200, b"{}")})

    async def test_wrong_password(self) -> None:
        """It is rejected twice; then nothing is sent."""
        gate = self.begin("wrong")
        for status in (401, 401, 502):
            answer = await self.ask(gate, target=b"/a.json", headers=[FROM_APP])
            self.assertEqual(answer.status, status)
        self.assertEqual(self.box.statuses(4), [401] * 4)
