"""One run of ``corsgate adopt``, step by step."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from getpass import getpass
from importlib.util import find_spec
from pathlib import Path
from time import monotonic

import attrs

from corsgate.adopt.checklist import Case
from corsgate.adopt.config_text import Plan, config_text, prefix_of
from corsgate.adopt.findings import CORS, Finding, findings, shape_findings
from corsgate.adopt.known import known_box
from corsgate.adopt.login import (
    DIRECT,
    Account,
    Login,
    login_of,
    needs_secret,
    needs_user,
    variable_of,
)
from corsgate.adopt.plan import find_shape
from corsgate.adopt.probes import AGENT, BROWSER_AGENT, Look, Probe, Reply, clip
from corsgate.adopt.tls import TlsLook
from corsgate.cli import usage
from corsgate.cli.adopt_client import BoxClient, Deadline
from corsgate.cli.adopt_console import Console
from corsgate.cli.adopt_gate import (
    PROOF_S,
    START_S,
    GateFailed,
    command,
    free_port,
    gate_url,
    prove,
    running,
)
from corsgate.cli.adopt_login import LoginTrial, check_login
from corsgate.cli.adopt_look import Looking, Stop
from corsgate.cli.load import load
from corsgate.config.warning_lines import warning_lines
from corsgate.errors import BadValue, ConfigError
from corsgate.explain.url import Url

ALL_S = 58.0
"""The maximum time for everything, without the time for typing, in seconds."""

LOGIN_S = 8.0
"""The maximum time for all logins together, in seconds."""

_KEEPS_SECRET = ("digest", "ntlm", "aws_sigv4")
"""The kinds of credentials that don't send the secret itself."""


@attrs.define(kw_only=True)
class Adoption:
    """One run of the command.

    Args:
        url: The box's URL.
        origins: The origins to allow.
        output: The file to write.
        user: The user to log in as, or None.
        auth_env: The environment variable with the password or token, or None.
        overwrites: Whether it may replace files.
        port: The gate's port; None for the first free one.
        starts: Whether to start the gate.
        today: The date, as ISO 8601.
    """

    url: Url
    origins: tuple[str, ...]
    output: str
    user: str | None
    auth_env: str | None
    overwrites: bool
    port: int | None
    starts: bool
    today: str
    _say: Console = attrs.field(factory=Console, init=False)
    _secret: str | None = attrs.field(default=None, init=False, repr=False)
    _was_typed: bool = attrs.field(default=False, init=False)
    _risk: str = attrs.field(default="", init=False)
    _begun: float = attrs.field(factory=monotonic, init=False)

    def run(self) -> int:
        """Probe the box, ask, write the file, start and test the gate; return the exit status."""
        port = self.port or free_port()
        gate = gate_url(port)
        if self.auth_env and not os.environ.get(self.auth_env) and self.starts:
            raise Stop(f"environment variable {self.auth_env} is not set")
        looking = Looking(
            url=self.url,
            app=self.origins[0],
            gate=gate.origin.decode("ascii"),
            say=self._say,
        )
        look, client = looking.look()
        self.url = look.url
        replies = list(look.all_replies)
        known = known_box(replies)
        login = login_of(look, known)
        tls = looking.spoken.look if looking.spoken else None
        self._risk = _risk(self.url, is_verified=tls is None or not tls.problem)
        ca_file = f"{Path(self.output).with_suffix('')}-ca.pem"
        found = findings(look, login, known, tls, ca_file)
        self._say.title("Found")
        for each in found:
            self._say.finding(each)
        account = self._account(login)
        expected, is_proven, is_rejected = look.page, False, False
        if account is not None and self._secret is not None and account.kind in DIRECT:
            result = self._log_in(look, login, account, client, gate)
            is_rejected = result is None
            if result is not None:
                account, expected, look, more = result
                is_proven, before = True, found
                known = known_box(list(look.all_replies))
                login = login_of(look, known)
                if login.kinds and login.kinds[0] not in (*DIRECT, "ntlm"):
                    # This kind of box needs more than a password in each request.
                    account, is_proven = attrs.evolve(account, kind=login.kinds[0]), False
                found = [*more, *findings(look, login, known, tls, ca_file)]
                for each in found:
                    if each not in before:
                        self._say.finding(each)
        plan = Plan(
            url=look.url,
            origins=self.origins,
            port=port,
            found=tuple(found),
            login=login,
            account=account,
            today=self.today,
        )
        self._write(plan, tls, ca_file)
        if is_rejected:
            self._say.line("The gate was not started: the box would reject the same login again.")
            self._next(plan)
            return usage.FOUND
        if not self._can_start(account):
            self._next(plan)
            return usage.FINE if not self.starts else usage.FOUND
        case = _case(look, expected, plan, gate, is_proven=is_proven)
        return self._prove(case, plan)

    def _account(self, login: Login) -> Account | None:
        """Return the account for the gate's login, after asking for missing parts."""
        if not login.kinds:
            if login.wanted:
                self._say.line(
                    "  No kind of credentials was recognized: see docs/reference/credentials.md."
                )
            return None
        kind = login.kinds[0]
        if not needs_secret(kind):
            return Account(kind=kind)
        if self._risk and kind not in _KEEPS_SECRET:
            words = f"{kind.capitalize()} sends" if kind in DIRECT else "This login sends"
            self._say.line(f"\n{words} the secret {self._risk}")
        is_asked, asked = sys.stdin.isatty(), monotonic()
        user = self.user or ""
        if needs_user(kind) and not user:
            if not is_asked:
                raise Stop(
                    f"the box requires a login ({login.words}): give --user NAME and --auth-env"
                    " VARIABLE"
                )
            self._say.line("")
            what = "access key" if kind == "aws_sigv4" else "user"
            user = input(
                f"The box requires a login. {what.capitalize()} (empty for none): "
            ).strip()
            if not user:
                return None
        variable = self.auth_env or variable_of(kind)
        self._secret = os.environ.get(variable) or None
        if self._secret is None and is_asked and self.starts:
            if not needs_user(kind) or self.user:
                self._say.line("")
            what = "Password" if needs_user(kind) else "Token"
            self._secret = getpass(f"{what} (not written to the file): ") or None
            self._was_typed = True
        if self._secret is not None:
            try:
                check_login(kind, user, self._secret)
            except BadValue as error:
                raise Stop(f"this login can't be used: {error.problem}; {error.fix}") from None
        self._begun += monotonic() - asked
        return Account(kind=kind, user=user, variable=variable)

    def _log_in(
        self, look: Look, login: Login, account: Account, client: BoxClient, gate: Url
    ) -> tuple[Account, Reply, Look, Sequence[Finding]] | None:
        """Try the kinds of login whose outcome a single GET shows.

        Returns:
            The account with the accepted kind, the box's response to it, the results of further
            probes, and the findings about the gate's requests. None if all kinds were rejected.
        """
        assert self._secret is not None, "the caller has a secret to try"
        kinds = [kind for kind in login.kinds if kind in DIRECT]
        self._say.title("Login")
        client.until(Deadline(LOGIN_S))
        trial = LoginTrial(client.send, account.user, self._secret)
        probe = Probe(name="login", words="login", target=look.login_target, headers=_agent(look))
        for kind in kinds:
            if kind == "basic" and len(kinds) > 1 and self._risk:
                self._say.step("Basic", "not tried: others could read the password")
                continue
            if (kind == "bearer") is needs_user(account.kind):
                continue
            reply = trial.send(kind, probe)
            who = f"as {clip(account.user, 30)}" if account.user else "with the token"
            self._say.step(f"{kind.capitalize()} {who}", reply.words)
            if reply.failure or reply.status == 401:
                continue
            chosen = attrs.evolve(account, kind=kind)
            more = self._shape_with_login(look, reply, trial, kind, gate)
            return chosen, reply, self._look_again(look, reply, trial, kind), more
        return None

    def _look_again(self, look: Look, reply: Reply, trial: LoginTrial, kind: str) -> Look:
        """Probe what the box shows only after a login."""
        replies = {**look.replies, "logged-in": reply}
        options = Probe(
            name="logged-in-options",
            words="OPTIONS",
            method=b"OPTIONS",
            target=look.login_target,
            headers=_agent(look),
        )
        probes = [options]
        if look.login_target != "/":
            probes.append(
                Probe(name="logged-in-root", words="GET /", target="/", headers=_agent(look))
            )
        for probe in probes:
            replies[probe.name] = came = trial.send(kind, probe)
            self._say.probe(probe, came)
        return attrs.evolve(look, replies=replies)

    def _shape_with_login(
        self, look: Look, reply: Reply, trial: LoginTrial, kind: str, gate: Url
    ) -> Sequence[Finding]:
        """Probe again what the box accepts from a gate: many boxes check it after the login."""
        plan = find_shape(
            look.url,
            look.login_target,
            gate.origin.decode("ascii"),
            reply,
            agent=_agent_of(look),
        )
        replies: dict[str, Reply] = {}
        try:
            probe = next(plan)
            while True:
                replies[probe.name] = came = trial.send(kind, probe)
                self._say.probe(probe, came)
                probe = plan.send(came)
        except StopIteration as done:
            shape, tried = done.value
        return [] if shape == look.shape else list(shape_findings(shape, tuple(tried), replies))

    def _write(self, plan: Plan, tls: TlsLook | None, ca_file: str) -> None:
        """Write the configuration, then load it as the gate does."""
        text = config_text(plan)
        files: dict[str, bytes] = {self.output: text.encode("ascii")}
        if tls is not None and any("ca" in each.keys for each in plan.found):
            files[ca_file] = tls.authority_pem or b""
        for name, content in files.items():
            try:
                # Without "x" a dangling link, which doesn't exist for others, would be followed.
                with open(name, "wb" if self.overwrites else "xb") as file:
                    file.write(content)
            except OSError as error:
                raise Stop(f"{name} can't be written: {error.strerror}") from None
        self._say.title(f"Written to {' and '.join(files)}")
        try:
            config = load(self.output).config
        except ConfigError as error:
            raise Stop(f"the written file has a fault; please report this bug:\n{error}") from None
        for line in warning_lines(config.warnings):
            self._say.line(f"  warning: {line}")

    def _can_start(self, account: Account | None) -> bool:
        """Return whether the gate can be started; if not, print the reason."""
        if not self.starts:
            return False
        if account is None or not needs_secret(account.kind):
            return True
        if self._secret is None:
            words = f"environment variable {account.variable} is not set"
            self._say.line(f"The gate was not started: {words}.")
            return False
        if account.kind == "ntlm" and find_spec("spnego") is None:
            self._say.line("The gate was not started: NTLM needs pip install 'corsgate[ntlm]'.")
            return False
        return True

    def _prove(self, case: Case, plan: Plan) -> int:
        """Start the gate and call it. On a terminal, replace this process by it if all is well."""
        environ = self._environ(plan.account)
        self._say.title(f"Proof, through the gate at {case.gate.scheme}://{case.gate.authority}")
        crosses = 0
        try:
            left_s = ALL_S - PROOF_S - (monotonic() - self._begun)
            with running(self.output, plan.port, environ, max(START_S, left_s)):
                for check in prove(case):
                    self._say.check(check)
                    crosses += not check.is_fine
        except GateFailed as error:
            raise Stop(f"the gate did not start: {error}", usage.FOUND) from None
        self._next(plan, is_running=not crosses and sys.stdin.isatty() and sys.stdout.isatty())
        if crosses:
            return usage.FOUND
        if sys.stdin.isatty() and sys.stdout.isatty():
            arguments = command(self.output)
            os.execve(  # noqa: S606  # As above.
                arguments[0], arguments, {**os.environ, **environ}
            )
        return usage.FINE

    def _environ(self, account: Account | None) -> Mapping[str, str]:
        if account is None or self._secret is None:
            return {}
        return {account.variable: self._secret}

    def _next(self, plan: Plan, *, is_running: bool = False) -> None:
        """Print the next steps."""
        prefix = prefix_of(plan.url).rstrip("/")
        self._say.title("Next")
        box = f"{plan.url.scheme}://{plan.url.authority}{prefix}"
        self._say.line(f"  In the page, call http://localhost:{plan.port}{prefix}")
        self._say.line(f"  instead of        {box}")
        account = plan.account
        if is_running:
            self._say.line("  The gate is starting; press Ctrl-C to stop it. To start it again:")
            self._say.line("")
        is_unset = self._was_typed or self._secret is None
        if account is not None and needs_secret(account.kind) and is_unset:
            self._say.line(f"    read -rs {account.variable} && export {account.variable}")
        self._say.line(f"    corsgate run {shlex.quote(self.output)}")
        if is_running:
            self._say.line("")


def _case(look: Look, expected: Reply, plan: Plan, gate: Url, *, is_proven: bool) -> Case:
    """Return the case to test."""
    methods: list[str] = []
    headers: list[str] = []
    for each in plan.found:
        if each.table == CORS:
            methods += list(each.keys.get("allow_methods", ()))  # type: ignore[arg-type]
            headers += list(each.keys.get("allow_headers", ()))  # type: ignore[arg-type]
    listed = [name for name in headers if name != "*"]
    if is_proven:
        look = attrs.evolve(look, spot=look.login_target)
    elif plan.account is not None and look.visited:
        # After a login, the box does not redirect as before, for example to a login page.
        look = attrs.evolve(look, spot=look.url.target, visited=())
    if not look.is_served:
        expected = look.replies.get("browser", look.replies["first"])
        look = attrs.evolve(look, spot=look.url.target)
    return Case(
        look=look,
        expected=expected,
        app=plan.origins[0],
        gate=gate,
        method=methods[0] if methods else "",
        header=listed[0] if listed else "",
        has_login=plan.account is not None,
        is_proven=is_proven,
        login_path=plan.login.form.action if plan.login.form else "",
    )


def _risk(url: Url, *, is_verified: bool) -> str:
    """Return who may read a secret that is sent to a URL, with how; empty for the box alone."""
    if url.scheme == "http" and not url.is_loopback:
        return "unencrypted to this http URL: anyone on the network path can read it."
    if url.scheme == "https" and not is_verified:
        return "to whoever shows this certificate: compare its fingerprint with the box first."
    return ""


def _agent_of(look: Look) -> bytes:
    return BROWSER_AGENT if "browser" in look.replies else AGENT


def _agent(look: Look) -> tuple[tuple[bytes, bytes], ...]:
    return ((b"User-Agent", _agent_of(look)), (b"Accept", b"*/*"))
