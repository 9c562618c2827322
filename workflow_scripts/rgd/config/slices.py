"""Slices: the smallest part of the configuration that can change a rule's output, as canonical JSON.

Snakemake reruns a job when the text of its parameters changes, so whatever is left out here reruns nothing: titles, engine,
threads, memory, chunk sizes, addresses, folders.
"""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rgd.answers.kinds import LATEX, LETTER, NUMBER, OPTION_TEXT, TEXT, WITHOUT_OPTIONS, YES_NO
from rgd.artifacts.texts import read_text
from rgd.config import generated, scenarios
from rgd.config.files import prompt_file
from rgd.config.members import members
from rgd.config.prices import member_rates
from rgd.config.products import listed
from rgd.config.routers import router_of
from rgd.config.schema import Ask, Config, Descriptor, Embedder, Featurizer, Generator, Model, Source, Weights
from rgd.datasets.mirror import DATA_CACHE, divided, source_files
from rgd.engines.prompts import in_one_form, text_in_one_form
from rgd.routing.reduced import REAL
from rgd.store.answers import SERVED
from rgd.weights.content import path_identity


def canonical(content: Any) -> str:
    """``content`` as JSON in one fixed form: sorted keys, no spaces."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def weights(spec: Weights | None) -> dict[str, Any] | None:
    """All of a weights section: where the file comes from and how it is checked; None for a model that a server runs."""
    return None if spec is None else spec.model_dump()


def api(model: Model | Embedder) -> dict[str, Any] | None:
    """How a model's server is asked; None for a model that runs in the job."""
    return None if model.api is None else model.api.model_dump(exclude={"revision"})


def model_identity(model: Model | Embedder) -> str:
    """What identifies a model: its weights, or for an API the provider, model and revision, but not the address.

    Weights in a folder of the user's own are identified by the folder's content too.

    Raises:
        UserError: the folder cannot be read.
    """
    if model.api is None:
        assert model.weights is not None  # the schema's rule
        identity = model.weights.identity
        return path_identity(str(model.weights.path)) if identity.startswith("path:") else identity
    name = f"{model.engine}:{model.api.model}"
    return name if model.api.revision is None else f"{name}@{model.api.revision}"


def writing_engine(config: Config, spec: Descriptor | Featurizer | Generator) -> str:
    """The engine for a descriptor, featurizer or generator: the one that its file names, else the model's own."""
    return spec.engine or config.model[spec.model].engine


def benchmark(config: Config, dataset: str) -> dict[str, Any]:
    """What determines the benchmark's questions."""
    spec = config.dataset[dataset]
    return {
        "adapter": spec.adapter,
        "source": None if spec.source is None else _read_of(spec.source),
        "seed": spec.seed,
        "questions_per_task": spec.questions_per_task,
        "tasks": list(spec.tasks),
        **({} if spec.kind in (LETTER, LATEX) else {"answer_kind": spec.kind}),
    }


def own_tasks(config: Config, dataset: str) -> dict[str, Any]:
    """What the dataset's file says about tasks that are only described."""
    spec = config.dataset[dataset]
    return {"tasks": list(spec.tasks), "examples": dict(spec.examples), "seeds": list(config.experiment.seeds)}


def _read_of(source: Source) -> dict[str, Any]:
    """What determines the rows of a source: neither where it is fetched from, nor the folder of a user's own file."""
    read = source.model_dump(exclude={"host", "remote"})
    if source.columns is not None and source.columns.same_options is None:
        del read["columns"]["same_options"]
    if source.repo is None and Path(source.file).is_absolute():
        read["file"] = divided(source.file)[1]
    return read


def fetching(config: Config, dataset: str) -> dict[str, Any]:
    """What :mod:`rgd.datasets.hub` needs to fetch a dataset's files."""
    source = config.dataset[dataset].source
    assert source is not None  # a dataset without one has nothing to fetch
    return {"source": source.model_dump(), "tasks": list(config.dataset[dataset].tasks)}


def fetched(config: Config, dataset: str) -> dict[str, Any]:
    """What is fetched for a dataset, wherever it comes from."""
    source = config.dataset[dataset].source
    assert source is not None
    names = [file.name for file in source_files(source.model_dump(), list(config.dataset[dataset].tasks))]
    return {"repo": source.repo, "revision": source.revision, "files": names}


def data_roots(config: Config, dataset: str) -> list[str]:
    """The folder to search for a dataset's files: the user's, else the cache of files that the workflow fetched."""
    source, root = config.dataset[dataset].source, config.paths.data_root
    if source is None:
        return []
    if source.repo is None and Path(source.file).is_absolute():
        return [divided(source.file)[0]]
    if root is not None:
        return [root]
    return [] if source.repo is None else [str(Path(config.paths.cache).expanduser() / DATA_CACHE)]


def splits(config: Config, dataset: str) -> dict[str, Any]:
    """What determines the benchmark's splits."""
    spec = config.dataset[dataset]
    return {
        "seeds": list(config.experiment.seeds),
        "train_share": spec.train_share,
        "reserved_per_task": spec.reserved_per_task,
    }


def descriptions(config: Config, dataset: str) -> dict[str, Any]:
    """The task descriptions that a person wrote, in the tasks' order."""
    return {"tasks": [[task, text] for task, text in config.dataset[dataset].tasks.items()]}


def describing(config: Config, folder: Path, dataset: str, variant: str) -> dict[str, Any]:
    """What determines the texts of a dataset's descriptor, as rgd.store.answers.AnswerSettings."""
    spec = config.descriptor[str(config.dataset[dataset].descriptor)]
    return _writing(config, spec, _prompt(folder, getattr(spec.prompts, variant)))


def described(config: Config, dataset: str, variant: str) -> dict[str, Any]:
    """What a descriptor is shown for every task: its reserved questions, or its default description."""
    spec = config.dataset[dataset]
    shown = {"reserved_per_task": spec.reserved_per_task} if variant == scenarios.DEFAULT else {}
    return {"tasks": list(spec.tasks), **shown}


def generation(config: Config, folder: Path, generator: str) -> dict[str, Any]:
    """What determines the text of a generator's draws, as rgd.store.answers.AnswerSettings; its prompts are one JSON text."""
    spec = config.generator[generator]
    prompt = {
        "instruction": text_in_one_form(_text(folder, spec.prompt)),
        "examples": [text_in_one_form(_text(folder, example)) for example in spec.examples],
    }
    return _writing(config, spec, canonical(prompt))


def drawing(config: Config, dataset: str, scenario: str) -> dict[str, Any]:
    """How many queries a scenario's generator is to write, and when it stops trying."""
    found = scenarios.parse(config, scenario)
    spec = config.generator[found.generator]
    return {
        "queries": generated.queries(config, dataset, found),
        "max_draws_per_task": spec.max_draws_per_task,
        "seed": spec.seed,
        **({} if config.dataset[dataset].kind == LETTER else {"answer_kind": OPTION_TEXT}),
    }


def featurizing(config: Config, folder: Path, featurizer: str) -> dict[str, Any]:
    """What determines the texts of a featurizer, as rgd.store.answers.AnswerSettings."""
    spec = config.featurizer[featurizer]
    return _writing(config, spec, _prompt(folder, spec.prompt))


def answering(config: Config, folder: Path, member: str, answer_kind: str = LETTER) -> dict[str, Any]:
    """What determines a member's answers to questions of a kind, as rgd.store.answers.AnswerSettings."""
    found = members(config)[member]
    model, ask = found.model, found.ask
    return {
        **_model(model),
        "way": ask.way,
        "prompt": _prompt(folder, prompt_of(ask, answer_kind)),
        "sampling": model.sampling.model_dump() if ask.way == "generate" else None,
        "answers_epoch": model.answers_epoch,
    }


def prompt_of(ask: Ask, answer_kind: str) -> str:
    """The prompt for questions of a kind. By likelihood, the options' texts follow the same prompt whatever is asked for."""
    prompts = {LATEX: ask.prompt_mathematics, NUMBER: ask.prompt_number, TEXT: ask.prompt_text}
    if ask.way == "generate":
        prompts |= {OPTION_TEXT: ask.prompt_option_text, YES_NO: ask.prompt_option_text}
    return prompts.get(answer_kind, ask.prompt)


def comparing(config: Config, dataset: str) -> dict[str, Any]:
    """What determines which answers to questions without options are equal."""
    spec = config.dataset[dataset]
    return {"answer_kind": spec.kind} | (
        {"tolerance": spec.answer_tolerance.model_dump()} if spec.kind == NUMBER else {}
    )


def reader(config: Config, member: str) -> str:
    """How a member's written answers are read; nothing that is asked depends on it."""
    return members(config)[member].ask.reader


def asked_under(config: Config, folder: Path, names: Sequence[str]) -> list[list[Any]]:
    """Each member with the settings of its answers in the store, by kind of answer; None for a recorded member."""
    asked = members(config)
    kinds = sorted({spec.kind for spec in config.dataset.values()})
    return [
        [name, {kind: answering(config, folder, name, kind) for kind in kinds} if name in asked else None]
        for name in names
    ]


def embedding(spec: Embedder) -> dict[str, Any]:
    """What determines a text's vector."""
    return {
        "weights": model_identity(spec),
        "max_model_len": spec.max_model_len,
        "dtype": spec.dtype if spec.api is None else SERVED,
        "dimension": spec.dimension,
        "pooling": spec.pooling,
    }


def model_of(config: Config, member: str) -> tuple[str, Model]:
    """The name and the settings of the model behind ``member``."""
    found = members(config)[member]
    return found.model_name, found.model


def router(config: Config, name: str) -> dict[str, Any]:
    """What determines what a router learns."""
    spec = router_of(config, name)
    return {
        "method": spec.method,
        "parameters": spec.parameters,
        **({"labels": spec.labels} if spec.labels else {}),
    }


def fitting(config: Config, name: str, pool: Sequence[str], knows_sizes: bool = False) -> dict[str, Any]:
    """What determines what a router learns from a pool, with prices unless every call costs 1, and sizes if it knows them."""
    rates = member_rates(router_of(config, name), {key: found.model for key, found in members(config).items()}, pool)
    found = router(config, name) | ({} if rates is None else {"prices": rates})
    if knows_sizes:
        sizes = parameters_billion(config)
        found["parameters_billion"] = [sizes[member] for member in pool]
    return found


def revealing(config: Config, dataset: str, name: str) -> dict[str, Any]:
    """How many labels a router gets, and, of answers without options, when a label that a person wrote equals an answer."""
    compared = comparing(config, dataset) if config.dataset[dataset].kind in WITHOUT_OPTIONS else {}
    return {"labels": router_of(config, name).labels, **compared}


def routing(config: Config, name: str) -> dict[str, Any]:
    """What determines the answers that a fitted router gives."""
    spec = router_of(config, name)
    return {**router(config, name), "variants": spec.variants, "aggregate": spec.aggregate}


def consensus(config: Config) -> dict[str, Any]:
    """What determines the consensus artifact."""
    return {"vote_weight": config.vote_weight, "min_votes": config.min_votes}


def parameters_billion(config: Config) -> dict[str, float | None]:
    """The size of every member of the experiment's pools, from the file of its model or recorded pool; None if unknown."""
    known = members(config)
    sizes: dict[str, float | None] = {}
    for pool in (config.pool[name] for name in listed(config).pools):
        for member in pool.members:
            size = pool.parameters_billion.get(member) if pool.recorded else known[member].model.parameters_billion
            sizes[member] = sizes.get(member) if size is None else size
    return sizes


def file_labels(config: Config) -> dict[str, int]:
    """How many labels the experiment's routers get by their own files, of those that get any."""
    return {name: config.router[name].labels for name in listed(config).routers if config.router[name].labels}


def interval(config: Config) -> dict[str, Any]:
    """How the intervals of the cells are computed."""
    return config.experiment.interval.model_dump()


def costs(config: Config) -> dict[str, Any]:
    """How quality is compared with cost: the bootstrap, the unit, the arena score, and each member's rates in dollars.

    A member's ``prices`` are dollars per call, per prompt token and per completion token; None if they are unknown.
    """
    spec = config.experiment.costs
    found: dict[str, list[float] | None] = {}
    for pool in listed(config).pools:
        for member in config.pool[pool].members:
            given = spec.prices.get(member)
            model = None if config.pool[pool].recorded else members(config)[member].model
            api = None if model is None else model.api
            if given is not None:
                found[member] = [given.call, given.prompt / 1e6, given.completion / 1e6]
            elif api is not None and (api.price_prompt or api.price_completion):
                found[member] = [0.0, api.price_prompt / 1e6, api.price_completion / 1e6]
            else:
                found.setdefault(member, None)
    score = {"beta": spec.beta, "cheapest": spec.cheapest, "dearest": spec.dearest}
    return {**interval(config), "unit": spec.unit, "prices": found, **score}


def tables(config: Config) -> dict[str, Any]:
    """The order of everything in the tables, and what was left out and why."""
    order = {key: list(names) for key, names in listed(config)._asdict().items()}
    return {**order, "exclude": [rule.model_dump() for rule in config.experiment.exclude]}


def titles(config: Config) -> dict[str, dict[str, str]]:
    """Names that tables and figures show in place of keys, by kind of key; a shared title is followed by the key."""
    order = listed(config)
    found = {
        "dataset": {key: config.dataset[key].title for key in order.datasets},
        "pool": {key: config.pool[key].title for key in order.pools},
        "scenario": {key: scenario_title(config, key) for key in order.scenarios if key != REAL},
    }
    # Columns and tables go by title, so two of one title would be one.
    return {kind: _told_apart(names, {REAL} if kind == "scenario" else set()) for kind, names in found.items()}


def _told_apart(titles: dict[str, str], taken: set[str]) -> dict[str, str]:
    times = Counter([*titles.values(), *taken])
    return {key: title if times[title] == 1 else f"{title} ({key})" for key, title in titles.items()}


def scenario_title(config: Config, key: str) -> str:
    """The generator's title, followed by the suffixes of the scenario's key in words."""
    scenario = scenarios.parse(config, key)
    words = [config.generator[scenario.generator].title]
    if scenario.variant != scenarios.DEFAULT:
        words.append(f"{scenario.variant} descriptions")
    if scenario.size is not None:
        words.append(scenario.size)
    if scenario.pool is not None:
        words.append(f"filtered by {config.pool[scenario.pool].title}")
    return ", ".join(words)


def _writing(config: Config, spec: Descriptor | Featurizer | Generator, prompt: str) -> dict[str, Any]:
    return {
        **_model(config.model[spec.model]),
        "way": "generate",
        "prompt": prompt,
        "sampling": {
            "temperature": spec.temperature,
            "top_p": spec.top_p,
            "max_tokens": spec.max_tokens,
            "seed": spec.seed,
        },
        "answers_epoch": spec.answers_epoch,
    }


def _model(model: Model) -> dict[str, Any]:
    """What determines a model's answers. A server chooses its own number format and trims no prompt, so neither dtype nor
    max_model_len counts there."""
    return {
        "weights": model_identity(model),
        "max_model_len": model.max_model_len if model.api is None else None,
        "dtype": model.dtype if model.api is None else SERVED,
        "chat": model.chat,
        **({"decoding": model.decoding} if model.decoding else {}),
    }


def _prompt(folder: Path, name: str) -> str:
    return in_one_form(_text(folder, name))


def _text(folder: Path, name: str) -> str:
    return read_text(prompt_file(folder, name))
