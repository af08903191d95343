"""Faults of credentials, word for word; none of them shows a secret."""

from __future__ import annotations

from corsgate.config.model import rules
from corsgate.config.sections.credential_keys import KINDS as KINDS_OF_CREDENTIALS
from tests.config.support import ROUTE, TOP, UPSTREAM, TableTestCase

ALL = rules.one_of(KINDS_OF_CREDENTIALS)
KINDS = (
    (
        "",
        f"c.toml:2: credentials.ml.type: it is missing; write type = {ALL}",
    ),
    ("type = 5", "c.toml:3: credentials.ml.type: 5 is an integer; write text in quotes"),
    (
        'type = "Digest"',
        'c.toml:3: credentials.ml.type: "Digest" is unknown; did you mean "digest"?',
    ),
    (
        'type = "oauth"',
        'c.toml:3: credentials.ml.type: "oauth" is unknown; did you mean "oauth2"?',
    ),
    (
        'type = "none"\npassword = "hunter2"',
        f'c.toml:3: credentials.ml.type: "none" is unknown; write {ALL}',
    ),
    (
        'type = "query"\nname = "?api_key="\nvalue = "hunter2"',
        (
            'c.toml:4: credentials.ml.name: "?api_key=" is more than the name of a parameter; '
            'write the name alone, such as "api_key"'
        ),
    ),
    (
        'type = "basic"',
        (
            'c.toml:2: credentials.ml.username: it is missing; write username = "NAME"\n'
            "c.toml:2: credentials.ml.password: it is missing; "
            'write password = { env = "NAME" }'
        ),
    ),
    (
        'type = "basic"\nusername = "a:b"\npassword = "hunter2"',
        (
            'c.toml:4: credentials.ml.username: "a:b" has a colon, which Basic can\'t carry; '
            "use another user"
        ),
    ),
    (
        'type = "digest"\nusername = "a\\nb"\npassword = "hunter2"',
        r'c.toml:4: credentials.ml.username: "a\u000ab" contains control characters; remove them',
    ),
    (
        'type = "digest"\nusername = 5\npassword = "hunter2"',
        "c.toml:4: credentials.ml.username: 5 is an integer; write text in quotes",
    ),
    (
        'type = "digest"\nusername = "a"\npasword = "hunter2"',
        (
            "c.toml:2: credentials.ml.password: it is missing; "
            'write password = { env = "NAME" }\n'
            'c.toml:5: credentials.ml.pasword: the key is unknown; did you mean "password"?'
        ),
    ),
    (
        'type = "digest"\nusername = "a"\npassword = "hunter2"\nmin_algorithm = "sha-1"',
        (
            'c.toml:6: credentials.ml.min_algorithm: "sha-1" is unknown; '
            'write "MD5", "SHA-256" or "SHA-512-256"'
        ),
    ),
    (
        'type = "digest"\nusername = "a"\npassword = "hunter2"\nrequire_qop = "yes"',
        'c.toml:6: credentials.ml.require_qop: "yes" is text; write true or false',
    ),
    (
        'type = "basic"\nusername = "a"\npassword = "hunter2"\nmin_algorithm = "MD5"',
        (
            "c.toml:6: credentials.ml.min_algorithm: the key is unknown; "
            'remove it, or write "type", "username" or "password"'
        ),
    ),
    (
        'type = "bearer"',
        'c.toml:2: credentials.ml.token: it is missing; write token = { env = "NAME" }',
    ),
    (
        'type = "bearer"\ntoken = "Bearer hunter2"',
        (
            "c.toml:4: credentials.ml.token: the token contains spaces or other characters "
            'that are not allowed in a token; write the token alone, without "Bearer "'
        ),
    ),
    (
        'type = "bearer"\ntoken = "x"\nusername = "a"',
        (
            "c.toml:5: credentials.ml.username: the key is unknown; "
            'remove it, or write "type" or "token"'
        ),
    ),
    (
        'type = "header"\nvalue = "hunter2"',
        'c.toml:2: credentials.ml.name: it is missing; write name = "X-Api-Key"',
    ),
    (
        'type = "header"\nname = "X Y"\nvalue = "v"',
        (
            'c.toml:4: credentials.ml.name: "X Y" is not a header name; '
            'write a name, such as "X-Api-Key"'
        ),
    ),
    (
        'type = "header"\nname = "Host"\nvalue = "v"',
        (
            'c.toml:4: credentials.ml.name: "Host" is set by the gate itself; '
            "name the header that holds the secret"
        ),
    ),
    (
        'type = "header"\nname = "content-length"\nvalue = "v"',
        (
            'c.toml:4: credentials.ml.name: "content-length" is set by the gate itself; '
            "name the header that holds the secret"
        ),
    ),
    (
        'type = "header"\nname = "Transfer-Encoding"\nvalue = "v"',
        (
            'c.toml:4: credentials.ml.name: "Transfer-Encoding" is set by the gate itself; '
            "name the header that holds the secret"
        ),
    ),
    (
        'type = "header"\nname = "X-Key"\nvalue = " v"',
        (
            "c.toml:5: credentials.ml.value: the secret contains non-ASCII characters, or "
            "leading or trailing spaces; remove them"
        ),
    ),
    (
        'type = "header"\nname = "X-Key"\nvalue = "é"',
        (
            "c.toml:5: credentials.ml.value: the secret contains non-ASCII characters, or "
            "leading or trailing spaces; remove them"
        ),
    ),
)

SECRETS = (
    ('""', "c.toml:5: credentials.ml.password: the secret is empty; add a value"),
    (
        r'"hun\nter2"',
        (
            "c.toml:5: credentials.ml.password: the secret contains control characters; "
            "remove line breaks and other control characters"
        ),
    ),
    (
        "12345",
        (
            "c.toml:5: credentials.ml.password: it does not say where the secret is; "
            'write { env = "NAME" }, { file = "PATH" }, { systemd = "NAME" },'
            ' { command = ["PROGRAM", "ARGUMENT"] } or text in quotes'
        ),
    ),
    (
        '["hunter2"]',
        (
            "c.toml:5: credentials.ml.password: it does not say where the secret is; "
            'write { env = "NAME" }, { file = "PATH" }, { systemd = "NAME" },'
            ' { command = ["PROGRAM", "ARGUMENT"] } or text in quotes'
        ),
    ),
    (
        '{ literal = "hunter2" }',
        (
            "c.toml:5: credentials.ml.password: it does not say where the secret is; "
            'write { env = "NAME" }, { file = "PATH" }, { systemd = "NAME" },'
            ' { command = ["PROGRAM", "ARGUMENT"] } or text in quotes'
        ),
    ),
    (
        "{ env = 5 }",
        (
            "c.toml:5: credentials.ml.password: it does not say where the secret is; "
            'write { env = "NAME" }, { file = "PATH" }, { systemd = "NAME" },'
            ' { command = ["PROGRAM", "ARGUMENT"] } or text in quotes'
        ),
    ),
    (
        '{ env = "NAME", file = "/password" }',
        (
            "c.toml:5: credentials.ml.password: it does not say where the secret is; "
            'write { env = "NAME" }, { file = "PATH" }, { systemd = "NAME" },'
            ' { command = ["PROGRAM", "ARGUMENT"] } or text in quotes'
        ),
    ),
    (
        '{ env = "NONE" }',
        ('c.toml:5: credentials.ml.password: environment variable "NONE" is not set'),
    ),
    (
        '{ env = "EMPTY" }',
        "c.toml:5: credentials.ml.password: the secret is empty; add a value",
    ),
    (
        '{ env = "TAIL" }',
        (
            "c.toml:5: credentials.ml.password: the secret contains control characters; "
            "remove line breaks and other control characters"
        ),
    ),
    (
        '{ file = "/none" }',
        (
            'c.toml:5: credentials.ml.password: "/none" can\'t be read: No such file or '
            "directory; give a file that this user can read"
        ),
    ),
    (
        '{ file = "/secret" }',
        (
            'c.toml:5: credentials.ml.password: "/secret" can\'t be read: Permission denied; '
            "give a file that this user can read"
        ),
    ),
    (
        '{ file = "/empty" }',
        "c.toml:5: credentials.ml.password: the secret is empty; add a value",
    ),
    (
        '{ file = "/two-ends" }',
        (
            "c.toml:5: credentials.ml.password: the secret contains control characters; "
            "remove line breaks and other control characters"
        ),
    ),
    (
        '{ file = "/latin-1" }',
        'c.toml:5: credentials.ml.password: "/latin-1" is not in UTF-8; save it as UTF-8',
    ),
    (
        r'{ file = "a\u0000" }',
        (
            'c.toml:5: credentials.ml.password: "a\\u0000" can\'t be read: it is not a path; '
            "give a file that this user can read"
        ),
    ),
    (
        '{ systemd = "ml" }',
        (
            'c.toml:5: credentials.ml.password: systemd provides no credential "ml": '
            "$CREDENTIALS_DIRECTORY is not set; "
            "add LoadCredential=ml:PATH to the unit, or use env or file"
        ),
    ),
    (
        '{ systemd = "../ml" }',
        (
            'c.toml:5: credentials.ml.password: "../ml" is not the name of a credential; '
            "write it without a path"
        ),
    ),
    (
        '{ systemd = "" }',
        (
            'c.toml:5: credentials.ml.password: "" is not the name of a credential; write it '
            "without a path"
        ),
    ),
)

MISPLACED = (
    (
        '[credentials]\npassword = "hunter2"',
        "c.toml:3: credentials.password: it is not a table; "
        "give the heading a name, such as [credentials.box]",
    ),
    (
        "[credentials]\npassword = 12345",
        (
            "c.toml:3: credentials.password: it is not a table; "
            "give the heading a name, such as [credentials.box]"
        ),
    ),
    (
        'credentials = "hunter2"',
        "c.toml:2: credentials: it is text; write tables such as [credentials.box]",
    ),
    (
        'credentials = ["hunter2"]',
        "c.toml:2: credentials: it is an array; write tables such as [credentials.box]",
    ),
)


class CredentialFaultTests(TableTestCase):
    """Each fault has its line, its key, what is wrong and the fix."""

    def test_kinds(self) -> None:
        """Each kind of credentials has its own keys, with values that its scheme can carry."""
        self.assert_faults(TOP + "[credentials.ml]\n@@\n" + UPSTREAM + ROUTE, KINDS)

    def test_secrets(self) -> None:
        """A secret comes from one source that is there, and is one line that is not empty."""
        self.assert_faults(
            TOP
            + '[credentials.ml]\ntype = "digest"\nusername = "a"\npassword = @@\n'
            + UPSTREAM
            + ROUTE,
            SECRETS,
        )

    def test_misplaced(self) -> None:
        """A value in place of a table of credentials may be a secret, and is not shown."""
        self.assert_faults(TOP + "@@\n" + UPSTREAM + ROUTE, MISPLACED)
