"""A bar where somebody looks, lines where nobody does, and never a word on standard output."""

import re
import sys
from time import monotonic
from types import SimpleNamespace

import pytest

from querybudget import progress
from querybudget.tests.terminal import on_terminal

GONE = "\x1b[?25h\r\x1b[1A\x1b[2K"
"""The cursor is there again, and so is the line."""

COLOUR = re.compile(r"\x1b\[[\d;]+m")
SCRIPT = """
import time
from querybudget.progress import progress
with progress("books [bold]", 3) as shown:
    for number in range(3):
        with shown.aside():
            print("read", number, flush=True)
        time.sleep(0.2)
        shown.advance()
"""


def shown(script=SCRIPT, **options):
    return on_terminal(sys.executable, "-c", script, **options)


def test_a_terminal_shows_a_bar_that_is_gone_at_the_end():
    ran = shown()
    assert (ran.code, ran.printed) == (0, "read 0\nread 1\nread 2\n")
    assert "books [bold] " in ran.shown
    assert "2/3" in ran.shown
    assert COLOUR.search(ran.shown)
    assert ran.shown.endswith(GONE)


def test_what_is_said_aside_finds_the_line_empty():
    both = shown(piped=False).shown
    for number in range(3):
        assert both[: both.index(f"read {number}")].endswith(GONE)


def test_where_nothing_is_counted_there_is_no_number():
    script = "import time\nfrom querybudget.progress import progress\nwith progress('books'): time.sleep(0.3)"
    ran = shown(script, NO_COLOR="1").shown
    assert "books" in ran
    assert "?" not in ran.replace("\x1b[?25", "")


def test_no_color_means_no_colour():
    ran = shown(NO_COLOR="1")
    assert "3/3" in ran.shown
    assert not COLOUR.search(ran.shown)


def test_a_dumb_terminal_is_sent_lines():
    script = f"from querybudget import progress\nprogress.EVERY = 0\n{SCRIPT}"
    assert shown(script, TERM="dumb").shown.splitlines() == [f"books [bold]: {number} of 3" for number in (1, 2, 3)]


def test_an_error_leaves_no_bar():
    ran = shown("from querybudget.progress import progress\nwith progress('books', 3): raise SystemExit('no paper')")
    assert ran.code == 1
    assert ran.shown.endswith("\x1b[2Kno paper\r\n")


@pytest.mark.parametrize(("total", "line"), [(2000, "books: 1,500 of 2,000\n"), (None, "books: 1,500\n")])
def test_without_a_terminal_it_is_a_line_now_and_then(monkeypatch, capsys, total, line):
    start = monotonic()
    moments = iter([start + 9, start + 11, start + 12])
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(moments)))
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress.progress("books", total) as shown:
        shown.advance(500)
        shown.advance(1000)
        shown.advance(500)
    assert tuple(capsys.readouterr()) == ("", line)


def test_quiet_is_quiet(monkeypatch, capsys):
    monkeypatch.setattr(progress, "EVERY", 0)
    with progress.progress("books", quiet=True) as shown:
        shown.advance()
    assert shown.done == 1
    assert tuple(capsys.readouterr()) == ("", "")
