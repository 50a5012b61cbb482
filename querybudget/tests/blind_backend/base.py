from django.db.backends.sqlite3 import base


class OwnCursor:
    """A cursor wrapper that has nothing to do with Django's."""

    def __init__(self, cursor, db):
        self.cursor, self.db = cursor, db


class DatabaseWrapper(base.DatabaseWrapper):
    def make_cursor(self, cursor):
        return OwnCursor(cursor, self)
