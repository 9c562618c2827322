"""Checks across files: names that must resolve, members that must exist, experiments that share artifacts."""

from pathlib import Path
from typing import NamedTuple

from rgd.answers.latex import LATEX
from rgd.config.hints import nearest
from rgd.config.prices import member_rates
from rgd.config.products import listed, products
from rgd.config.scenarios import DEFAULT, GRAMMAR, ambiguous, parse
from rgd.config.schema import (
    SERVED,
    Ask,
    Config,
    Dataset,
    Descriptor,
    Experiment,
    Featurizer,
    FurtherSweep,
    Generator,
    Model,
    Router,
)
from rgd.datasets.mirror import DATA_CACHE, source_files
from rgd.errors import UserError

REAL = "real"
BENCHMARK = "benchmark"


class Member(NamedTuple):
    """A member of a pool: a model and how it is asked."""

    model_name: str
    model: Model
    ask: Ask


def members(config: Config) -> dict[str, Member]:
    """All members that the model files define, by key: MODEL for the ask ``default``, else MODEL-ASK.

    Raises:
        UserError: two model files define one member key.
    """
    found: dict[str, Member] = {}
    for name, model in config.model.items():
        for ask_name, ask in model.asks.items():
            key = name if ask_name == "default" else f"{name}-{ask_name}"
            if key in found:
                raise UserError(
                    f"the member key {key} is defined by config/model/{name}.yaml and config/model/"
                    f"{found[key].model_name}.yaml. Rename the ask or the model: one key has one content."
                )
            found[key] = Member(name, model, ask)
    return found


def recorded_members(config: Config) -> dict[str, str]:
    """The members whose answers a user already has, and the recorded pool's folder that holds each.

    Raises:
        UserError: a recorded member has the key of a model's member, or lies in two folders.
    """
    asked = members(config)
    found: dict[str, str] = {}
    for name, pool in config.pool.items():
        if pool.recorded is None:
            continue
        for member in pool.members:
            if member in asked:
                raise UserError(
                    f"config/pool/{name}.yaml: the recorded member {member} is a member of config/model/"
                    f"{asked[member].model_name}.yaml too. Rename one of them: one key has one content."
                )
            if found.setdefault(member, pool.recorded) != pool.recorded:
                raise UserError(
                    f"config/pool/{name}.yaml: the recorded member {member} lies in the folder {pool.recorded}, in another "
                    f"pool in {found[member]}. Rename one of the files: one key has one content."
                )
    return found


def recorded_file(config: Config, dataset: str, member: str) -> str:
    """Where a recorded member's answers to a dataset lie, under paths.data_root."""
    return f"recorded/{config.dataset[dataset].recorded}/{recorded_members(config)[member]}/{member}.parquet"


def recorded_embeddings_file(config: Config, dataset: str) -> str:
    """Where a dataset's given embeddings lie, under paths.data_root."""
    spec = config.dataset[dataset]
    return f"recorded/{spec.recorded}/{spec.recorded_embeddings}"


def check_references(config: Config, folder: Path, check_data: bool = True) -> None:
    """Check that every name in the tree resolves and that files which share artifacts agree.

    Raises:
        UserError: the first name that does not resolve, with the file, the key and the nearest known name.
    """

    def check(where: str, key: str, name: str, known: object, what: str) -> None:
        names = [str(item) for item in known]  # type: ignore[attr-defined]
        if name not in names:
            raise UserError(f"{folder}/{where}.yaml: {key} names {name}, which is no {what}. " + nearest(name, names))

    known_members = members(config)
    recorded = recorded_members(config)
    for name, pool in config.pool.items():
        for member in pool.members if pool.recorded is None else []:
            check(f"pool/{name}", "members", member, known_members, "member (a model in config/model, or MODEL-ASK)")
        repeated = sorted({member for member in pool.members if pool.members.count(member) > 1})
        if repeated:
            raise UserError(f"{folder}/pool/{name}.yaml: members names {repeated[0]} twice. Name each member once.")
    for name, dataset in config.dataset.items():
        check(f"dataset/{name}", "embedder", dataset.embedder, config.embedder, "embedder")
        _check_module(folder / f"dataset/{name}.yaml", "adapter", dataset.adapter, "datasets")
        if dataset.descriptor is not None:
            check(f"dataset/{name}", "descriptor", dataset.descriptor, config.descriptor, "descriptor")
            if dataset.reserved_per_task == 0:
                raise UserError(
                    f"{folder}/dataset/{name}.yaml: the descriptor {dataset.descriptor} sees the reserved questions of a task, "
                    "and reserved_per_task = 0. Set reserved_per_task: 5."
                )
    for name, descriptor in config.descriptor.items():
        check(f"descriptor/{name}", "model", descriptor.model, config.model, "model")
        _check_engine(config, folder / f"descriptor/{name}.yaml", descriptor)
        for kind, prompt in descriptor.prompts.model_dump().items():
            _check_prompt(folder, f"descriptor/{name}", prompt)
            place = "{questions}" if kind == DEFAULT else "{description}"
            _check_place(folder, f"descriptor/{name}", prompt, place)
    _check_generator_names(config, folder)
    for name, generator in config.generator.items():
        check(f"generator/{name}", "model", generator.model, config.model, "model")
        _check_engine(config, folder / f"generator/{name}.yaml", generator)
        for prompt in [generator.prompt, *generator.examples]:
            _check_prompt(folder, f"generator/{name}", prompt)
    for name, featurizer in config.featurizer.items():
        check(f"featurizer/{name}", "model", featurizer.model, config.model, "model")
        _check_engine(config, folder / f"featurizer/{name}.yaml", featurizer)
        _check_prompt(folder, f"featurizer/{name}", featurizer.prompt)
        _check_place(folder, f"featurizer/{name}", featurizer.prompt, "{question}")
    for name, model in config.model.items():
        for ask in model.asks.values():
            _check_prompt(folder, f"model/{name}", ask.prompt)
    for name, router in config.router.items():
        if router.features is not None:
            check(f"router/{name}", "features", router.features, config.featurizer, "featurizer")
        for member in router.prices:
            check(f"router/{name}", "prices", member, [*known_members, *recorded], "member of a pool")
        _check_router(folder, name, router)
    where = f"experiment/{config.name}"
    experiment = config.experiment
    sweeps: dict[str, Experiment | FurtherSweep] = {"": experiment}
    sweeps |= {f"also.{number}.": sweep for number, sweep in enumerate(experiment.also)}
    for at, sweep in sweeps.items():
        for item in sweep.datasets or []:
            check(where, f"{at}datasets", item, config.dataset, "dataset")
        for item in sweep.scenarios or []:
            _check_scenario(config, f"{folder}/{where}.yaml: {at}scenarios", item)
        for item in sweep.pools or []:
            check(where, f"{at}pools", item, config.pool, "pool")
        for item in sweep.routers or []:
            check(where, f"{at}routers", item, config.router, "router")
        for key in ("datasets", "scenarios", "pools", "routers", "seeds"):
            values = getattr(sweep, key, None) or []
            if len(set(values)) < len(values):
                raise UserError(f"{folder}/{where}.yaml: {at}{key} = {values} names something twice. Name each once.")
    check(where, "baseline", experiment.baseline, experiment.routers, "router of this experiment")
    for item in experiment.bundles:
        check(where, "bundles", item, experiment.routers, "router of this experiment")
    _check_prices(config, folder)
    _check_described(config, folder)
    _check_shared_seeds(config, folder)
    _check_mathematics(config, folder)
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
                        f"{folder}/router/{name}.yaml: price = {spec.price}, but what a call to the member {member} costs is not "
                        f"known. Give {wanted[spec.price]}, or prices.{member} here."
                    )


def _check_described(config: Config, folder: Path) -> None:
    """Tasks that are only described have generated queries alone, and no labels but the generators'."""
    from rgd.routers import load

    order, where = listed(config), f"{folder}/experiment/{config.name}.yaml"
    described = [name for name in order.datasets if not config.dataset[name].is_tested]
    for product in products(config):
        names = [name for name in product.datasets if name in described]
        if names and not any(scenario != REAL for scenario in product.scenarios):
            raise UserError(
                f"{where}: scenarios = {list(product.scenarios)}, and {names[0]} is only described: it has no real queries. Name a "
                f"generator of config/generator, such as scenarios: [{next(iter(config.generator), 'GENERATOR')}]."
            )
    if described and len(described) == len(order.datasets):
        free = [name for name in order.routers if load(config.router[name].method).family == "learning-free"]
        if free:
            raise UserError(
                f"{where}: the router {free[0]} takes its ranking from labelled questions, or is a member alone, and "
                f"{described[0]} is only described. Leave it out, and give the baseline another name."
            )


def _check_mathematics(config: Config, folder: Path) -> None:
    """Questions without options are answered in writing, and no generator writes them."""
    where = f"{folder}/experiment/{config.name}.yaml"
    known = members(config)
    for product in products(config):
        for dataset in product.datasets:
            if config.dataset[dataset].answer_kind != LATEX:
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
                        f"{where}: the scenario {scenario} is made of questions with options, and the answers to {dataset} are "
                        f"mathematics. Add to exclude: {{dataset: {dataset}, scenario: {scenario}, reason: …}}, or give {dataset} "
                        "an experiment with scenarios: [real]."
                    )
            for pool in product.pools:
                for member in config.pool[pool].members if config.pool[pool].recorded is None else []:
                    if known[member].ask.way != "generate":
                        raise UserError(
                            f"{where}: {member}, of the pool {pool}, answers by the likelihood of options, and the questions of "
                            f"{dataset} have none. Name a pool whose members generate."
                        )
                    _check_prompt(folder, f"model/{known[member].model_name}", known[member].ask.prompt_mathematics)


def _check_mirror(config: Config, folder: Path) -> None:
    """What the experiment reads from the mirror and from recorded answers must be there."""
    wanted: dict[str, str] = {}
    for name in listed(config).datasets:
        dataset = config.dataset[name]
        where = f"{folder}/dataset/{name}.yaml"
        for file in _source_files(config, where, dataset):
            wanted[file] = f"{where}: source"
        if dataset.recorded_embeddings is not None:
            wanted[f"recorded/{dataset.recorded}/{dataset.recorded_embeddings}"] = f"{where}: recorded_embeddings"
        swept = [product for product in products(config) if name in product.datasets]
        for key in dict.fromkeys(key for product in swept for key in product.pools if config.pool[key].recorded):
            if dataset.recorded is None:
                raise UserError(
                    f"{where} names no folder of recorded answers, which the pool {key} consists of. Add recorded: NAME."
                )
            scenarios = [list(product.scenarios) for product in swept if key in product.pools]
            if generated := [names for names in scenarios if names != [REAL]]:
                raise UserError(
                    f"{folder}/experiment/{config.name}.yaml: the pool {key} has recorded answers to the benchmark alone, so "
                    f"scenarios = {generated[0]} cannot be made. Set scenarios: [real]."
                )
            for member in config.pool[key].members:
                wanted[recorded_file(config, name, member)] = f"{folder}/pool/{key}.yaml: members"
    if not wanted:
        return
    if config.paths.data_root is None:
        first = next(iter(wanted))
        raise UserError(
            f"{wanted[first]} is read from a folder of data, and none is given. Add data_root=DIR to --config, where "
            f"DIR/{first} exists."
        )
    root = Path(config.paths.data_root)
    for file, where in wanted.items():
        if not (root / file).exists():
            known = [str(path.relative_to(root)) for path in sorted((root / file).parent.glob("[!.]*"))]
            fetch = f" `rgd data fetch --experiment {config.name} --data-root {root}` fetches what is missing."
            raise UserError(
                f"{where}: there is no {file} under data_root={root}. "
                + nearest(file, known)
                + (fetch if file.startswith("hub/") else "")
            )


def _source_files(config: Config, where: str, dataset: Dataset) -> list[str]:
    """The files of a dataset's source that must lie under data_root.

    Raises:
        UserError: one elsewhere is missing, or nothing says which revision is to be fetched.
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
        f"Run `rgd data fetch --experiment {config.name} --data-root DIR` where there is a network, and add data_root=DIR to "
        "--config"
    )
    if not config.site.use_hub:
        raise UserError(f"{where}: source: {source.repo} is not here, and site.use_hub = false. {command}.")
    if source.revision is None:
        raise UserError(
            f"{where}: source.revision = null, so nothing says what of {source.repo} is to be fetched. Name a commit, or: "
            f"{command[0].lower() + command[1:]}."
        )
    return []


def _check_generator_names(config: Config, folder: Path) -> None:
    """A generator's name is a scenario's key, so it can be neither a reserved one nor another generator with suffixes."""
    for name in (REAL, BENCHMARK):
        if name in config.generator:
            raise UserError(f"{folder}/generator/{name}.yaml: `{name}` stands for real data. Rename the file.")
    clash = ambiguous(config.generator)
    if clash is not None:
        first, second = clash
        raise UserError(
            f"{folder}/generator/{second}.yaml: the name is that of a scenario of the generator {first}, since "
            f"{second[len(first) :]} reads as suffixes ({GRAMMAR}). Rename the file."
        )


def _check_scenario(config: Config, where: str, key: str) -> None:
    if key == REAL:
        return
    try:
        scenario = parse(config, key)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    if scenario.pool is not None and config.pool[scenario.pool].recorded is not None:
        raise UserError(
            f"{where}: {key} is filtered by the pool {scenario.pool}, which has recorded answers to the benchmark alone. "
            "Name a pool of models that can be asked."
        )


def _check_place(folder: Path, where: str, prompt: str, place: str) -> None:
    """A prompt that shows something must say where."""
    file = folder / "prompts" / f"{prompt}.txt"
    if place not in file.read_text(encoding="utf-8"):
        raise UserError(
            f"{folder}/{where}.yaml names the prompt {prompt}, which does not show what it is asked about. "
            f"Write {place} where it belongs in {file}."
        )


def _check_engine(config: Config, file: Path, spec: Descriptor | Featurizer | Generator) -> None:
    """What writes must have what it needs: a server's model is asked by its own engine, weights run in the others."""
    own = config.model[spec.model].engine
    if spec.engine not in (None, own) and (own in SERVED or spec.engine in SERVED):
        raise UserError(f"{file}: engine = {spec.engine}, but the model {spec.model} has {own}. Set engine: null.")


def _check_prompt(folder: Path, where: str, prompt: str) -> None:
    if not (folder / "prompts" / f"{prompt}.txt").is_file():
        known = [path.stem for path in (folder / "prompts").glob("*.txt")]
        raise UserError(
            f"{folder}/{where}.yaml names the prompt {prompt}, but there is no {folder}/prompts/{prompt}.txt. "
            + nearest(prompt, known)
        )


NO_PLUGINS = {
    "routers": {"__init__", "base", "__pycache__"},
    "datasets": {"__init__", "base", "__pycache__", "hosts", "hub", "mirror", "splits", "tables"},
}
"""Modules of the packages of routers and adapters that are neither."""


def _check_module(file: Path, key: str, name: str, package: str) -> None:
    home = Path(__file__).parents[1] / package
    known = sorted(
        path.stem for path in home.iterdir() if path.stem not in NO_PLUGINS[package] and path.suffix in ("", ".py")
    )
    if name not in known:
        raise UserError(f"{file}: {key} names {name}, which is no module of rgd.{package}. " + nearest(name, known))


def _check_router(folder: Path, name: str, router: Router) -> None:
    import inspect

    from rgd.routers import load, make

    file, method = folder / f"router/{name}.yaml", router.method
    _check_module(file, "method", method, "routers")
    kind = load(method)
    accepted = [key for key in inspect.signature(kind).parameters if key not in ("variants", "aggregate")]
    for key in router.parameters:
        if key not in accepted:
            raise UserError(f"{file}: the method {method} has no parameter {key}. " + nearest(key, accepted))
    try:
        uses_features = kind(**router.parameters).use_features
        make(method, router.parameters, router.variants or None)
    except (TypeError, ValueError, UserError) as error:
        raise UserError(f"{file}: {error}") from None
    if uses_features and router.features is None:
        raise UserError(
            f"{file}: features = null, but the method {method} uses them. Name a file of config/featurizer, or set "
            "parameters.use_features: false."
        )
    if (router.price != "calls" or router.prices) and not kind.weighs_prices:
        raise UserError(
            f"{file}: the method {method} does not weigh prices. Leave out price and prices; the cells count calls and tokens "
            "of every router."
        )
    if router.features is not None and not uses_features:
        raise UserError(
            f"{file}: features = {router.features}, but the method {method} with these parameters uses none. "
            "Set features: null."
        )
    for variant, count in router.variants.items():
        if count < 1:
            raise UserError(f"{file}: variants.{variant} = {count}: at least one member answers.")


def _check_shared_seeds(config: Config, folder: Path) -> None:
    """Experiments that share a dataset share its split file, so their seeds must agree."""
    import yaml

    for path in sorted((folder / "experiment").glob("*.yaml")):
        if path.stem == config.name:
            continue
        other = yaml.safe_load(path.read_text()) or {}
        named = [
            *other.get("datasets", []),
            *(name for sweep in other.get("also", []) for name in sweep.get("datasets", [])),
        ]
        common = sorted(set(named) & set(listed(config).datasets))
        if common and other.get("seeds") != config.experiment.seeds:
            raise UserError(
                f"{folder}/experiment/{config.name}.yaml: seeds = {config.experiment.seeds}, but {path} has "
                f"{other.get('seeds')} for the same dataset {common[0]}, whose splits/{common[0]}.parquet they share. "
                "Make them equal, or give one experiment a dataset of its own name."
            )
