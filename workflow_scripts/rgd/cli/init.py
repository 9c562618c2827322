"""The commands ``rgd init``: write new files of the configuration."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rgd.cli.arguments import above_zero, add_command, add_commands, add_config_dir, positive
from rgd.errors import UserError

if TYPE_CHECKING:
    from rgd.cli.arguments import Commands


def add(commands: "Commands") -> None:
    """Add the commands to those of ``rgd``."""
    subcommands = add_commands(add_command(commands, "init", "write new files of the configuration"))
    own = add_command(subcommands, "own", "dataset and experiment for tasks of your own, without labels", run_own)
    own.add_argument("name", metavar="NAME", help="name of the dataset, of the experiment, and of the files")
    own.add_argument("--task", action="append", default=[], metavar="NAME=DESCRIPTION", help="a task; repeat for each")
    own.add_argument("--tasks", type=Path, metavar="FILE", help="table with the columns task and description")
    own.add_argument(
        "--examples",
        type=Path,
        metavar="FILE",
        help="table with the columns task and question, from which a model writes the descriptions",
    )
    own.add_argument("--descriptor", metavar="NAME", help="who writes them: a file of config/descriptor")
    own.add_argument(
        "--pool", nargs="+", default=[], metavar="POOL", help="who answers (default: that of experiment own)"
    )
    own.add_argument(
        "--generator", nargs="+", default=[], metavar="NAME", help="who writes queries (default: the same)"
    )
    own.add_argument(
        "--queries", type=positive, metavar="N", help="queries to generate (default: those of dataset own)"
    )
    add_config_dir(own)
    model = add_command(subcommands, "model", "a model, and its line in a pool", run_model)
    model.add_argument("name", metavar="NAME", help="name of the file, and of the member")
    source = model.add_mutually_exclusive_group(required=True)
    source.add_argument("--weights", metavar="OWNER/NAME|DIR", help="weights on the hub or in a folder, run in the job")
    source.add_argument(
        "--server", metavar="URL", help="server of the OpenAI protocol, such as http://localhost:8000/v1"
    )
    source.add_argument("--gemini", metavar="MODEL", help="model of the Gemini API")
    model.add_argument("--served", metavar="MODEL", help="the model's name on the server (default: NAME)")
    model.add_argument("--key", metavar="VARIABLE", help="environment variable that holds the server's key")
    model.add_argument("--revision", metavar="COMMIT", help="commit, tag or branch on the hub (default: main's commit)")
    model.add_argument("--engine", choices=("vllm", "transformers"), help="what runs weights (default: vllm)")
    model.add_argument(
        "--way", choices=("generate", "likelihood"), default="generate", help="how it answers (default: %(default)s)"
    )
    model.add_argument("--pool", metavar="POOL", help="pool whose file gets the new member")
    model.add_argument("--title", help="name in tables (default: NAME)")
    model.add_argument("--licence", help="licence of the weights, or terms of the API")
    model.add_argument("--billion", type=above_zero, metavar="N", help="parameters in billions")
    model.add_argument("--max-model-len", type=positive, metavar="N", help="most tokens of prompt and answer together")
    model.add_argument("--gpus", type=positive, metavar="N", help="GPUs of a job that runs it (default: none)")
    add_config_dir(model)
    pool = add_command(subcommands, "pool", "a pool of models that have a file", run_pool)
    pool.add_argument("name", metavar="NAME", help="name of the file")
    pool.add_argument(
        "--models",
        nargs="+",
        required=True,
        metavar="MODEL",
        help="members, at least two: files of config/model, or MODEL-ASK for an ask of the file; with spaces or commas between them",
    )
    pool.add_argument("--title", help="name in tables (default: NAME)")
    add_config_dir(pool)
    recorded = add_command(subcommands, "recorded", "for answers that rgd import has written", run_recorded)
    recorded.add_argument("name", metavar="NAME", help="name of the imported dataset, and of the files")
    recorded.add_argument(
        "--from", dest="folder", type=Path, required=True, metavar="DIR", help="target folder of rgd import"
    )
    add_config_dir(recorded)


def run_own(options: argparse.Namespace) -> int:
    """``rgd init own``."""
    from rgd.tool.own_experiment import examples_of, tasks_given, tasks_of, write_own_experiment

    if options.task and options.tasks:
        raise UserError("give tasks with --task or with --tasks, not with both.")
    files = write_own_experiment(
        options.name,
        options.config_dir,
        tasks_of(options.tasks) if options.tasks else tasks_given(options.task),
        examples_of(options.examples) if options.examples else None,
        options.pool,
        options.generator,
        options.descriptor,
        options.queries,
    )
    print(*files, sep="\n")
    print(f"Run: snakemake --cores 2 --config experiment={options.name}")
    return 0


def run_model(options: argparse.Namespace) -> int:
    """``rgd init model``."""
    from rgd.tool.new_model import from_gemini, from_server, from_weights, write_model

    _refuse_unused(options)
    if options.weights is not None:
        source = from_weights(options.weights, options.engine or "vllm", options.revision)
    elif options.server is not None:
        source = from_server(options.server, options.served or options.name, options.key)
    else:
        source = from_gemini(options.gemini, options.key)
    given = {
        "title": options.title,
        "licence": options.licence,
        "parameters_billion": options.billion,
        "max_model_len": options.max_model_len,
        "gpus": options.gpus,
    }
    changes = {key: value for key, value in given.items() if value is not None}
    files = write_model(options.name, options.config_dir, source, changes, options.way, options.pool)
    print(*files, *source.remarks, sep="\n")
    if options.licence is None:
        print("licence: not stated. Write it into the file.")
    config, pool = options.config_dir, options.pool
    print(*(_without_pool(options.name, config) if pool is None else _with_pool(pool, config)), sep="\n")
    return 0


def run_pool(options: argparse.Namespace) -> int:
    """``rgd init pool``."""
    from rgd.tool.new_pool import write_pool

    # No name has a comma.
    chosen = [name for text in options.models for name in text.split(",") if name]
    print(*write_pool(options.name, options.config_dir, chosen, options.title), sep="\n")
    print(*_with_pool(options.name, options.config_dir), sep="\n")
    return 0


def _without_pool(name: str, config: Path) -> list[str]:
    """What to do with a new model that no pool has: the pools that could, and an experiment of each."""
    from rgd.tool.new_model import experiments_by_pool

    by_pool = experiments_by_pool(config)
    width = max(map(len, by_pool), default=0)
    return [
        f"Write a pool with it: rgd init pool NAME --models {name} MODEL",
        f"Or add it to a pool: a line `- {name}` under members. Then run, for",
        *(f"  {key.ljust(width)}  {_doctor(names[0])}" for key, names in by_pool.items()),
    ]


def _with_pool(pool: str, config: Path) -> list[str]:
    """What to do with a new pool, or a new member of it: the experiments that have the pool, or how to write one."""
    from rgd.tool.new_model import experiments_by_pool

    names = experiments_by_pool(config).get(pool, [])
    if not names:
        return [
            f"No experiment has the pool {pool}: add it under pools in a file of {config}/experiment, or write an experiment of "
            f'your own: rgd init own NAME --pool {pool} --task "TASK=DESCRIPTION"'
        ]
    also = f" (also in {', '.join(names[1:])})" if names[1:] else ""
    return [f"Run: {_doctor(names[0])}{also}"]


def _doctor(experiment: str) -> str:
    return f"rgd doctor --config experiment={experiment}"


def _refuse_unused(options: argparse.Namespace) -> None:
    """Refuse options that do not belong to the source.

    Raises:
        UserError: one is given.
    """
    of_source = {"weights": ("engine", "revision", "gpus"), "server": ("served", "key"), "gemini": ("key",)}
    used = next(names for source, names in of_source.items() if getattr(options, source) is not None)
    for name in ("engine", "revision", "gpus", "served", "key"):
        if getattr(options, name) is not None and name not in used:
            raise UserError(f"--{name} does not belong to this source of a model. Leave it out.")


def run_recorded(options: argparse.Namespace) -> int:
    """``rgd init recorded``."""
    from rgd.tool.recorded_experiment import write_experiment

    print(*write_experiment(options.name, options.folder, options.config_dir), sep="\n")
    print(f"Run: snakemake --cores 2 --config experiment={options.name} data_root={options.folder}")
    return 0
