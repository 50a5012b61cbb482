"""What must be reached, and whether it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure of `ratios`: what it is, and the bound that it must keep to."""

    what: str
    bound: float
    aim: float | None = None
    at_most: bool = False
    unit: str = "×"

    def reached(self, figure: float) -> bool:
        return figure <= self.bound if self.at_most else figure >= self.bound

    def row(self, figure: float) -> list[str]:
        sign = "≤" if self.at_most else "≥"
        aim = f" (aim {self.aim:.3g})" if self.aim else ""
        reached = "yes" if self.reached(figure) else "**no**"
        return [self.what, f"{figure:.3g} {self.unit}", f"{sign} {self.bound:.3g}{aim}", reached]


GOALS = {
    "cold_list_vs_drf": Goal("cold list, throughput: idiomatic DRF", 10, 15),
    "cold_list_vs_ninja": Goal("… django-ninja", 10, 15),
    "cold_list_vs_fastapi": Goal("… FastAPI + SQLAlchemy async", 5, 8),
    "cold_list_vs_raw": Goal("… the raw limit, prepared, same token check", 0.5, 0.8),
    "cold_list_cpu_vs_drf": Goal("cold list, processor time a request: idiomatic DRF", 1 / 12, 1 / 20, at_most=True),
    "ordinary_list_vs_drf": Goal("cold list with FAST=0, throughput: idiomatic DRF", 1.0),
    "hit_vs_fastapi": Goal("cached hit, throughput: FastAPI + asyncpg + Redis", 0.8, 1.0),
    "not_modified_vs_fastapi": Goal("304, throughput: FastAPI + asyncpg + Redis", 0.8, 1.0),
    "export_vs_copy": Goal("export with lines, rows a second: COPY of the same JSON", 0.8, 1.0),
    "export_rss_mb": Goal("… memory that it adds at its peak", 20, at_most=True, unit="MB"),
    "export_first_byte_ms": Goal("… its first byte", 50, at_most=True, unit="ms"),
    "depth_1_vs_10000": Goal("p50 of page 10,000: page 1", 1.25, at_most=True),
    "offices_10_vs_1000": Goal("p50 with 1,000 offices, list or summary: 10 offices", 1.25, at_most=True),
    "two_processes_vs_one": Goal("two processes, throughput of lists that serializers render: one process", 1.7),
    "rss_mb": Goal("peak memory, 32 clients, 3 threads, pages of 200", 100, at_most=True, unit="MB"),
    "create_vs_drf": Goal("time to create an order with 4 lines: idiomatic DRF", 0.5, at_most=True),
    "counting_overhead_pct": Goal(
        "processor time with querybudget's counting: without, the worst of cold, hit, 304", 2, at_most=True, unit="%"
    ),
}
