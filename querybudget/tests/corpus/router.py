class ArchiveRouter:
    """`Entry` lives on the second database, everything else on the default one."""

    def db_for_read(self, model, **hints):
        return "archive" if model._meta.object_name == "Entry" else None

    db_for_write = db_for_read

    def allow_migrate(self, db, app_label, model_name=None, **hints):
        return (db == "archive") == (model_name == "entry")

    def allow_relation(self, one, other, **hints):
        return True
