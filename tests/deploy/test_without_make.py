"""The README's way without `make`, run as it stands."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.deploy.clone import ROOT, cloned, outside
from tests.sample import full


@full
def test_three_lines_serve(tmp_path: Path) -> None:
    block = re.search(r"Without `make`:\n\n```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block
    *install, serve = block[1].splitlines()
    clone = cloned(tmp_path / "app")
    for line in install:
        subprocess.run(line.split(), cwd=clone, env=outside(), check=True, stdout=subprocess.DEVNULL)
    server = subprocess.Popen(
        serve.split(), cwd=clone, env=outside() | {"PORT": "0"}, stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout
        assert server.stdout.readline().startswith("serving on http://127.0.0.1:")
    finally:
        server.terminate()
        server.communicate()
