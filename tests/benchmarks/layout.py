"""Where the artifacts of a synthetic benchmark lie: the workflow's paths, relative to its folder."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """Paths under ``folder``; relative ones, as in a run of the workflow, where it is the current one."""

    folder: Path

    def path(self, *parts: str) -> Path:
        """``results/PARTS``."""
        return self.folder.joinpath("results", *parts)

    @property
    def questions(self) -> Path:
        return self.path("questions", "d", "benchmark.parquet")

    @property
    def labels(self) -> Path:
        return self.path("labels", "d", "benchmark.parquet")

    @property
    def splits(self) -> Path:
        return self.path("splits", "d.parquet")

    @property
    def embeddings(self) -> Path:
        return self.path("embeddings", "d", "benchmark.parquet")

    @property
    def answer_embeddings(self) -> Path:
        return self.path("answer_embeddings", "d", "benchmark", "p.parquet")

    @property
    def neighbours(self) -> Path:
        return self.path("neighbours", "d", "real.parquet")

    @property
    def training(self) -> Path:
        return self.path("training", "d", "real", "p.parquet")

    @property
    def consensus(self) -> Path:
        return self.path("consensus", "d", "real", "p.parquet")

    def responses(self, member: str) -> Path:
        return self.path("responses", "d", "benchmark", f"{member}.parquet")

    def of_cell(self, kind: str, router: str) -> Path:
        """``routers``, ``routes``, ``outcomes``, ``choices`` or ``cells`` of a router."""
        return self.path(kind, "d", "real", "p", f"{router}.parquet")

    @staticmethod
    def members(count: int) -> list[str]:
        """The keys of the pool."""
        return [f"m{member}" for member in range(count)]
