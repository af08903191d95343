"""What the status of an error means for a call, apart from CORS."""

from __future__ import annotations

_WORDS = {
    400: "the server finds the request malformed: compare its parameters and body",
    401: "the server wants a login: the request has no credentials, or wrong ones",
    403: "the server refuses the request: check the account's rights, and its checks of Origin"
    " and Host",
    404: "there is nothing at this path: compare it with the server's, and look at strip_prefix",
    405: "the path does not take this method",
    406: "the server has no representation of the type in Accept",
    407: "a proxy on the way wants a login",
    409: "the request conflicts with the server's state",
    411: "the server wants a Content-Length",
    412: "a precondition, such as If-Match, does not hold",
    413: "the body is larger than the server, or max_body_bytes of the gate, allows",
    415: "the server does not take this Content-Type",
    421: "the server does not serve this host: see hosts of the gate",
    422: "the server understands the body but not its content",
    428: "the server wants a precondition, such as If-Match",
    429: "there were too many requests; Retry-After may say when to try again",
    500: "the server failed; its log has the reason",
    501: "the server does not know this method",
    502: "a gateway got no valid response from the server behind it; its log has the reason",
    503: "the server, or the gateway before it, is overloaded or down",
    504: "a gateway waited too long for the server behind it",
}


def status_words(status: int) -> str:
    """Return what the status of an error means, in one sentence.

    Args:
        status: The status code.

    Returns:
        A sentence such as ``401: the server wants a login ...``; empty for a status below 400.

    Source: RFC 9110 15.5 and 15.6, RFC 6585.
    """
    if status < 400:
        return ""
    other = "the server failed" if status >= 500 else "the server refuses the request"
    return f"{status}: {_WORDS.get(status, other)}."
