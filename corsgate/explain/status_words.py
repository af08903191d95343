"""The meaning of an error's status for a call, apart from CORS."""

from __future__ import annotations

_WORDS = {
    400: "the server rejects the request as malformed: check its parameters and body",
    401: "the server requires a login: the request has no credentials, or wrong ones",
    403: "the server refuses the request: check the account's rights, and whether the server"
    " checks Origin or Host",
    404: "nothing exists at this path: compare it with the server's, and check strip_prefix",
    405: "the method is not supported at this path",
    406: "the server has no representation of a type in Accept",
    407: "a proxy on the path requires a login",
    409: "the request conflicts with the server's state",
    411: "the server requires a Content-Length",
    412: "a precondition, such as If-Match, is not met",
    413: "the body is larger than the server, or max_body_bytes of the gate, allows",
    415: "the server does not support this Content-Type",
    421: "the server does not serve this host: check hosts of the gate",
    422: "the body is well-formed, but the server rejects its content",
    428: "the server requires a precondition, such as If-Match",
    429: "there were too many requests; Retry-After may have the time to wait",
    500: "the server failed; its log has the reason",
    501: "the server does not support this method",
    502: "a gateway got no valid response from the server behind it; its log has the reason",
    503: "the server, or a gateway in front of it, is overloaded or down",
    504: "a gateway waited too long for the server behind it",
}


def status_words(status: int) -> str:
    """Return the meaning of an error's status, in one sentence.

    Args:
        status: The status code.

    Returns:
        A sentence such as ``401: the server requires a login ...``; empty for a status below 400.

    Source: RFC 9110 15.5 and 15.6, RFC 6585.
    """
    if status < 400:
        return ""
    other = "the server failed" if status >= 500 else "the server refuses the request"
    return f"{status}: {_WORDS.get(status, other)}."
