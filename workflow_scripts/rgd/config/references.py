"""Checks across files: names that must resolve, members that must exist, experiments that share artifacts."""

from pathlib import Path
from typing import NamedTuple

from rgd.config.hints import nearest
from rgd.config.schema import SERVED, Ask, Config, Featurizer, Generator, Model, Router
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


def check_references(config: Config, folder: Path) -> None:
    """Check that every name in the tree resolves and that files which share artifacts agree.

    Raises:
        UserError: the first name that does not resolve, with the file, the key and the nearest known name.
    """

    def check(where: str, key: str, name: str, known: object, what: str) -> None:
        names = [str(item) for item in known]  # type: ignore[attr-defined]
        if name not in names:
            raise UserError(f"{folder}/{where}.yaml: {key} names {name}, which is no {what}. " + nearest(name, names))

    known_members = members(config)
    recorded_members(config)
    for name, pool in config.pool.items():
        for member in pool.members if pool.recorded is None else []:
            check(f"pool/{name}", "members", member, known_members, "member (a model in config/model, or MODEL-ASK)")
        repeated = sorted({member for member in pool.members if pool.members.count(member) > 1})
        if repeated:
            raise UserError(f"{folder}/pool/{name}.yaml: members names {repeated[0]} twice. Name each member once.")
    for name, dataset in config.dataset.items():
        check(f"dataset/{name}", "embedder", dataset.embedder, config.embedder, "embedder")
        _check_module(folder / f"dataset/{name}.yaml", "adapter", dataset.adapter, "datasets")
    for name, generator in config.generator.items():
        check(f"generator/{name}", "model", generator.model, config.model, "model")
        _check_engine(config, folder / f"generator/{name}.yaml", generator)
        if name == REAL:
            raise UserError(f"{folder}/generator/{name}.yaml: `real` is the scenario of real data. Rename the file.")
        for prompt in [generator.prompt, *generator.examples]:
            _check_prompt(folder, f"generator/{name}", prompt)
    for name, featurizer in config.featurizer.items():
        check(f"featurizer/{name}", "model", featurizer.model, config.model, "model")
        _check_engine(config, folder / f"featurizer/{name}.yaml", featurizer)
        _check_prompt(folder, f"featurizer/{name}", featurizer.prompt)
        if "{question}" not in (folder / "prompts" / f"{featurizer.prompt}.txt").read_text(encoding="utf-8"):
            raise UserError(
                f"{folder}/featurizer/{name}.yaml names the prompt {featurizer.prompt}, which shows no question. "
                f"Write {{question}} where it belongs in {folder}/prompts/{featurizer.prompt}.txt."
            )
    for name, model in config.model.items():
        for ask in model.asks.values():
            _check_prompt(folder, f"model/{name}", ask.prompt)
    for name, router in config.router.items():
        if router.features is not None:
            check(f"router/{name}", "features", router.features, config.featurizer, "featurizer")
        _check_router(folder, name, router)
    where = f"experiment/{config.name}"
    experiment = config.experiment
    for item in experiment.datasets:
        check(where, "datasets", item, config.dataset, "dataset")
    for item in experiment.scenarios:
        check(where, "scenarios", item, [REAL, *config.generator], "scenario (`real` or a generator)")
    for item in experiment.pools:
        check(where, "pools", item, config.pool, "pool")
    for item in experiment.routers:
        check(where, "routers", item, config.router, "router")
    check(where, "baseline", experiment.baseline, experiment.routers, "router of this experiment")
    for key in ("datasets", "scenarios", "pools", "routers", "seeds"):
        values = getattr(experiment, key)
        if len(set(values)) < len(values):
            raise UserError(f"{folder}/{where}.yaml: {key} = {values} names something twice. Name each once.")
    _check_shared_seeds(config, folder)
    _check_mirror(config, folder)


def _check_mirror(config: Config, folder: Path) -> None:
    """What the experiment reads from the mirror and from recorded answers must be there."""
    wanted: dict[str, str] = {}
    for name in config.experiment.datasets:
        dataset = config.dataset[name]
        where = f"{folder}/dataset/{name}.yaml"
        if dataset.source is not None:
            wanted[f"hub/{dataset.source.repo}/{dataset.source.file}"] = f"{where}: source"
        if dataset.recorded_embeddings is not None:
            wanted[f"recorded/{dataset.recorded}/{dataset.recorded_embeddings}"] = f"{where}: recorded_embeddings"
        for key in config.experiment.pools:
            pool = config.pool[key]
            if pool.recorded is None:
                continue
            if dataset.recorded is None:
                raise UserError(
                    f"{where} names no folder of recorded answers, which the pool {key} consists of. Add recorded: NAME."
                )
            if config.experiment.scenarios != [REAL]:
                raise UserError(
                    f"{folder}/experiment/{config.name}.yaml: the pool {key} has recorded answers to the benchmark alone, so "
                    f"scenarios = {config.experiment.scenarios} cannot be made. Set scenarios: [real]."
                )
            for member in pool.members:
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
            known = [str(path.relative_to(root)) for path in sorted((root / file).parent.glob("*"))]
            raise UserError(f"{where}: there is no {file} under data_root={root}. " + nearest(file, known))


def _check_engine(config: Config, file: Path, spec: Generator | Featurizer) -> None:
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


def _check_module(file: Path, key: str, name: str, package: str) -> None:
    home = Path(__file__).parents[1] / package
    known = sorted(
        path.stem for path in home.iterdir() if path.stem not in ("__init__", "base") and path.name != "__pycache__"
    )
    if name not in known:
        raise UserError(f"{file}: {key} names {name}, which is no module of rgd.{package}. " + nearest(name, known))


def _check_router(folder: Path, name: str, router: Router) -> None:
    import inspect

    from rgd.routers import load

    file, method = folder / f"router/{name}.yaml", router.method
    _check_module(file, "method", method, "routers")
    kind = load(method)
    accepted = [key for key in inspect.signature(kind).parameters if key not in ("variants", "aggregate")]
    for key in router.parameters:
        if key not in accepted:
            raise UserError(f"{file}: the method {method} has no parameter {key}. " + nearest(key, accepted))
    try:
        uses_features = kind(**router.parameters).use_features
    except (TypeError, ValueError) as error:
        raise UserError(f"{file}: {error}") from None
    if uses_features and router.features is None:
        raise UserError(
            f"{file}: features = null, but the method {method} uses them. Name a file of config/featurizer, or set "
            "parameters.use_features: false."
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
        common = sorted(set(other.get("datasets", [])) & set(config.experiment.datasets))
        if common and other.get("seeds") != config.experiment.seeds:
            raise UserError(
                f"{folder}/experiment/{config.name}.yaml: seeds = {config.experiment.seeds}, but {path} has "
                f"{other.get('seeds')} for the same dataset {common[0]}, whose splits/{common[0]}.parquet they share. "
                "Make them equal, or give one experiment a dataset of its own name."
            )
