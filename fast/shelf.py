"""Pages that this process gave out lately, in its own memory: a hit on the same page again needs no other cache.

A page is found by its key and its stamp, which a request has from the database, as it is in the shared cache. So it
makes no difference which of the two has it, nor that each process has a shelf of its own.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

from api.pagecache import PAGE_SECONDS, kept, shared
from api.sealed import Page
from api.seam import accelerates
from fast.memo import forgetting

BYTES_MOST = 8_000_000  # of all bodies


class Shelf:
    """Holds `BYTES_MOST`, of those that were used last. For any thread."""

    def __init__(self) -> None:
        self._pages: OrderedDict[str, Page] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: str, stamp: str) -> Page | None:
        """The page under `key` if it has this very stamp."""
        with self._lock:
            page = self._pages.get(key)
            if page is None or page.stamp != stamp:
                return None
            self._pages.move_to_end(key)
            return page

    def put(self, key: str, page: Page) -> None:
        with self._lock:
            self._drop(key)
            self._pages[key] = page
            self._bytes += len(page.body)
            while self._bytes > BYTES_MOST:
                self._drop(next(iter(self._pages)))

    def clear(self) -> None:
        with self._lock:
            self._pages.clear()
            self._bytes = 0

    def _drop(self, key: str) -> None:
        page = self._pages.pop(key, None)
        if page:
            self._bytes -= len(page.body)


shelf = Shelf()
forgetting.append(shelf.clear)


@accelerates(kept)
def kept_here(key: str, stamp: str) -> Page | None:
    """From the shelf if it is of this stamp there, else from the cache, and on the shelf from then on."""
    page = shelf.get(key, stamp)
    if page is None or page.kept_at + PAGE_SECONDS < time.time():
        page = shared(key)
        if page and page.stamp == stamp:
            shelf.put(key, page)
    return page
