"""Which static files there are, and how they are stored: without what no page asks for, compressed once.

Measured, `collectstatic` on Heroku's shape: of 31 MB that packages bring, 26 MB are Redoc, which no URL serves,
and source maps; Brotli took most of a minute for them, and twice, as each file was kept under two names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from django.contrib.staticfiles.finders import AppDirectoriesFinder
from django.contrib.staticfiles.storage import HashedFilesMixin
from whitenoise import compress, storage

LEFT_OUT = ["redoc", "*.map"]


class Finder(AppDirectoriesFinder):
    """The files of all apps but `LEFT_OUT`, for `collectstatic` and for WhiteNoise's own look-up."""

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterable[Any]:
        return super().list([*(ignore_patterns or ()), *LEFT_OUT])


class Compressor(compress.Compressor):
    """Both forms of a file or none, Brotli's last: what an interrupted run left behind is not taken for done."""

    def compress(self, path: str) -> list[str]:
        unfinished = [Path(name) for name in super().compress(path)]
        return [str(each.replace(each.with_suffix(""))) for each in reversed(unfinished)]

    def write_data(self, path: str, data: bytes, suffix: str, stat_result: Any) -> str:
        return str(super().write_data(path, data, f"{suffix}.tmp", stat_result))


class Storage(storage.CompressedManifestStaticFilesStorage):
    """Names with a hash, whose contents never change: what was compressed before is not compressed again."""

    patterns = tuple(
        (kind, tuple(pattern for pattern in found if "sourceMappingURL" not in str(pattern)))
        for kind, found in HashedFilesMixin.patterns
    )

    def create_compressor(self, **options: Any) -> Compressor:
        return Compressor(**options)

    def compress_files(self, paths: Iterable[str]) -> Iterator[tuple[str, str]]:
        return super().compress_files([path for path in paths if not self.exists(f"{path}.br")])
