"""Tokens that let one request be captured in full: signed with the project's key, and short-lived.

    X-Query-Report: 900:1wNCxa:6bX…

The lifetime in seconds is part of what is signed, beside the time of signing. The salt binds the
signature to this purpose: nothing else that the project signs is a token, and a token is nothing else.
"""

from __future__ import annotations

import re

from django.core.signing import BadSignature, SignatureExpired, TimestampSigner

from querybudget.errors import UsageError

HEADER = "X-Query-Report"

LONGEST = 24 * 3600
"""Seconds that a token may live."""

_SALT = "querybudget.tokens.capture"
_UNITS = {"s": 1, "m": 60, "h": 3600}


class BadTokenError(ValueError):
    """A header that is no token of ours, or no more; the message says which and never holds the token."""


def issued(seconds: int) -> str:
    """A token for the next `seconds`.

    Raises:
        UsageError: less than one second or more than `LONGEST`.
    """
    if not 1 <= seconds <= LONGEST:
        raise UsageError(f"a token lives from one second to {LONGEST // 3600} hours, not {seconds} seconds")
    return TimestampSigner(salt=_SALT).sign(str(seconds))


def check(token: str) -> None:
    """Raise `BadTokenError` unless `token` is valid now. `SECRET_KEY_FALLBACKS` count too."""
    signer = TimestampSigner(salt=_SALT)
    try:
        signer.unsign(token, max_age=int(signer.unsign(token)))
    except SignatureExpired:
        raise BadTokenError("its token has expired") from None
    except (BadSignature, ValueError):
        raise BadTokenError("its token is not ours") from None


def seconds_of(duration: str) -> int:
    """ "90s", "15m" or "2h" in seconds.

    Raises:
        UsageError: it is none of these.
    """
    match = re.fullmatch(r"(\d+)([smh])", duration, re.ASCII)
    if not match:
        raise UsageError(f"a duration is like 90s, 15m or 2h, not {duration!r}")
    return int(match[1]) * _UNITS[match[2]]
