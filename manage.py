#!/usr/bin/env python
"""Django's command line for this project. What goes wrong is one line and an exit code; `--traceback` shows more."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.core.management.base import CommandParser
from django.db import OperationalError, ProgrammingError

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    CommandParser.print_usage = lambda *_: None  # before the line that says which option is wrong: --help has it
    try:
        execute_from_command_line(sys.argv)
    except (ImproperlyConfigured, OperationalError, ProgrammingError) as problem:
        if "--traceback" in sys.argv:
            raise
        sys.exit(f"error: {' '.join(str(problem).split())}")
    except KeyboardInterrupt:
        sys.exit(130)  # 128 + SIGINT, as shells count
