"""What is left out of the log."""

from __future__ import annotations

import logging


class OneLine(logging.Filter):
    """Drops the traceback of what a stranger did wrong."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.exc_info = None
        return True
