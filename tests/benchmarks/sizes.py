"""The sizes that are measured: queries by task, dimensions, members."""

from dataclasses import dataclass, replace

# Questions of each task: MMLU-Pro's test split (TIGER-Lab/MMLU-Pro) and SuperGPQA (m-a-p/SuperGPQA).
MMLU_PRO_TASKS = (1351, 1299, 1132, 1101, 969, 924, 844, 818, 798, 789, 717, 499, 410, 381)
SUPERGPQA_TASKS = (9838, 7892, 2755, 1676, 873, 674, 656, 501, 485, 484, 347, 205, 143)
TIMES = (1, 4, 16)


@dataclass(frozen=True)
class Size:
    """One synthetic benchmark.

    Attributes:
        name: its key.
        train, test: queries.
        tasks: shares of the tasks, in any unit.
        dimension: of the queries' embeddings.
        answer_dimension: of the answers' embeddings.
        members: of the pool.
    """

    name: str
    train: int
    test: int
    tasks: tuple[int, ...]
    dimension: int = 4096
    answer_dimension: int = 4096
    members: int = 6

    @property
    def embeddings_mb(self) -> float:
        """Size of the queries' embeddings, train and test, in MB."""
        return 4 * self.dimension * (self.train + self.test) / 1e6


MMLU_PRO = Size("mmlu_pro", 7089, 4737, MMLU_PRO_TASKS)
# Larger pools.
POOLS = tuple(
    replace(MMLU_PRO, name=f"members_{members}", dimension=384, answer_dimension=384, members=members)
    for members in (10, 12, 20)
)
SUPERGPQA = Size("supergpqa", 15917, 10612, SUPERGPQA_TASKS)
TINY = Size("tiny", 120, 80, (5, 4, 1), dimension=24, answer_dimension=8)
# The same test queries, ever more training queries: a fourth of SuperGPQA's, as many, four times as many. With fewer than
# 4,096, kNN compares all of them with each other to choose k, and grows with their square.
SCALING = tuple(
    replace(SUPERGPQA, name=f"train_{times}x", train=SUPERGPQA.train * times // 4, test=1000, answer_dimension=384)
    for times in TIMES
)
SIZES = {size.name: size for size in (MMLU_PRO, *POOLS, SUPERGPQA, TINY, *SCALING)}
