"""Requests as they come in: framed beyond doubt, and of bounded size."""

from __future__ import annotations

import re
import time
from typing import Any

from waitress.parser import HTTPRequestParser, ParsingError
from waitress.receiver import ChunkedReceiver
from waitress.utilities import BadRequest, RequestHeaderFieldsTooLarge

HEADER_MOST = 65_536  # bytes of the request line and all fields: 1,000 ids in each of four parameters
FIELD_MOST = 8_190  # bytes of one field, as Apache's LimitRequestFieldSize
BODY_MOST = 2_500_000  # bytes; a JSON body ends sooner, at API_BODY_LIMIT
MEMORY_MOST = 65_536  # bytes of a body that are kept in memory, the rest in a temporary file
FRAMING_MOST = 16_384  # bytes around the data of a chunked body beyond as many as the data has
TRANSFER_ENCODING = re.compile(rb"^transfer-encoding[ \t]*:[ \t]*([^\r\n]*?)[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)


class StrictParser(HTTPRequestParser):
    """Refuses what two servers could read differently, and what costs more than it says.

    A request has one length: Transfer-Encoding is `chunked`, once, of HTTP/1.1, and without Content-Length (RFC
    9112, 6.1 and 6.3). Waitress lets Content-Length win over it in HTTP/1.0, and lose in 1.1.
    """

    body_rcv: Any
    error: Any
    headers: dict[str, str]

    def __init__(self, adj: Any) -> None:
        super().__init__(adj)
        self.began = time.time()

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        line, *fields = header_plus.split(b"\r\n")
        if b"ransfer-encoding" in header_plus.lower():
            codings = [coding.lower() for coding in TRANSFER_ENCODING.findall(header_plus[len(line) :])]
            if codings and (codings != [b"chunked"] or self.version != "1.1" or "CONTENT_LENGTH" in self.headers):
                raise ParsingError("The length of the body is in doubt")
        if max(map(len, fields), default=0) > FIELD_MOST:
            self.error = RequestHeaderFieldsTooLarge(f"a field exceeds {FIELD_MOST} bytes")
            self.completed = True
        elif self.chunked:
            self.body_rcv = BoundedChunks(self.body_rcv.getbuf())

    def received(self, data: bytes) -> int:
        consumed: int = super().received(data)
        if self.error:
            self.completed = True
        return consumed


class BoundedChunks(ChunkedReceiver):
    """A chunked body whose framing costs no more than its data: sizes, extensions, and what follows the last one."""

    framing = 0
    error: Any
    completed: bool
    trailer: bytes
    control_line: bytes

    def received(self, data: bytes) -> int:
        before = len(self)
        consumed: int = super().received(data)
        self.framing += consumed - (len(self) - before)
        if self.framing > FRAMING_MOST + len(self) or len(self.trailer) + len(self.control_line) > FIELD_MOST:
            self.error = BadRequest("The chunks of the body are mostly framing")
            self.completed = True
        return consumed
