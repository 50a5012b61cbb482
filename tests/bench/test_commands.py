"""Both commands from end to end, quickly. That all peers answer the same is part of it; figures are not looked at."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import bench.__main__
from bench.contenders import PEERS
from bench.goals import GOALS
from config.measuring import ROOT
from tests.sample import full

RATIOS = (
    "cold_list_vs_drf",
    "cold_list_vs_ninja",
    "cold_list_vs_fastapi",
    "cold_list_vs_raw",
    "cold_list_cpu_vs_drf",
    "ordinary_list_vs_drf",
    "hit_vs_fastapi",
    "not_modified_vs_fastapi",
    "export_vs_copy",
    "export_rss_mb",
    "export_first_byte_ms",
    "depth_1_vs_10000",
    "offices_10_vs_1000",
    "two_processes_vs_one",
    "rss_mb",
    "create_vs_drf",
    "counting_overhead_pct",
)
ABSENT = "the peers are not installed: make .venv-peers/installed"


def run(module: str, *options: str) -> subprocess.CompletedProcess[str]:
    """With servers of their own: the suite's database is not theirs to fill."""
    own = ("TEST_DATABASE_URL", "TEST_REDIS_URL")
    environment = {name: value for name, value in os.environ.items() if name not in own}
    command = [sys.executable, "-m", module, "--quick", *options]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=600)


@full
@pytest.mark.skipif(not PEERS.exists(), reason=ABSENT)
def test_ours_and_all_peers_agree_and_every_ratio_is_a_number(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "benchmarks.md").read_text()
    done = run("bench", "--results", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "all answer the same pages" in done.stdout
    ratios = json.loads((tmp_path / "latest.json").read_text())["ratios"]
    assert sorted(ratios) == sorted(RATIOS) == sorted(GOALS)
    assert all(math.isfinite(figure) for figure in ratios.values()), ratios
    assert all(ratios[name] > 0 for name in RATIOS if name not in ("export_rss_mb", "counting_overhead_pct")), ratios
    assert (ROOT / "docs" / "benchmarks.md").read_text() == page


@full
def test_the_scale_is_measured_for_each_number_of_orders(tmp_path: Path) -> None:
    done = run("bench.scale", "--results", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "2,000 will take about" in done.stdout
    found = json.loads((tmp_path / "scale.json").read_text())
    assert found["orders"] == [1000, 2000]
    assert len(found["ratios"]) == 5
    for one, other in found["ratios"].values():
        assert one == 1
        assert other > 0


def test_without_peers_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bench.__main__, "PEERS", tmp_path / "python")
    monkeypatch.setattr(sys, "argv", ["bench"])
    with pytest.raises(SystemExit, match=f"^error: {re.escape(ABSENT)}$"):
        bench.__main__.main()
