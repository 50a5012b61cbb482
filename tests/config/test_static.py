"""Static files: what is collected, under which names, and that nothing is compressed twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import brotli
import pytest
from django.contrib.staticfiles.finders import get_finder, get_finders
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.management import call_command

from config.static import Compressor, Finder

Collect = Callable[[], int]


class OfOne(Finder):
    """The files of one small app."""

    def __init__(self) -> None:
        super().__init__(app_names=["rest_framework"])


@pytest.fixture
def root(settings: Any, tmp_path: Path) -> Path:
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {"staticfiles": {"BACKEND": "config.static.Storage"}}
    settings.STATICFILES_FINDERS = [f"{__name__}.OfOne"]
    return tmp_path


@pytest.fixture
def collect(root: Path, monkeypatch: pytest.MonkeyPatch) -> Collect:
    """Run `collectstatic`; how many files were compressed to less."""
    written: list[str] = []
    write = Compressor.write_data

    def write_data(self: Compressor, path: str, data: bytes, suffix: str, stat_result: Any) -> str:
        written.append(path)
        return write(self, path, data, suffix, stat_result)

    monkeypatch.setattr(Compressor, "write_data", write_data)

    def run() -> int:
        written.clear()
        call_command("collectstatic", interactive=False, verbosity=0)
        return len(set(written))

    return run


def names(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_what_no_page_asks_for_is_not_collected(root: Path, collect: Collect, settings: Any) -> None:
    settings.STATICFILES_FINDERS = ["config.static.Finder"]
    collect()
    collected = names(root)
    assert any("swagger-ui-bundle" in name for name in collected)
    assert not [name for name in collected if "redoc" in name or ".map" in name]


def test_whitenoise_finds_the_same_files_where_nothing_is_collected() -> None:
    found = [name for finder in get_finders() for name, _ in finder.list(None)]
    assert any("swagger-ui-bundle" in name for name in found)
    assert not [name for name in found if "redoc" in name or name.endswith(".map")]


def test_each_file_has_one_name_and_that_name_has_its_hash(root: Path, collect: Collect) -> None:
    collect()
    plain = "rest_framework/css/default.css"
    hashed = staticfiles_storage.url(plain).removeprefix("/static/")
    collected = names(root)
    assert plain not in collected
    assert {hashed, f"{hashed}.br", f"{hashed}.gz"} <= collected


def test_what_is_compressed_is_not_compressed_again(root: Path, collect: Collect) -> None:
    assert collect() > 10
    before = names(root)
    assert collect() == 0
    assert names(root) == before


def test_a_file_that_changed_is_compressed(root: Path, collect: Collect, settings: Any, tmp_path_factory: Any) -> None:
    own = tmp_path_factory.mktemp("own")
    settings.STATICFILES_DIRS = [own]
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    get_finder.cache_clear()  # type: ignore[attr-defined]
    (own / "page.css").write_text("a { color: red }\n" * 100)
    assert collect() == 1
    (own / "page.css").write_text("a { color: blue }\n" * 100)
    assert collect() == 1
    get_finder.cache_clear()  # type: ignore[attr-defined]


def test_an_interrupted_compression_is_done_again(
    root: Path, collect: Collect, monkeypatch: pytest.MonkeyPatch
) -> None:
    collect()
    compressed = next(root.rglob("default.*.css.br"))
    whole = compressed.read_bytes()
    for suffix in (".br", ".gz"):
        compressed.with_suffix(suffix).unlink()

    def interrupt(self: Path, *arguments: Any) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "replace", interrupt)
        collect()
    assert not compressed.exists()
    assert collect() == 1
    assert compressed.read_bytes() == whole
    assert brotli.decompress(whole)
    assert not [name for name in names(root) if name.endswith(".tmp")]
