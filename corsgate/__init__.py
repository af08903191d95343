"""A gateway with CORS for APIs nobody can change; and its policy for a server of one's own."""

from typing import TYPE_CHECKING

from corsgate.errors import PolicyError

if TYPE_CHECKING:
    from corsgate.resource import cors_resource

__all__ = ["PolicyError", "cors_resource"]


def __getattr__(name: str) -> object:
    """Import `cors_resource` once it is asked for: the deciding modules work without Twisted."""
    if name == "cors_resource":
        from corsgate.resource import cors_resource

        return cors_resource
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
