"""An app with Flask-HTTPAuth, whose nonce is in the session cookie; its argument is the port."""

import sys

from flask import Flask, jsonify, request, session
from flask_httpauth import HTTPDigestAuth

app = Flask(__name__)
app.config["SECRET_KEY"] = "of the sessions"
auth = HTTPDigestAuth(realm="flask")


@auth.get_password
def password(name: str) -> str | None:
    """Return a user's password."""
    return "s3cret-of-the-box" if name == "admin" else None


@app.route("/who", methods=["GET", "POST"])
@auth.login_required
def who() -> object:
    """Return who asks, what the client's session has, and the body."""
    return jsonify(
        user=auth.current_user(), mine=session.get("mine"), body=request.get_data(as_text=True)
    )


@app.route("/begin")
@auth.login_required
def begin() -> str:
    """Keep something in the client's session."""
    session["mine"] = request.args["mine"]
    return "kept"


app.run("127.0.0.1", int(sys.argv[1]), threaded=True)
