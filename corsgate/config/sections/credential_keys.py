"""The keys of the simpler kinds of credentials, which need only a secret and a few settings."""

from __future__ import annotations

import attrs

from corsgate.config.model import ntlm, rules
from corsgate.config.model.credentials import check_aws_name, check_parameter_name
from corsgate.config.model.values import (
    AUTO_SCHEMES,
    DIGEST_ALGORITHMS,
    AutoCredentials,
    AwsCredentials,
    BasicCredentials,
    BearerCredentials,
    DigestCredentials,
    HeaderCredentials,
    NtlmCredentials,
    QueryCredentials,
)
from corsgate.config.sections.secrets import SECRET, needed_secret, secret_key
from corsgate.config.toml.keys import AnyKey, Key, Keys, by_hand, list_of
from corsgate.config.toml.values import boolean, checked, choice, text

KINDS = (
    *("basic", "digest", "auto", "bearer", "header", "query"),
    *("aws_sigv4", "oauth2", "session", "ntlm"),
)
"""The kinds of credentials: the values of ``type``."""


def type_key(kind: str) -> AnyKey:
    """Declare the key ``type`` for a kind of credentials."""
    return Key(
        "type",
        by_hand({"enum": list(KINDS)}),
        None,
        "The kind of the credentials, which decides the other keys.",
        example=f'"{kind}"',
        fix=f"write type = {rules.one_of(KINDS)}",
        type="text",
    )


def kind_keys(kind: str, description: str, keys: tuple[AnyKey, ...], model: type) -> Keys:
    """Declare the table of a kind of credentials; `keys` are the keys other than ``type``."""
    return Keys(
        heading=f'[credentials.NAME] with type = "{kind}"',
        description=description,
        keys=(type_key(kind), *keys),
        models=(model,),
        kind=kind,
        any_of=("headers", "name") if kind == "header" else (),
    )


USERNAME = Key(
    "username",
    text,
    None,
    "The name of the user.",
    example='"admin"',
    fix='write username = "NAME"',
)


def _username(description: str) -> AnyKey:
    return attrs.evolve(USERNAME, description=description)


PASSWORD = needed_secret("password", "The password of the user.", '{ env = "BOX_PASSWORD" }')
MIN_ALGORITHM = Key(
    "min_algorithm",
    choice(DIGEST_ALGORITHMS),
    DIGEST_ALGORITHMS[0],
    "The weakest Digest algorithm that is accepted; its -sess variant counts as the same. Many"
    " boxes support only MD5.",
    example='"SHA-256"',
)
REQUIRE_QOP = Key(
    "require_qop",
    boolean,
    False,
    'Whether Digest challenges without qop="auth" (RFC 2069) are rejected.',
    example="true",
)
ALLOW = list_of(
    "allow",
    choice(AUTO_SCHEMES),
    "The schemes that may be used. The gate uses the strongest of these that the server offers.",
    entry='"digest"',
    default=AUTO_SCHEMES,
)
BASIC_IN_CLEAR = Key(
    "dangerously_allow_basic_in_clear",
    boolean,
    False,
    "Whether Basic may be used over plain http to another machine. Anyone on the network path can"
    " then read the password.",
    example="true",
)
TOKEN = needed_secret("token", "The token, without the word Bearer.", '{ env = "API_TOKEN" }')
HEADERS = Key(
    "headers",
    by_hand({"type": "object", "minProperties": 1, "additionalProperties": SECRET}),
    None,
    "Several headers with their secrets, instead of name and value.",
    example='{ "X-Api-Key" = { env = "API_KEY" }, "X-Tenant" = "7" }',
    type="table of secrets",
)
HEADER_NAME = Key(
    "name",
    checked(rules.check_field_name),
    None,
    "The name of the header. It is required unless the table has headers.",
    example='"X-Api-Key"',
    fix='write name = "X-Api-Key"',
    is_required=False,
)
HEADER_VALUE = secret_key(
    "value",
    "The value of the header. It is required unless the table has headers.",
    example='{ env = "API_KEY" }',
    fix='write value = { env = "NAME" }',
    is_required=False,
)
QUERY_NAME = Key(
    "name",
    checked(check_parameter_name),
    None,
    "The name of the query parameter, not encoded. The client's own parameter of this name is"
    " dropped.",
    example='"api_key"',
    fix='write name = "api_key"',
)
QUERY_VALUE = needed_secret(
    "value", "The value of the parameter. The gate percent-encodes it.", '{ env = "API_KEY" }'
)
REGION = Key(
    "region",
    checked(check_aws_name),
    None,
    "The region in signatures. Servers other than Amazon's usually require us-east-1.",
    example='"eu-central-1"',
    fix='write region = "us-east-1"',
)
SERVICE = Key(
    "service",
    checked(check_aws_name),
    None,
    "The name of the service in signatures, such as s3, execute-api or es.",
    example='"s3"',
    fix='write service = "s3"',
)
ACCESS_KEY = needed_secret("access_key", "The id of the access key.", '{ env = "AWS_ACCESS_KEY" }')
SECRET_KEY = needed_secret(
    "secret_key", "The secret of the access key.", '{ env = "AWS_SECRET_KEY" }'
)
SESSION_TOKEN = secret_key(
    "session_token",
    "The session token of temporary credentials.",
    example='{ env = "AWS_SESSION_TOKEN" }',
)
DOMAIN = Key(
    "domain",
    checked(ntlm.check_name),
    None,
    "The Windows domain of the user, if it is not part of username.",
    example='"CORP"',
)
WORKSTATION = Key(
    "workstation",
    checked(ntlm.check_name),
    None,
    "The name of this machine that the server sees. By default it is the host name.",
    example='"GATE"',
)

BASIC_KEYS = kind_keys(
    "basic",
    "A user name and password (RFC 7617).",
    (_username("The name of the user, without a colon."), PASSWORD),
    BasicCredentials,
)
DIGEST_KEYS = kind_keys(
    "digest",
    "A user name and password; the password itself is never sent (RFC 7616).",
    (USERNAME, PASSWORD, MIN_ALGORITHM, REQUIRE_QOP),
    DigestCredentials,
)
AUTO_KEYS = kind_keys(
    "auto",
    "The strongest of Digest and Basic that the server offers.",
    (
        ALLOW,
        _username("The name of the user, without a colon if Basic is allowed."),
        PASSWORD,
        MIN_ALGORITHM,
        REQUIRE_QOP,
        BASIC_IN_CLEAR,
    ),
    AutoCredentials,
)
BEARER_KEYS = kind_keys("bearer", "A token (RFC 6750).", (TOKEN,), BearerCredentials)
HEADER_KEYS = kind_keys(
    "header",
    "One header with a secret, or several.",
    (HEADERS, HEADER_NAME, HEADER_VALUE),
    HeaderCredentials,
)
QUERY_KEYS = kind_keys(
    "query",
    "A secret in a parameter of the query. Clients never see it.",
    (QUERY_NAME, QUERY_VALUE),
    QueryCredentials,
)
AWS_KEYS = kind_keys(
    "aws_sigv4",
    "Signatures with an access key, for Amazon's services and servers with the API of S3.",
    (REGION, SERVICE, ACCESS_KEY, SECRET_KEY, SESSION_TOKEN),
    AwsCredentials,
)
NTLM_KEYS = kind_keys(
    "ntlm",
    "A Windows user, also for servers that offer only Negotiate. It needs corsgate[ntlm].",
    (
        _username(r"The name of the user; also user@domain, or DOMAIN\user."),
        *(PASSWORD, DOMAIN, WORKSTATION),
    ),
    NtlmCredentials,
)
