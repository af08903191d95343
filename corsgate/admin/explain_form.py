"""``/api/explain``: the output of ``corsgate explain``, with the configuration in force."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from urllib.parse import parse_qs

from twisted.internet.defer import Deferred

from corsgate.admin.resource import JSON, AdminResource, fail, respond
from corsgate.admin.turns import Turns
from corsgate.admin.view import View
from corsgate.config.model.values import Config
from corsgate.cors.origin import check_sent_origin
from corsgate.errors import BadValue
from corsgate.explain.explanation import explain
from corsgate.explain.given_call import given_call
from corsgate.explain.report import as_dict, as_text, verdict
from corsgate.gate.refusal_fix import option_for
from corsgate.server.request import GateRequest
from corsgate.server.whole_body import WholeBody

MAX_BODY_BYTES = 16 * 1024
MAX_TEXT_LENGTH = 8 * 1024
MAX_HEADERS = 50

_SURROGATE = re.compile("[\ud800-\udfff]")
_EXAMPLE = (
    'send JSON such as {"origin": "http://localhost:4200", "method": "PUT", "url":'
    ' "http://localhost:5555/v1/documents", "headers": ["X-App"], "credentials": false}'
)
_KEYS: Mapping[str, tuple[type, object]] = {
    "origin": (str, None),
    "method": (str, "GET"),
    "url": (str, None),
    "headers": (list, []),
    "credentials": (bool, False),
}
"""The keys of a question, each with its type and default; None if it is required."""


def explained(config: Config, file: str, asked: object) -> dict[str, Any]:
    """Explain a call.

    Args:
        config: The configuration in force.
        file: Its file; empty if there is none.
        asked: The client's question, parsed from JSON.

    Returns:
        The output of ``corsgate explain --json``, with ``verdict``, ``text`` (the output for
        people), ``file`` and ``option`` (the command line option that allows the call, if there is
        no file).

    Raises:
        BadValue: The question is not valid.
    """
    found = _checked(asked)
    origin = found["origin"]
    if "://" not in origin and origin.lower() != "null":
        # A person has typed it. What a refused call had is explained, whatever it is.
        try:
            check_sent_origin(origin)
        except BadValue as fault:
            raise BadValue(f"origin: {fault.problem}", fault.fix) from None
    call = given_call(**found)
    explanation = explain(config, config.written, call)
    return {
        **as_dict(explanation),
        "verdict": verdict(explanation),
        "text": as_text(explanation, file),
        "file": file or None,
        "option": option_for(config, explanation),
    }


def from_query(query: bytes) -> dict[str, Any]:
    """Return the question in a query: ``origin=&url=&method=&header=&header=&credentials=true``.

    Raises:
        BadValue: The query has too many fields.
    """
    try:
        fields = parse_qs(query.decode("latin-1"), max_num_fields=MAX_HEADERS + 10)
    except ValueError:
        raise BadValue("the query has too many fields", "leave some out") from None
    asked: dict[str, Any] = {
        name: fields[name][-1] for name in ("origin", "method", "url") if name in fields
    }
    asked["headers"] = fields.get("header", [])
    asked["credentials"] = fields.get("credentials", [""])[-1] in ("1", "true", "include")
    return asked


def _checked(asked: object) -> dict[str, Any]:
    """Return a question with its defaults filled in."""
    if not isinstance(asked, Mapping):
        raise BadValue("the body is not a JSON object", _EXAMPLE)
    unknown = sorted(set(map(str, asked)) - _KEYS.keys())
    if unknown:
        raise BadValue(f'"{unknown[0]}" is not a key', f"the keys are {', '.join(_KEYS)}")
    found: dict[str, Any] = {}
    for key, (kind, default) in _KEYS.items():
        value = asked.get(key, default)
        if value is None or value == "":
            raise BadValue(f"{key} is missing", _EXAMPLE)
        if not isinstance(value, kind):
            raise BadValue(f"{key} has a wrong type: it must be {kind.__name__}", _EXAMPLE)
        found[key] = value
    headers = found["headers"]
    if len(headers) > MAX_HEADERS or not all(isinstance(each, str) for each in headers):
        raise BadValue(f"headers is not a list of at most {MAX_HEADERS} strings", _EXAMPLE)
    texts = [found["origin"], found["method"], found["url"], *headers]
    if any(len(each) > MAX_TEXT_LENGTH for each in texts):
        raise BadValue(f"a string is longer than {MAX_TEXT_LENGTH} characters", "shorten it")
    if _SURROGATE.search("".join(texts)):
        # JSON can contain lone surrogates, which can't be encoded.
        raise BadValue("a string has half of a surrogate pair", "write whole characters")
    return found


class Explain(AdminResource):
    """Explains a call: POST with JSON, or GET with a query.

    Each explanation takes a separate turn of the reactor, so that several at the same time delay
    the gate's clients no longer than one.

    Args:
        view: Provides the configuration in force.
        turns: Runs the explanations.
    """

    methods: ClassVar[tuple[bytes, ...]] = (b"GET", b"HEAD", b"POST")

    def __init__(self, view: View, turns: Turns) -> None:
        super().__init__()
        self._view = view
        self._turns = turns

    def serve(self, request: GateRequest) -> None:
        """Respond with an explanation."""
        if request.method != b"POST":
            query = request.uri.partition(b"?")[2]
            self._respond(request, lambda: from_query(query))
            return
        types = request.index.get(b"content-type", [])
        if [each.partition(b";")[0].strip().lower() for each in types] != [JSON]:
            _respond(request, 415, {"error": f"Content-Type must be {JSON.decode()}"})
            return
        body = request.body
        if body is None:
            self._respond(request, lambda: _parsed(b""))
            return
        body.limit = MAX_BODY_BYTES
        too_large = {"error": f"the body is longer than {MAX_BODY_BYTES} bytes"}
        body.start(
            WholeBody(
                lambda data: self._respond(request, lambda: _parsed(data)),
                lambda: _respond(request, 413, too_large),
            )
        )

    def _respond(self, request: GateRequest, question: Callable[[], object]) -> None:
        working = Deferred.fromCoroutine(self._turns.take(lambda: self._answer(question)))
        # If the client disconnects, cancel it.
        request.on_lost = working.cancel
        working.addCallback(lambda answer: _respond(request, *answer))
        working.addErrback(lambda failure: fail(request, failure))

    def _answer(self, question: Callable[[], object]) -> tuple[int, Mapping[str, Any]]:
        """Return the status and the body of the response to a question."""
        try:
            return 200, explained(self._view.gate.config, self._view.file, question())
        except BadValue as error:
            return 400, {"error": str(error)}


def _parsed(data: bytes) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise BadValue("the body is not JSON", _EXAMPLE) from None


def _respond(request: GateRequest, status: int, answer: Mapping[str, Any]) -> None:
    respond(request, JSON, json.dumps(answer).encode(), status=status)
