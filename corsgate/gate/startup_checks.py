"""What a configuration needs of this machine, looked at before anything is opened."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from stat import S_ISCHR, S_ISDIR, S_ISFIFO, S_ISREG
from typing import Any

from twisted.internet.endpoints import serverFromString

from corsgate.config.model.endpoint import files_of, handed_over, is_handed_over
from corsgate.config.model.oauth2 import OAuth2Credentials
from corsgate.config.model.rules import show
from corsgate.config.model.values import Config
from corsgate.config.toml.lines import Path, key_text, line_of
from corsgate.credentials.oauth2.request import token_server
from corsgate.errors import BadValue, ConfigError, Fault
from corsgate.server.alpn import HTTP1
from corsgate.server.tls import CertificateTable
from corsgate.transport.files import check_regular
from corsgate.transport.inherited import InheritedSocket, find_socket, inherited_sockets
from corsgate.upstream.fetch import as_upstream
from corsgate.upstream.tls import check_ciphers_here, creators

_LOG_MEND = "name a file that the daemon may write"


def preflight(
    config: Config, *, reactor: Any, file: str, lines: Mapping[Path, int] | None = None
) -> None:
    """Refuse a well-formed configuration that can't be served here.

    No port is opened and no file is made. A port that is taken shows only when the gate starts.

    Args:
        config: What would be served.
        reactor: What its endpoints would listen with.
        file: The configuration's name in faults.
        lines: Where each key stands, as `key_lines` returns; None where there is no file.

    Raises:
        ConfigError: With all faults at once, in the order of their lines.
    """
    known = lines or {}
    faults: list[Fault] = []

    def attempt(path: Path, make: Callable[[], object]) -> bool:
        try:
            make()
            return True
        except BadValue as error:
            faults.append(
                Fault(
                    file=file,
                    line=line_of(known, path),
                    key=key_text(path) if lines is not None else _option(path),
                    problem=error.problem,
                    fix=error.fix,
                )
            )
            return False

    sockets, taken = inherited_sockets(reactor), set[object]()
    for number, listener in enumerate(config.listeners):
        where = listener_path(known, number)
        text, certificates = listener.endpoint, listener.certificates
        at = where if where[0] == "listen" else (*where, "endpoint")
        if attempt(at, partial(check_endpoint_here, text, reactor)) and is_handed_over(text):
            attempt(at, partial(_take, text, sockets, taken))
        if certificates:
            attempt((*where, "certificates"), partial(CertificateTable, certificates, (HTTP1,)))
    for name, upstream in config.upstreams.items():
        templates = [each.template for each in upstream.discovered]
        servers = [*upstream.servers, *templates]
        place = ("upstreams", name)
        if attempt((*place, "tls", "ciphers"), partial(check_ciphers_here, upstream.tls)):
            attempt(place, partial(creators, upstream, servers))
        for part in upstream.credential_parts:
            if isinstance(part, OAuth2Credentials):
                attempt((*place, "credentials"), partial(check_oauth2_here, part))
    attempt(("access_log",), partial(check_access_log, config.access_log))
    if faults:
        raise ConfigError(sorted(faults, key=lambda fault: fault.line or 0), config.warnings)


def check_endpoint_here(text: str, reactor: Any) -> None:
    """Refuse an endpoint string that Twisted, with its plugins, can't make an endpoint of.

    Args:
        text: A string that `corsgate.config.model.endpoint.check_endpoint` accepts.
        reactor: What the endpoint would listen with.

    Raises:
        BadValue: It can't.
    """
    if is_handed_over(text):
        # `corsgate check` is not started by a socket unit. A gate that is not fails when it starts.
        if sockets := inherited_sockets(reactor):
            find_socket(text, sockets)
        return
    for name in files_of(text):
        try:
            for each in _pem_files(name) if text.lower().startswith("tls:") else (name,):
                check_regular(each)
        except FileNotFoundError:
            break  # Twisted says it better.
        except OSError as error:
            raise BadValue(
                f"{error.filename!r}, which {text!r} names, can't be read: {error.strerror}",
                "name a file that this user can read",
            ) from None
    try:
        serverFromString(reactor, text)
    except Exception as error:
        # What an endpoint's own parser raises for bad arguments is anyone's guess.
        reason = str(error) or type(error).__name__
        raise BadValue(
            f"Twisted can't listen on {text!r}: {reason}", "write it as Twisted's endpoints have it"
        ) from None


def _take(text: str, sockets: Sequence[InheritedSocket], taken: set[object]) -> None:
    """Refuse a socket from systemd that another listener accepts from, too."""
    wanted = handed_over(text)
    found = find_socket(text, sockets).index if sockets else (wanted.name, wanted.index)
    if found in taken:
        raise BadValue(
            f"{text!r} names the socket of another listener", "remove one of the two listeners"
        )
    taken.add(found)


def _pem_files(directory: str) -> list[str]:
    """Return what Twisted takes for files of certificates in a directory."""
    return [os.path.join(directory, name) for name in os.listdir(directory) if name[-4:] == ".pem"]


def check_oauth2_here(credentials: OAuth2Credentials) -> None:
    """Reject OAuth2 credentials whose files or certificates can't be used here.

    Whether the gate may write is not checked, since it may change its user after this.

    Args:
        credentials: The credentials.

    Raises:
        BadValue: The folder of ``token_file`` is missing, or OpenSSL refuses a certificate.
    """
    outside = as_upstream(token_server(credentials))
    creators(outside, outside.servers)
    path = credentials.token_file
    if path is None:
        return
    folder = os.path.dirname(path) or "/"
    if not os.path.isdir(folder):
        raise BadValue(f"{show(path)} can't be kept: there is no {folder}", "make the directory")
    if os.path.exists(path) and not os.path.isfile(path):
        raise BadValue(f"{show(path)} is not a file", "name a file that the daemon may replace")


def check_access_log(access_log: str | None) -> None:
    """Refuse an access log that can't be opened; it is not made.

    Args:
        access_log: A path, or what else `access_log` may be.

    Raises:
        BadValue: It can't be opened.
    """
    if access_log in (None, "-", "off"):
        return
    problem = None
    directory = os.path.dirname(access_log) or "."
    try:
        mode = os.stat(access_log).st_mode
        if S_ISDIR(mode):
            problem = "Is a directory"
        elif not (S_ISREG(mode) or S_ISCHR(mode) or S_ISFIFO(mode)):
            problem = "it is no file"
        elif not os.access(access_log, os.W_OK):
            problem = "Permission denied"
    except FileNotFoundError:
        if not os.path.isdir(directory):
            problem = f"there is no directory {directory!r}"
        elif not os.access(directory, os.W_OK | os.X_OK):
            problem = f"the directory {directory!r} can't be written to"
    except OSError as error:
        problem = error.strerror
    if problem is not None:
        raise BadValue(f"{access_log!r} can't be opened: {problem}", _LOG_MEND)


def listener_path(lines: Mapping[Path, int], number: int) -> Path:
    """Return where a listener stands: those of ``listen`` come first, then the tables.

    Args:
        lines: What `key_lines` returned; empty where there is no file.
        number: Its number among `Config.listeners`.
    """
    listed = sum(1 for path in lines if len(path) == 2 and path[0] == "listen")
    if number < listed or not lines:
        return ("listen", number)
    return ("listener", number - listed)


def _option(path: Path) -> str:
    """Return the option that stands for a key where there is no file."""
    return {"listen": "--listen", "upstreams": "--upstream"}.get(str(path[0]), str(path[0]))
