"""What ``rgd label`` shows: the queries that the routers of an experiment or of a bundle ask for, and where labels go."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path

from rgd.artifacts.files import read_table
from rgd.config.products import unique
from rgd.config.routers import router_of
from rgd.config.schema import Config
from rgd.config.sweep import query_set, router_cells
from rgd.datasets.given_labels import Asked, asked_of, given_labels_file, read_given, write_given
from rgd.errors import UserError
from rgd.routing.reduced import BENCHMARK
from rgd.tool import bundle


@dataclass(frozen=True)
class Task:
    """Queries of one query set to label.

    Attributes:
        dataset, query_set: what they are of.
        file: where the labels go.
        queries: the most telling first.
    """

    dataset: str
    query_set: str
    file: Path
    queries: tuple[Asked, ...]

    def given(self) -> dict[str, str]:
        """The labels of these queries that are in the file.

        Raises:
            UserError: the file cannot be read, or a label cannot be one of its query.
        """
        return read_given(self.file, {query.query_id: query for query in self.queries})[0]

    def give(self, query: Asked, label: str) -> None:
        """Write a label to the file at once."""
        write_given(self.file, {query.query_id: label}, [query])

    def take_back(self, query: Asked) -> None:
        """Delete a label from the file at once; the query keeps its row."""
        write_given(self.file, {query.query_id: None}, [query])

    def lay_out(self) -> int:
        """Write a row for each query that has none, and return how many queries are without a label."""
        write_given(self.file, {}, self.queries)
        return len(self.queries) - len(self.given())


def tasks_of_experiment(config: Config) -> list[Task]:
    """What the experiment's routers ask a person for: queries of sets whose labels the dataset does not have.

    Where several cells ask, the first of each come before the second of each.

    Raises:
        UserError: no router asks for labels, all labels are known, or the queries are not chosen yet.
    """
    asking = [cell for cell in router_cells(config) if router_of(config, cell.router).labels]
    if not asking:
        raise UserError(
            f"no router of {config.name} asks for labels. Set `labels: 50` in config/router/latent_truth.yaml, or in a copy of it."
        )
    cells = [
        cell for cell in asking if query_set(cell.scenario) != BENCHMARK or not config.dataset[cell.dataset].is_tested
    ]
    if not cells:
        names = ", ".join(unique(cell.dataset for cell in asking))
        raise UserError(f"the labels of {names} are in its own file, so there is nothing to give. Run snakemake.")
    root, found = Path(config.paths.results), []
    for dataset, name in unique((cell.dataset, query_set(cell.scenario)) for cell in cells):
        files = [
            root.joinpath("queries_to_label", *cell[:3], f"{cell.router}.parquet")
            for cell in cells
            if (cell.dataset, query_set(cell.scenario)) == (dataset, name)
        ]
        if missing := [file for file in files if not file.exists()]:
            raise UserError(
                f"{missing[0]} is missing: the queries are not chosen yet. Run `snakemake --cores 1 to_label --config "
                f"experiment={config.name}` first, with the other settings of --config that you give here."
            )
        known = asked_of(read_table(root / f"questions/{dataset}/{name}.parquet"))
        order = [identity for file in files for identity in _orders(file)]
        wanted = [query for query in unique(chain.from_iterable(zip_longest(*order))) if query is not None]
        lost = [query for query in wanted if query not in known]
        if lost:
            raise UserError(f"{files[0]} is older than the questions of {dataset}. Run snakemake again.")
        file = given_labels_file(config.paths.labels, dataset, name)
        found.append(Task(dataset, name, file, tuple(known[query] for query in wanted)))
    return found


def _orders(file: Path) -> Iterator[list[str]]:
    """The queries of each seed, the most telling first."""
    table = read_table(file).to_pandas().sort_values(["seed", "place"])
    for _, part in table.groupby("seed"):
        yield part["query_id"].tolist()


def task_of_bundle(folder: Path, labels: str) -> Task:
    """What a bundle's router asks a person for.

    Args:
        folder: of the bundle.
        labels: the folder of labels.

    Raises:
        UserError: there is no bundle, or its router asks for no labels.
    """
    content = bundle.read(folder)
    if not content.to_label:
        raise UserError(
            f"the router of {folder} asks for no labels. Set `labels: 50` in its file in config/router, and write the bundle again."
        )
    cell = content.routing["cell"]
    names = (cell["dataset"], query_set(cell["scenario"]))
    if any(not name or name.startswith(".") or "/" in name or "\\" in name for name in names):
        raise UserError(
            f"{folder} names {'/'.join(names)!r}, which is no dataset and query set. Write the bundle again."
        )
    queries = tuple(Asked(**{**query, "options": tuple(query["options"])}) for query in content.to_label)
    return Task(*names, given_labels_file(labels, *names), queries)


def shown(query: Asked) -> str:
    """A query and its options as text."""
    options = [f"  {chr(ord('A') + place)}) {text}" for place, text in enumerate(query.options)]
    return "\n".join([query.question.strip(), *options])


def unlabelled(tasks: Iterable[Task]) -> list[tuple[Task, Asked]]:
    """The queries without a label, in order."""
    return [(task, query) for task in tasks for query in _without(task.queries, task.given())]


def _without(queries: Sequence[Asked], given: dict[str, str]) -> list[Asked]:
    return [query for query in queries if query.query_id not in given]
