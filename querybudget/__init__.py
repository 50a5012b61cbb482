"""Query budgets for Django: every endpoint has one, every test that touches the endpoint holds it."""

from querybudget.capture import Watch, note, watch
from querybudget.hooks import UnseenQueriesError
from querybudget.query import Query

__all__ = ["Query", "UnseenQueriesError", "Watch", "note", "watch"]
