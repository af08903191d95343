"""Find text that looks like an environment variable; only ``{ env = "NAME" }`` reads one."""

from __future__ import annotations

import re

from corsgate.errors import BadValue

_NAME = "([A-Za-z_][A-Za-z0-9_]*)"
_UPPER = "([A-Z_][A-Z0-9_]{2,})"
_BRACES = rf"\$\{{{_NAME}(?::?[-?+=][^}}]*)?\}}"
_WHOLE = tuple(
    re.compile(form)
    for form in (
        _BRACES,
        rf"\${_UPPER}",
        rf"%{_UPPER}%",
        rf"\$env:{_NAME}",
        rf"env[:.]{_UPPER}",
        rf"\{{\{{\s*(?:env\.)?{_UPPER}\s*\}}\}}",
        rf"""(?:os\.)?(?:env|getenv|environ(?:\.get)?)[(\[]\s*["']?{_UPPER}["']?\s*[)\]]""",
    )
)
_WITHIN = re.compile(_BRACES)
# A password may have such a form by chance. A name with one of these is probably not a password.
_TELLING = re.compile(r"PASS|PWD|TOKEN|SECRET|KEY|AUTH|CRED|USER|LOGIN|[A-Z]_[A-Z]", re.IGNORECASE)


def variable_named(text: str) -> str | None:
    """Return the variable that the whole text refers to in shells and other tools, or None.

    Args:
        text: Such as ``$BOX_PASSWORD``, ``${BOX_PASSWORD}``, ``%BOX_PASSWORD%`` or
            ``env:BOX_PASSWORD``.
    """
    found = (form.fullmatch(text) for form in _WHOLE)
    return next((match[1] for match in found if match is not None), None)


def refuse_variable(text: str) -> None:
    """Reject text, other than a secret, that is or contains a variable in shell notation.

    Raises:
        BadValue: The text has a variable.
    """
    if variable_named(text) is not None or _WITHIN.search(text) is not None:
        raise BadValue(
            "it contains an environment variable, but only secrets are read from the environment",
            "write the value itself",
        )


def env_table(name: str) -> str:
    """Return the TOML that reads a variable, without its name if that may itself be a password."""
    return f'{{ env = "{name if _TELLING.search(name) else "NAME"}" }}'


def variable_fix(rest: str) -> str:
    """Return the fix for a variable at the start of the rest of a line; empty if there is none."""
    found = (form.match(rest) for form in _WHOLE)
    name = next((match[1] for match in found if match is not None), None)
    return "" if name is None else f"write {env_table(name)} if it is a secret, else its value"
