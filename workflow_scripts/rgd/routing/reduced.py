"""Keys of query sets and scenarios that are no generator's, and of cells that have less than all of their queries or members.

``real@500`` trains on 500 of the queries that ``real`` trains on; the pool ``large@without-qwen3-8b`` lacks one member; the
router ``latent_truth@50-labels`` gets the labels of 50 queries. The sign @ is in no key of the configuration, so these are
never taken for a scenario, pool or router of their own.
"""

REAL, BENCHMARK = "real", "benchmark"
"""The scenario of the benchmark's own training queries, and the query set that holds them and the test queries."""
MARK = "@"
WITHOUT = f"{MARK}without-"
LABELS = "-labels"


def of_size(scenario: str, queries: int) -> str:
    """The key of ``scenario`` with so many of its training queries."""
    return f"{scenario}{MARK}{queries}"


def whole_scenario(key: str) -> tuple[str, int | None]:
    """The scenario behind a key, and how many of its training queries are used; None for all."""
    scenario, mark, size = key.partition(MARK)
    return scenario, int(size) if mark else None


def without(pool: str, member: str) -> str:
    """The key of ``pool`` without ``member``."""
    return f"{pool}{WITHOUT}{member}"


def whole_pool(key: str) -> tuple[str, str | None]:
    """The pool behind a key, and the member that it lacks; None where it lacks none."""
    pool, mark, member = key.partition(WITHOUT)
    return pool, member if mark else None


def of_labels(router: str, labels: int) -> str:
    """The key of ``router`` with so many labels."""
    return f"{router}{MARK}{labels}{LABELS}"


def whole_router(key: str) -> tuple[str, int | None]:
    """The router behind a key, and how many labels the key gives it; None where its file says how many."""
    router, mark, labels = key.partition(MARK)
    return router, int(labels.removesuffix(LABELS)) if mark else None
