"""Checks across files: names that must resolve, members that must exist, experiments that share artifacts."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from rgd.answers.kinds import SCORE, WITHOUT_OPTIONS
from rgd.artifacts.digests import file_digest
from rgd.artifacts.texts import read_text
from rgd.config.files import Broken, file_of, prompt_file
from rgd.config.hints import nearest
from rgd.config.members import SUFFIXES, member_key, members, recorded_files, recorded_members
from rgd.config.prices import member_rates
from rgd.config.products import listed, products, unique
from rgd.config.scenarios import DEFAULT, GRAMMAR, ambiguous, parse
from rgd.config.schema import (
    SERVED,
    Config,
    Dataset,
    Descriptor,
    Experiment,
    Featurizer,
    FurtherSweep,
    Generator,
    Pool,
    Router,
)
from rgd.config.slices import prompt_of
from rgd.config.sweep import excluded_cells, router_cells
from rgd.datasets.mirror import DATA_CACHE, source_files
from rgd.engines.prompts import QUESTION_PLACES, mistyped_place, parse_prompt, unread_turn
from rgd.errors import UserError
from rgd.routing.reduced import BENCHMARK, REAL


def check_catalogues(config: Config, folder: Path, broken: Broken) -> Config:
    """``config`` without the entries of catalogues that cannot be used; ``broken`` gets what is wrong with them.

    An entry cannot be used if it names an entry that is missing or cannot be used, or shares a key with another.
    """
    # Entries are checked after those that they may name.
    checks: dict[str, Callable[[Config, Path, str, Broken], None]] = {
        "model": _check_model,
        "pool": _check_pool,
        "descriptor": _check_descriptor,
        "generator": _check_generator,
        "featurizer": _check_featurizer,
        "router": _check_router_file,
        "dataset": _check_dataset,
    }
    for group, check in checks.items():
        kept = {}
        for name, entry in getattr(config, group).items():
            try:
                check(config, folder, name, broken)
            except UserError as error:
                broken[group, name] = str(error)
            else:
                kept[name] = entry
        config = config.model_copy(update={group: kept})
    return config


def _find(name: str, group: str, config: Config, broken: Broken, where: str, what: str) -> None:
    """Raise UserError unless ``name`` is a usable entry of ``group``."""
    if (group, name) in broken:
        raise UserError(broken[group, name])
    known = getattr(config, group)
    if name not in known:
        raise UserError(f"{where} names {name}, but there is no such {what}. " + nearest(name, known))


def find_member(name: str, known: Iterable[str], broken: Broken, where: str, what: str) -> None:
    """Refuse a name that is none of the ``known`` members.

    Args:
        name: as it was given.
        known: keys of members.
        broken: what is wrong with files of catalogues, by group and name; a member of one of these models is told that.
        where: who names it, for the message.
        what: what it should be, for the message.

    Raises:
        UserError: it is none.
    """
    known = list(known)
    if name in known:
        return
    for (group, model), fault in broken.items():
        if group == "model" and (name == model or name.startswith(f"{model}-")):
            raise UserError(fault)
    raise UserError(f"{where} names {name}, but there is no such {what}. " + nearest(name, known))


def _check_model(config: Config, folder: Path, name: str, broken: Broken) -> None:
    file, model = file_of(folder, "model", name), config.model[name]
    keys = {member_key(name, ask) for ask in model.asks}
    for other, spec in config.model.items():
        common = sorted(keys & {member_key(other, ask) for ask in spec.asks} if other != name else ())
        if common:
            raise UserError(
                f"the member key {common[0]} is defined by {file} and {file_of(folder, 'model', other)}. Rename the ask or "
                "the model, so that each key is unique."
            )
    for ask in model.asks.values():
        _check_question_prompt(folder, file, ask.prompt)


def _check_pool(config: Config, folder: Path, name: str, broken: Broken) -> None:
    file, pool, asked = file_of(folder, "pool", name), config.pool[name], members(config)
    if pool.recorded is not None:
        _check_recorded_pool(config, file, pool)
    else:
        for member in pool.members:
            find_member(member, asked, broken, f"{file}: members", "member (a model in config/model, or MODEL-ASK)")
    repeated = sorted({member for member in pool.members if pool.members.count(member) > 1})
    if repeated:
        raise UserError(f"{file}: members names {repeated[0]} twice. Name each member once.")


def _check_recorded_pool(config: Config, file: Path, pool: Pool) -> None:
    asked = members(config)
    for member in pool.members:
        if member in asked:
            raise UserError(
                f"{file}: the recorded member {member} is also a member of config/model/{asked[member].model_name}.yaml. "
                f"Give it another key: members: [{member}-recorded, …] and files: {{{member}-recorded: {pool.files.get(member, member)}}}."
            )


def _check_descriptor(config: Config, folder: Path, name: str, broken: Broken) -> None:
    file, descriptor = file_of(folder, "descriptor", name), config.descriptor[name]
    _find(descriptor.model, "model", config, broken, f"{file}: model", "model")
    _check_engine(config, file, descriptor)
    for kind, prompt in descriptor.prompts.model_dump().items():
        _check_prompt(folder, file, prompt)
        _check_places(folder, file, prompt, ["{questions}" if kind == DEFAULT else "{description}"])


def _check_generator(config: Config, folder: Path, name: str, broken: Broken) -> None:
    """A generator's name is a scenario's key, so it can be neither a reserved one nor another generator with suffixes."""
    file, generator = file_of(folder, "generator", name), config.generator[name]
    if name in (REAL, BENCHMARK):
        raise UserError(f"{file}: the name `{name}` is reserved for real data. Rename the file.")
    first = next((other for other in config.generator if ambiguous([other, name]) == (other, name)), None)
    if first is not None:
        raise UserError(
            f"{file}: the name reads as a scenario of the generator {first} with the suffixes {name[len(first) :]} "
            f"({GRAMMAR}). Rename the file."
        )
    _find(generator.model, "model", config, broken, f"{file}: model", "model")
    _check_engine(config, file, generator)
    for prompt in [generator.prompt, *generator.examples]:
        _text_of_prompt(folder, file, prompt)


def _check_featurizer(config: Config, folder: Path, name: str, broken: Broken) -> None:
    file, featurizer = file_of(folder, "featurizer", name), config.featurizer[name]
    _find(featurizer.model, "model", config, broken, f"{file}: model", "model")
    _check_engine(config, file, featurizer)
    _check_question_prompt(folder, file, featurizer.prompt)


def _check_router_file(config: Config, folder: Path, name: str, broken: Broken) -> None:
    file, router = file_of(folder, "router", name), config.router[name]
    if router.features is not None:
        _find(router.features, "featurizer", config, broken, f"{file}: features", "featurizer")
    known = [*members(config), *recorded_members(config)]
    for member in router.prices:
        find_member(member, known, broken, f"{file}: prices", "member of a pool")
    _check_router(file, router)


def _check_dataset(config: Config, folder: Path, name: str, broken: Broken) -> None:
    file, dataset = file_of(folder, "dataset", name), config.dataset[name]
    _find(dataset.embedder, "embedder", config, broken, f"{file}: embedder", "embedder")
    if dataset.descriptor is not None:
        _find(dataset.descriptor, "descriptor", config, broken, f"{file}: descriptor", "descriptor")
        if dataset.reserved_per_task == 0:
            raise UserError(
                f"{file}: the descriptor {dataset.descriptor} needs reserved questions, but "
                "reserved_per_task = 0. Set reserved_per_task: 5."
            )


def check_experiment(config: Config, folders: Sequence[Path], broken: Broken, check_data: bool = True) -> None:
    """Check that every name in the experiment resolves and that experiments which share artifacts agree.

    Args:
        config: only with entries of catalogues that can be used.
        folders: the configuration; for an experiment of the tests also their configuration, as the second folder.
        broken: what is wrong with the other entries.
        check_data: whether the files of the datasets must be there.

    Raises:
        UserError: the first name that does not resolve, with the file, the key and the nearest known name; or what is wrong
            with an entry that the experiment names.
    """
    folder = folders[0]
    where, experiment = file_of(folder, "experiment", config.name), config.experiment
    sweeps: dict[str, Experiment | FurtherSweep] = {"": experiment}
    sweeps |= {f"also.{number}.": sweep for number, sweep in enumerate(experiment.also)}
    for at, sweep in sweeps.items():
        for item in sweep.datasets or []:
            _find(item, "dataset", config, broken, f"{where}: {at}datasets", "dataset")
        for item in sweep.scenarios or []:
            _check_scenario(config, f"{where}: {at}scenarios", item, broken)
        for item in sweep.pools or []:
            _find(item, "pool", config, broken, f"{where}: {at}pools", "pool")
        for item in sweep.routers or []:
            _find(item, "router", config, broken, f"{where}: {at}routers", "router")
        for key in ("datasets", "scenarios", "pools", "routers", "seeds"):
            values = getattr(sweep, key, None) or []
            if len(set(values)) < len(values):
                raise UserError(f"{where}: {at}{key} = {values} names something twice. Name everything once.")
    # Without labels there are no tables in which a baseline stands.
    is_compared = "baseline" in experiment.model_fields_set or any(
        config.dataset[name].is_tested for name in listed(config).datasets
    )
    named = {"baseline": [experiment.baseline] if is_compared else [], "bundles": experiment.bundles}
    for key, names in named.items():
        for item in names:
            if item not in experiment.routers:
                raise UserError(
                    f"{where}: {key} names {item}, which is not a router of this experiment. "
                    + nearest(item, experiment.routers)
                )
    if experiment.referee is not None:
        what = "member (a model, or MODEL-ASK)"
        find_member(experiment.referee.member, members(config), broken, f"{where}: referee.member", what)
    for item in config.site.cluster.replicas:
        _find(item, "model", config, broken, "site: cluster.replicas", "model")
    _check_prices(config, folder)
    _check_described(config, folder)
    _check_unlabelled(config, folder)
    _check_shared_seeds(config, folders)
    _check_free_form(config, folder)
    if check_data:
        _check_mirror(config, folder)


def _check_prices(config: Config, folder: Path) -> None:
    """A router that weighs prices knows those of all members that it may ask."""
    wanted = {
        "dollars": "api.price_prompt and api.price_completion of its model's file",
        "seconds": "answers_per_minute of its model's file",
    }
    models = {key: found.model for key, found in members(config).items()}
    for product in products(config):
        for name in product.routers:
            spec = config.router[name]
            for member in [member for pool in product.pools for member in config.pool[pool].members]:
                rates = member_rates(spec, models, [member])
                if rates is not None and rates["call"] == [None]:
                    raise UserError(
                        f"{file_of(folder, 'router', name)}: price = {spec.price}, but the price of a call to the member {member} is "
                        f"unknown. Give {wanted[spec.price]}, or prices.{member} here."
                    )


def _check_described(config: Config, folder: Path) -> None:
    """Tasks that are only described have only generated queries, and only the generators' labels."""
    from rgd.routers import load

    order, where = listed(config), file_of(folder, "experiment", config.name)
    described = [name for name in order.datasets if not config.dataset[name].has_questions]
    for product in products(config):
        names = [name for name in product.datasets if name in described]
        if names and not any(scenario != REAL for scenario in product.scenarios):
            raise UserError(
                f"{where}: scenarios = {list(product.scenarios)}, but {names[0]} is only described: it has no real queries. Name a "
                f"generator of config/generator, such as scenarios: [{next(iter(config.generator), 'GENERATOR')}]."
            )
    if described and len(described) == len(order.datasets):
        free = [name for name in order.routers if load(config.router[name].method).family == "learning-free"]
        if free:
            raise UserError(
                f"{where}: the router {free[0]} takes its ranking from labelled questions, or is a single member, but "
                f"{described[0]} is only described. Remove it, and set baseline to another router."
            )


def _check_unlabelled(config: Config, folder: Path) -> None:
    """Where the questions of all datasets are without labels, some router needs none."""
    datasets = [config.dataset[name] for name in listed(config).datasets]
    if any(spec.is_tested or not spec.has_questions for spec in datasets) or router_cells(config):
        return
    from rgd.routers import load, methods

    reasons = "; ".join(unique(excluded_cells(config).values()))
    known = [
        name for name, spec in config.router.items() if spec.method in methods() and not load(spec.method).needs_labels
    ]
    raise UserError(
        f"{file_of(folder, 'experiment', config.name)}: no router is left: {reasons}. Name one that learns without labels, of "
        f"{', '.join(known)}."
    )


def _check_free_form(config: Config, folder: Path) -> None:
    """Questions without options are answered in writing, and no generator writes them; each kind of answer has its prompt."""
    where = file_of(folder, "experiment", config.name)
    known = members(config)
    for product in products(config):
        for dataset in product.datasets:
            kind = config.dataset[dataset].kind
            written = [pool for pool in product.pools if config.pool[pool].recorded is None]
            for ask, file in (
                (known[m].ask, known[m].model_name) for pool in written for m in config.pool[pool].members
            ):
                _check_question_prompt(folder, file_of(folder, "model", file), prompt_of(ask, kind))
            if kind == SCORE and written:
                raise UserError(
                    f"{where}: {dataset} has scores in the place of answers, but the pool {written[0]} is asked. Nothing here "
                    "scores answers: name a pool of recorded ones."
                )
            if kind not in (*WITHOUT_OPTIONS, SCORE):
                continue
            for scenario in product.scenarios:
                left_out = any(
                    rule.dataset in (None, dataset)
                    and rule.scenario in (None, scenario)
                    and (rule.pool, rule.router) == (None, None)
                    for rule in config.experiment.exclude
                )
                if scenario != REAL and not left_out:
                    raise UserError(
                        f"{where}: the scenario {scenario} has questions with options, but those of {dataset} have none "
                        f"(answer_kind {kind}). Add to exclude: {{dataset: {dataset}, scenario: {scenario}, reason: …}}, or give {dataset} "
                        "an experiment with scenarios: [real]."
                    )
            for pool in written:
                for member in config.pool[pool].members:
                    if known[member].ask.way != "generate":
                        raise UserError(
                            f"{where}: {member}, of the pool {pool}, answers by the likelihood of options, but the questions of "
                            f"{dataset} have none. Name a pool whose members generate."
                        )


def _check_mirror(config: Config, folder: Path) -> None:
    """The files that the experiment reads from the mirror and from recorded answers must exist."""
    wanted: dict[str, str] = {}
    for name in listed(config).datasets:
        dataset = config.dataset[name]
        where = str(file_of(folder, "dataset", name))
        for file in _source_files(config, where, dataset):
            wanted[file] = f"{where}: source"
        if dataset.recorded_embeddings is not None:
            wanted[f"recorded/{dataset.recorded}/{dataset.recorded_embeddings}"] = f"{where}: recorded_embeddings"
        swept = [product for product in products(config) if name in product.datasets]
        for key in dict.fromkeys(key for product in swept for key in product.pools if config.pool[key].recorded):
            if dataset.recorded is None:
                raise UserError(
                    f"{where}: recorded = null, but the pool {key} consists of recorded answers. Add recorded: NAME."
                )
            scenarios = [list(product.scenarios) for product in swept if key in product.pools]
            if generated := [names for names in scenarios if names != [REAL]]:
                raise UserError(
                    f"{file_of(folder, 'experiment', config.name)}: the pool {key} has recorded answers to the benchmark only, so "
                    f"scenarios = {generated[0]} cannot be run. Set scenarios: [real]."
                )
            for member in config.pool[key].members:
                for file in recorded_files(config, name, member):
                    wanted[file] = f"{file_of(folder, 'pool', key)}: members"
    if not wanted:
        return
    if config.paths.data_root is None:
        first = next(iter(wanted))
        raise UserError(
            f"{wanted[first]} is read from a folder of data, and none is given. Add data_root=DIR to --config, where "
            f"DIR/{first} exists."
        )
    root = Path(config.paths.data_root)
    if not root.is_dir():
        raise UserError(f"data_root={root} is not a folder. Correct it.")
    for file, where in wanted.items():
        if not (root / file).exists():
            known = [str(path.relative_to(root)) for path in sorted((root / file).parent.glob("[!.]*"))]
            fetch = f" `rgd data fetch --experiment {config.name} --data-root {root}` fetches what is missing."
            raise UserError(
                f"{where}: there is no {file} under data_root={root}. "
                + nearest(file, known)
                + (fetch if file.startswith("hub/") else "")
            )
    _check_one_content(config, folder, root)


def _check_one_content(config: Config, folder: Path, root: Path) -> None:
    """A dataset's results are stored by member, so a member has one content for it, in however many folders it is."""
    for product in products(config):
        recorded = [name for name in product.pools if config.pool[name].recorded is not None]
        for dataset, pool in itertools.product(product.datasets, recorded):
            for member in config.pool[pool].members:
                files = recorded_files(config, dataset, member)
                _check_one_form(root, files)
                if len(files) > 1 and len({file_digest(root / file) for file in files}) > 1:
                    raise UserError(
                        f"{file_of(folder, 'pool', pool)}: the member {member} of {dataset} has answers in {files[0]} and others in "
                        f"{files[1]}. Give it another key in one of the pools, such as {member}-{pool}, and add files: "
                        f"{{{member}-{pool}: {member}}} there."
                    )


def _check_one_form(root: Path, files: Sequence[str]) -> None:
    for name in files:
        forms = [
            str(path) for suffix in SUFFIXES if (path := (root / name).with_name(Path(name).stem + suffix)).is_file()
        ]
        if len(forms) > 1:
            raise UserError(f"{forms[0]} and {forms[1]} are both recorded answers of one member. Delete one of them.")


def _source_files(config: Config, where: str, dataset: Dataset) -> list[str]:
    """The files of a dataset's source that must lie under data_root.

    Raises:
        UserError: a file elsewhere is missing, or the revision to fetch is unknown.
    """
    source = dataset.source
    if source is None:
        return []
    names = [file.name for file in source_files(source.model_dump(), list(dataset.tasks))]
    if source.repo is None:
        for name in names:
            if Path(name).is_absolute() and not Path(name).is_file():
                raise UserError(f"{where}: source.file: there is no {name}. Correct the path.")
        return [name for name in names if not Path(name).is_absolute()]
    if config.paths.data_root is not None:
        return [f"hub/{source.repo}/{name}" for name in names]
    cache = Path(config.paths.cache).expanduser() / DATA_CACHE / "hub" / source.repo
    if all((cache / name).is_file() for name in names):
        return []
    command = (
        f"Run `rgd data fetch --experiment {config.name} --data-root DIR` on a machine with a network, and add data_root=DIR to "
        "--config"
    )
    if not config.site.use_hub:
        raise UserError(f"{where}: source: {source.repo} has not been fetched, and site.use_hub = false. {command}.")
    if source.revision is None:
        raise UserError(
            f"{where}: source.revision = null, so the version of {source.repo} to fetch is unknown. Name a commit, or "
            f"{command[0].lower() + command[1:]}."
        )
    return []


def _check_scenario(config: Config, where: str, key: str, broken: Broken) -> None:
    if key == REAL:
        return
    begun = [name for name in config.generator if key == name or key.startswith(f"{name}-")]
    for (group, name), fault in broken.items():
        is_meant = group == "generator" and (key == name or key.startswith(f"{name}-"))
        if is_meant and len(name) > max(map(len, begun), default=0):
            raise UserError(fault)
        if group == "pool" and key.endswith(f"-filtered-{name}"):
            raise UserError(fault)
    try:
        scenario = parse(config, key)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    if scenario.pool is not None and config.pool[scenario.pool].recorded is not None:
        raise UserError(
            f"{where}: {key} is filtered by the pool {scenario.pool}, which has recorded answers to the benchmark only. "
            "Name a pool of models that can be asked."
        )


def _check_places(folder: Path, where: Path, prompt: str, places: Sequence[str]) -> None:
    """A prompt must say where the first of its places is, and none may be mistyped: the model would read its name."""
    file, text = _text_of_prompt(folder, where, prompt)
    mistyped = mistyped_place(text, places)
    if places[0] not in text:
        instead = f", line {mistyped[0]}, in the place of {mistyped[1]}" if mistyped else ""
        raise UserError(
            f"{where} names the prompt {prompt}, which lacks the placeholder {places[0]}. Write it where it "
            f"belongs in {file}{instead}."
        )
    if mistyped is not None:
        number, written, meant = mistyped
        raise UserError(f"{file}, line {number}: nothing is filled in for {written}. Write {meant}.")


def _check_engine(config: Config, file: Path, spec: Descriptor | Featurizer | Generator) -> None:
    """A writer's engine must suit its model: only its own engine asks a server's model, and only the others run weights."""
    own = config.model[spec.model].engine
    if spec.engine not in (None, own) and (own in SERVED or spec.engine in SERVED):
        raise UserError(f"{file}: engine = {spec.engine}, but the model {spec.model} has {own}. Set engine: null.")


def _check_prompt(folder: Path, where: Path, prompt: str) -> None:
    """Check a prompt that consists of turns."""
    file, text = _text_of_prompt(folder, where, prompt)
    if odd := unread_turn(text):
        number, line = odd
        raise UserError(
            f"{file}, line {number}: {line!r} looks like the beginning of a turn, which is a line with [system], [user] or "
            "[assistant] alone. Correct the line."
        )
    try:
        parse_prompt(text)
    except UserError as error:
        raise UserError(f"{file}: {error}") from None


def _check_question_prompt(folder: Path, where: Path, prompt: str) -> None:
    """Check a prompt about a question, which consists of turns."""
    _check_prompt(folder, where, prompt)
    _check_places(folder, where, prompt, QUESTION_PLACES)


def _text_of_prompt(folder: Path, where: Path, prompt: str) -> tuple[Path, str]:
    """The file of a prompt and its text."""
    file = prompt_file(folder, prompt)
    if not file.is_file():
        known = [path.stem for path in (folder / "prompts").glob("*.txt")]
        raise UserError(f"{where} names the prompt {prompt}, but there is no {file}. " + nearest(prompt, known))
    return file, read_text(file)


def _check_module(file: Path, key: str, name: str, package: str, known: list[str]) -> None:
    if name not in known:
        raise UserError(
            f"{file}: {key} names {name}, but there is no such module in rgd.{package}. " + nearest(name, known)
        )


def _check_router(file: Path, router: Router) -> None:
    from rgd.routers import make, methods

    method = router.method
    _check_module(file, "method", method, "routers", methods())
    try:
        made = make(method, router.parameters, router.variants or None)
    except UserError as error:
        raise UserError(f"{file}: {error}") from None
    if made.use_features and router.features is None:
        raise UserError(
            f"{file}: features = null, but the method {method} uses them. Name a file of config/featurizer, or set "
            "parameters.use_features: false."
        )
    if (router.price != "calls" or router.prices) and not made.weighs_prices:
        raise UserError(
            f"{file}: the method {method} does not weigh prices. Leave out price and prices; the cells count calls and tokens "
            "of every router."
        )
    if router.labels and not made.asks_for_labels:
        fix = "It learns from the labels of all its queries" if made.needs_labels else "It learns without labels"
        raise UserError(
            f"{file}: labels = {router.labels}, but the method {method} does not ask for labels. {fix}: leave out labels, or name "
            "the method latent_truth."
        )
    if router.features is not None and not made.use_features:
        raise UserError(
            f"{file}: features = {router.features}, but the method {method} with these parameters does not use them. "
            "Set features: null."
        )


def _check_shared_seeds(config: Config, folders: Sequence[Path]) -> None:
    """Experiments that share a dataset share its split file, so their seeds must agree."""
    for path in (path for folder in folders for path in sorted((folder / "experiment").glob("*.yaml"))):
        if path.stem == config.name:
            continue
        seeds, named = _seeds_and_datasets(path)
        common = sorted(named & set(listed(config).datasets))
        if common and seeds != config.experiment.seeds:
            raise UserError(
                f"{file_of(folders[0], 'experiment', config.name)}: seeds = {config.experiment.seeds}, but {path} has "
                f"{seeds} for the same dataset {common[0]}, and they share splits/{common[0]}.parquet. Make the seeds equal, or "
                "give one experiment a dataset of its own name."
            )


def _seeds_and_datasets(path: Path) -> tuple[object, set[str]]:
    """What another experiment's file says; no datasets if it cannot be read, which its own run reports."""
    import yaml

    try:
        experiment = yaml.safe_load(path.read_text(encoding="utf-8"))
        sweeps = [experiment, *(experiment.get("also") or [])]
        return experiment.get("seeds"), {str(name) for sweep in sweeps for name in sweep.get("datasets") or []}
    except (OSError, ValueError, AttributeError, TypeError, yaml.YAMLError):
        return None, set()
