"""Rendezvous hashing: each key has its server, and keeps it while that server is there.

Each server gets a score for each key, and the highest score wins (Thaler and Ravishankar, "A
name-based mapping scheme for rendezvous", 1996). If a server is removed, only its own keys move,
and they spread over all that remain. Weights follow the logarithm method (Schindelhauer and
Schomaker, "Weighted distributed hash tables", 2005).
"""

from __future__ import annotations

from hashlib import blake2b
from math import log

_MASK = (1 << 64) - 1


def digest(data: bytes) -> int:
    """Return a 64-bit hash of `data` that is the same in every process and on every machine."""
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "big")


def score(key: int, server: int, weight: float) -> float:
    """Return the score of a server for a key; the highest wins.

    Args:
        key: The key's `digest`.
        server: The server's `digest`.
        weight: Its weight, more than 0; equal weights cancel out.

    Returns:
        More than 0. Each server has the highest score for a share of all keys that equals its
        share of all weights.
    """
    # The 64-bit finalizer of MurmurHash3: each bit of key and server affects all bits.
    mixed = key ^ server
    mixed = ((mixed ^ mixed >> 33) * 0xFF51AFD7ED558CCD) & _MASK
    mixed = ((mixed ^ mixed >> 33) * 0xC4CEB9FE1A85EC53) & _MASK
    mixed ^= mixed >> 33
    # The argument of log is strictly between 0 and 1.
    return -weight / log(((mixed >> 11) + 0.5) / (1 << 53))
