"""`api.memo`, as what is faster here uses it."""

from api.memo import MOST, Memo, forget, forgetting, memoised

__all__ = ["MOST", "Memo", "forget", "forgetting", "memoised"]
