"""What a user did wrong, in one line that says what to do."""


class UsageError(Exception):
    """A bad ledger, option or setting; pytest turns it into exit code 4."""
