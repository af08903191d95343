"""An app with Flask-HTTPAuth, whose nonce is in the session cookie; its argument is the port."""

from __future__ import annotations

import sys
from typing import Any

from flask import Flask, jsonify, request, session
from flask_httpauth import HTTPDigestAuth

app: Any = Flask(__name__)
app.config["SECRET_KEY"] = "of the sessions"
auth: Any = HTTPDigestAuth(realm="flask")


def password(name: str) -> str | None:
    """Return a user's password."""
    return "s3cret-of-the-box" if name == "admin" else None


def who() -> object:
    """Return who asks, what the client's session has, and the body."""
    return jsonify(
        user=auth.current_user(), mine=session.get("mine"), body=request.get_data(as_text=True)
    )


def begin() -> str:
    """Keep something in the client's session."""
    session["mine"] = request.args["mine"]
    return "kept"


auth.get_password(password)
app.add_url_rule("/who", "who", auth.login_required(who), methods=["GET", "POST"])
app.add_url_rule("/begin", "begin", auth.login_required(begin))
app.run("127.0.0.1", int(sys.argv[1]), threaded=True)
