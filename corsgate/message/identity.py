"""Request fields that upstreams trust about the client or request, so clients may not set them."""

from __future__ import annotations

from corsgate.message.headers import as_cgi_reads

_NAMES = """
ali-cdn-real-ip cf-access-jwt-assertion cf-connecting-ip cf-connecting-ipv6 client-cert
client-cert-chain client-ip es-security-runas-user fastly-client-ip fly-client-ip forwarded
forwarded-for front-end-https http-client-ip iv-creds iv-groups iv-user iv-user-l l5d-client-id
oam-identity-domain oam-remote-user opendistro-security-impersonate-as
opensearch-security-impersonate-as proxy proxy-client-ip proxy-user remote-addr remote-email
remote-group remote-groups remote-host remote-ident remote-name remote-user script-name
sg-impersonate-as sm-serversessionid sm-universalid sm-user sm-userdn smuser
tailscale-app-capabilities true-client-ip unencoded-url x-accel-mapping x-anonymous-consumer
x-azure-clientip x-azure-socketip x-client-dn x-client-ip x-client-s-dn x-client-verify
x-cluster-client-ip x-forwarded x-goog-iap-jwt-assertion x-host x-http-host-override
x-http-path-override x-iis-windowsauthtoken x-middleware-subrequest x-original-for
x-original-forwarded-for x-original-host x-original-method x-original-proto x-original-uri
x-original-url x-originating-ip x-override-url x-proxy-roles x-proxy-url x-proxy-user
x-proxyuser-ip x-real-ip x-real-port x-rewrite-url x-script-name x-sendfile-type
x-sucuri-clientip x-url-scheme x-waws-unencoded-url
"""

CLIENT_FIELDS = frozenset(name.encode() for name in _NAMES.split())
"""Lower-cased names of fields that clients may not set.

With some a client could forge its address. With a user, certificate or role it could log in as
somebody else. With others it could replace path, host or method, and so bypass the route.
``Proxy`` becomes a program's ``HTTP_PROXY`` (httpoxy).
"""

CLIENT_PREFIXES = (
    b"cf-access-authenticated-",  # Cloudflare Access
    b"impersonate-",  # Kubernetes: another user's rights, by the gate's credentials
    b"ms-aspnetcore-",  # IIS in front of ASP.NET Core
    b"ssl-client-",  # nginx's and Apache's names
    b"tailscale-user-",
    b"wl-proxy-",  # WebLogic
    b"x-amzn-mtls-",  # AWS load balancers
    b"x-amzn-oidc-",
    b"x-appengine-",
    b"x-arr-",  # IIS Application Request Routing
    b"x-auth-couchdb-",
    b"x-auth-request-",  # oauth2-proxy
    b"x-authenticated-",  # Kong
    b"x-authentik-",
    b"x-client-cert",
    b"x-consumer-",  # Kong
    b"x-credential-",
    b"x-envoy-",
    b"x-forwarded-",  # also the extensions of Traefik, Authelia, Istio and others
    b"x-goog-authenticated-user-",
    b"x-ms-client-principal",  # Azure
    b"x-ms-token-",
    b"x-pomerium-",
    b"x-proxy-ext-",  # OpenSearch
    b"x-remote-",  # also Kubernetes' front proxy
    b"x-ssl-",  # HAProxy's examples
    b"x-tls-client-",
    b"x-vouch-",
    b"x-webauth-",  # Grafana, Gitea
)
"""The lower-cased prefixes of further such names."""

METHOD_OVERRIDES = frozenset(
    (b"x-http-method", b"x-http-method-override", b"x-http-verb", b"x-method-override")
)
"""Lower-cased names of fields with which some servers replace the request's method."""

WRITTEN_FIELDS = frozenset(
    (b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host")
)
"""Lower-cased names of the fields that the gate itself writes for every client."""

FORWARDED_FIELDS = (
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-prefix",
)
"""Lower-cased names of the fields that describe the client and its URL to an upstream."""

# No proxy sets these to describe its client: they change the behaviour of a program, or use the
# rights of the gate's own credentials.
_NO_PROXYS = frozenset(
    (
        b"es-security-runas-user",
        b"opendistro-security-impersonate-as",
        b"opensearch-security-impersonate-as",
        b"proxy",
        b"sg-impersonate-as",
        b"x-accel-mapping",
        b"x-middleware-subrequest",
        b"x-sendfile-type",
    )
)


def speaks_of_client(name: bytes) -> bool:
    """Return whether an upstream may trust a field to identify the client or the request.

    Args:
        name: The field's name in lower case, in any spelling (`as_cgi_reads`).
    """
    name = as_cgi_reads(name)
    return name in CLIENT_FIELDS or name.startswith(CLIENT_PREFIXES)


def is_proxys_word(name: bytes) -> bool:
    """Return whether a field from a trusted proxy passes unchanged.

    Args:
        name: The field's name in lower case. Another spelling, such as with ``_``, comes from a
            client that tries to get it past a proxy which removes the usual spelling.
    """
    if name in WRITTEN_FIELDS or name in _NO_PROXYS or name.startswith(b"impersonate-"):
        return False
    return name in CLIENT_FIELDS or name.startswith(CLIENT_PREFIXES)


class DroppedFields:
    """The lower-cased names of fields that don't go from a client to an upstream.

    `corsgate.message.headers.sift` caches the result for each tuple of names, so a membership test
    may cost a call.

    Args:
        names: Lower-cased names. Each is dropped in all spellings (`as_cgi_reads`).
        passed: Lower-cased names that pass nevertheless, only in this spelling.
    """

    __slots__ = ("_names", "_passed")

    def __init__(self, names: frozenset[bytes], passed: frozenset[bytes] = frozenset()) -> None:
        self._names = frozenset(map(as_cgi_reads, names))
        self._passed = passed

    def __contains__(self, name: object) -> bool:
        assert isinstance(name, bytes)
        is_dropped = as_cgi_reads(name) in self._names or speaks_of_client(name)
        return is_dropped and name not in self._passed
