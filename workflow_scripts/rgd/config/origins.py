"""Where a value in a rule's parameter comes from: the file and key that a person would edit."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

from rgd.config import scenarios, slices, sweep
from rgd.config.analyses import names_in_paper
from rgd.config.command_line import FOLDER
from rgd.config.files import CATALOGUES, file_of, prompt_file
from rgd.config.members import members, recorded_embeddings_file, recorded_file
from rgd.config.products import listed
from rgd.config.schema import Config, Embedder, Model
from rgd.datasets.given_labels import given_labels_file
from rgd.errors import UserError
from rgd.routing.reduced import whole_pool, whole_router


class _Origin(NamedTuple):
    """Where the values of some parameters stand.

    Attributes:
        rules: pattern of the rule (``*``: any or none).
        parameter: pattern of the parameter.
        path: pattern of the keys that lead to the value, joined by ``/``.
        file: GROUP/NAME of a file of the configuration, or the path of another file.
        key: the key there; None: the keys that lead to the value.
    """

    rules: str
    parameter: str
    path: str
    file: str
    key: str | None = None


_MODEL, _PROMPT, _ROUTER = "model/{model}", "prompts/{prompt}", "router/{router}"
_EXPERIMENT, _DATASET, _EMBEDDER = "experiment/{experiment}", "dataset/{dataset}", "embedder/{embedder}"
_POOL, _ROOT = "pool/{pool}", "config"

# The first match counts; an entry is skipped if a name in its braces is unknown.
_ORIGINS = (
    # Names that people read.
    _Origin("bundle", "slice", "titles/dataset", _DATASET, "title"),
    _Origin("bundle", "slice", "titles/pool", _POOL, "title"),
    _Origin("bundle", "slice", "titles/scenario", "generator/{writing}", "title"),
    _Origin("report_page", "slice", "titles/scenario/*", "generator/{third_writing}", "title"),
    _Origin("report_page", "slice", "titles/*", "{second}/{third}", "title"),
    _Origin("*", "titles", "scenario/*", "generator/{second_writing}", "title"),
    _Origin("*", "titles", "variant/*", "model/{second_model}", "title"),
    _Origin("*", "titles", "*", "{first}/{second_key}", "title"),
    # What files outside of the configuration hold.
    _Origin("*", "own_content", "*", _DATASET, "source.file"),
    _Origin("recorded_embeddings", "content", "*", "{recorded_embeddings}", ""),
    _Origin("recorded_embeddings", "file", "*", _DATASET, "recorded_embeddings"),
    _Origin("recorded_responses", "content", "*", "{recorded}", ""),
    _Origin("recorded_responses", "file", "*", "pool/{recorded_pool}", "recorded"),
    _Origin("revealed_labels", "content", "*", "{given_labels}", ""),
    _Origin("cost_table", "recorded", "*/*/*", "{third}", ""),
    # What a model, a descriptor, a featurizer or a generator is asked.
    _Origin("*", "settings", "prompt/examples/*", "prompts/{third}", ""),
    _Origin("*", "settings", "prompt/examples", "{writer}", "examples"),
    _Origin("*", "settings", "prompt*", _PROMPT, ""),
    _Origin("*", "settings", "way", _MODEL, "asks.{ask}.way"),
    _Origin("*", "settings", "sampling*", "{writer}", "{sampling}{rest}"),
    _Origin("*", "settings", "answers_epoch", "{writer}"),
    _Origin("*", "settings", "weights", _MODEL, "{identity}"),
    _Origin("*", "settings", "*", _MODEL),
    _Origin("*", "reader", "*", _MODEL, "asks.{ask}.reader"),
    _Origin("*_referee", "draws", "*", _EXPERIMENT, "referee.draws"),
    _Origin("fetch_questions", "identity", "files", _DATASET, "source.file"),
    _Origin("fetch_questions", "identity", "*", _DATASET, "source.{first}"),
    _Origin("fetch_embedder", "identity", "*", _EMBEDDER, "{identity}"),
    _Origin("fetch_model", "identity", "*", _MODEL, "{identity}"),
    _Origin("recorded_embeddings", "dimension", "*", _EMBEDDER, "dimension"),
    _Origin("embed_*", "slice", "weights", _EMBEDDER, "{identity}"),
    _Origin("embed_*", "slice", "*", _EMBEDDER),
    # A bundle's members: how each is asked.
    _Origin("bundle", "members", "*/title", "model/{first_model}", "title"),
    _Origin("bundle", "members", "*/asked/prompt", "prompts/{first_prompt}", ""),
    _Origin("bundle", "members", "*/asked/way", "model/{first_model}", "asks.{first_ask}.way"),
    _Origin("bundle", "members", "*/asked/reader", "model/{first_model}", "asks.{first_ask}.reader"),
    _Origin("bundle", "members", "*/asked/answer_kind", _DATASET, "answer_kind"),
    _Origin("bundle", "members", "*/asked/*", "model/{first_model}", "{rest_of_rest}"),
    _Origin("*", "members", "", _POOL, "members"),
    # Questions and what is drawn.
    _Origin("splits", "slice", "seeds", _EXPERIMENT),
    _Origin("described_questions", "slice", "seeds", _EXPERIMENT),
    _Origin("*_queries", "slice", "queries", _DATASET, "{generated_queries}"),
    _Origin("*_queries", "slice", "answer_kind", _DATASET),
    _Origin("*_queries", "slice", "*", "{writer}"),
    _Origin("filtered_questions", "slice", "*", _ROOT),
    _Origin("*", "comparing", "tolerance*", _DATASET, "answer_tolerance{rest}"),
    _Origin("*", "comparing", "*", _DATASET),
    # Routers.
    _Origin("neighbours", "slice", "*", _ROOT, "neighbours"),
    _Origin("consensus", "slice", "*", _ROOT),
    _Origin("revealed_labels", "slice", "tolerance*", _DATASET, "answer_tolerance{rest}"),
    _Origin("revealed_labels", "slice", "answer_kind", _DATASET),
    _Origin("bundle", "slice", "seed", _EXPERIMENT, "seeds"),
    _Origin("bundle", "slice", "neighbours", _ROOT),
    _Origin("bundle", "slice", "embedder/name", _DATASET, "embedder"),
    _Origin("bundle", "slice", "embedder*", _EMBEDDER, "{rest_alone}"),
    _Origin("*", "slice", "labels", _EXPERIMENT, "{label_budget}"),
    _Origin("fit", "slice", "prices/*", "{priced}", "{price}"),
    _Origin("queries_to_label", "slice", "prices/*", "{priced}", "{price}"),
    _Origin("fit", "slice", "parameters_billion/*", "{sized}", "{size}"),
    _Origin("queries_to_label", "slice", "parameters_billion/*", "{sized}", "{size}"),
    *(
        _Origin(rule, "slice", "*", _ROUTER)
        for rule in ("fit", "route", "queries_to_label", "revealed_labels", "bundle")
    ),
    _Origin("score", "family", "*", _ROUTER, "method"),
    # Tables and figures.
    _Origin("score*", "slice", "*", _EXPERIMENT, "interval.{first}"),
    _Origin("*", "interval", "*", _EXPERIMENT, "interval.{first}"),
    _Origin("*", "level", "*", _EXPERIMENT, "interval.level"),
    _Origin("*", "baseline", "*", _EXPERIMENT, "baseline"),
    _Origin("*", "title", "*", _EXPERIMENT, "title"),
    _Origin("*", "seeds", "*", _EXPERIMENT, "seeds"),
    _Origin("*", "parameters_billion", "*", "{sized}", "{size}"),
    _Origin("cost_table", "slice", "prices/*", "{priced}", "{price}"),
    *(
        _Origin("cost_table", "slice", key, _EXPERIMENT, "costs.{first}")
        for key in ("unit", "beta", "cheapest", "dearest")
    ),
    *(_Origin("cost_table", "slice", key, _EXPERIMENT, "interval.{first}") for key in ("level", "draws", "seed")),
    _Origin("label_budget_table", "slice", "labels/*", "router/{second}", "labels"),
    _Origin("shift*", "slice", "*", _EXPERIMENT, "shift.{first}"),
    _Origin("leak_table", "slice", "threshold", _EXPERIMENT, "leaks.threshold"),
    _Origin("label_quality_table", "slice", "referee", _EXPERIMENT, "referee.member"),
    _Origin("label_quality_table", "slice", "draws", _EXPERIMENT, "referee.draws"),
    _Origin("published_table", "slice", "names/scenario/*", _EXPERIMENT, "stands_for.generator"),
    _Origin("published_table", "slice", "names/variant/*", _EXPERIMENT, "stands_for.member.{third}"),
    _Origin("published_table", "slice", "names/*", _EXPERIMENT, "stands_for{rest}"),
    _Origin("audit_table", "members", "*/*/prompt", "prompts/{first_prompt}", ""),
    _Origin("audit_table", "members", "*/*/way", "model/{first_model}", "asks.{first_ask}.way"),
    _Origin("audit_table", "members", "*/*/weights", "model/{first_model}", "{identity}"),
    _Origin("audit_table", "members", "*/*/*", "model/{first_model}", "{rest_of_rest}"),
    _Origin("report_page", "slice", "members/*", "model/{second_model}", "title"),
    _Origin("report_page", "slice", "words/*", "rgd.routers.{second_method}", "description"),
    _Origin("report_page", "slice", "level", _EXPERIMENT, "interval.level"),
    _Origin("report_page", "slice", "seed", _EXPERIMENT, "seeds"),
    _Origin("report_page", "slice", "figures/names", _EXPERIMENT, "figures"),
    *(
        _Origin("report_page", "slice", f"{key}*", _EXPERIMENT, "scenarios")
        for key in ("drawn", "descriptions", "query_sets")
    ),
    *(
        _Origin("report_page", "slice", f"{key}*", _EXPERIMENT, "datasets")
        for key in ("answers", "tested", "unlabelled")
    ),
    _Origin("*_table", "slice", "routers/*/labels", _EXPERIMENT, "{second_label_budget}"),
    _Origin("*", "slice", "routers/*", "router/{second_router}", "{rest_of_rest}"),
    _Origin("*", "slice", "neighbours", _ROOT, "neighbours"),
    _Origin("query_figure", "dataset", "", _EXPERIMENT, "datasets"),
    _Origin("query_figure", "fitted", "", _EXPERIMENT, "scenarios"),
    _Origin("*", "scenarios", "", _EXPERIMENT, "scenarios"),
    # The lists that make up the cells: see rgd.planning.arranged.
    *(_Origin("*", "*", f"*/{key}", _EXPERIMENT, key) for key in ("datasets", "scenarios", "pools", "routers")),
    *(_Origin("*", key, "*", _EXPERIMENT, "") for key in ("cells", "pools", "members", "query_sets")),
    *(_Origin("*", "slice", f"{key}*", _EXPERIMENT, "") for key in ("cells", "fitted", "writers", "judged", "sources")),
    *(_Origin("*", "slice", f"{key}*", _EXPERIMENT, "") for key in ("drawn", "own", "trained", "pools")),
    *(_Origin(rule, "slice", "*", _EXPERIMENT) for rule in ("*_table", "report_page")),
    _Origin("*", "slice", "*", _DATASET),
)


def origin(config: Config, rule: str, wildcards: Mapping[str, str], parameter: str, path: tuple[str, ...]) -> str:
    """``FILE: KEY`` of a value in a job's parameter, or the part of the command line that sets it.

    Args:
        config: the configuration.
        rule: the job's rule.
        wildcards: the job's wildcards.
        parameter: its parameter.
        path: the keys that lead to the value in the parameter.

    Returns:
        the rule, parameter and path if no file is known.
    """
    names = _Names(config, rule, wildcards, path)
    for entry in _ORIGINS:
        patterns = ((rule, entry.rules), (parameter, entry.parameter), ("/".join(path), entry.path))
        if not all(fnmatchcase(text, pattern) for text, pattern in patterns):
            continue
        try:
            file = entry.file.format_map(names)
            key = ".".join(path) if entry.key is None else entry.key.format_map(names).strip(".")
        except KeyError:
            continue
        return _told(config, file, key)
    return " ".join([f"{rule}, {parameter}", *path])


def model_named(config: Config, rule: str, wildcards: Mapping[str, str], parameter: str) -> tuple[str, str, str] | None:
    """The key that names the model or embedder whose settings a parameter has; None if they are not chosen by a key.

    Returns:
        ``FILE: KEY``, the group of the model's file and its name.
    """
    names = _Names(config, rule, wildcards, ())
    if parameter == "slice" and rule.startswith("embed_"):
        return _told(config, f"dataset/{names['dataset']}", "embedder"), "embedder", names["embedder"]
    if parameter == "settings" and "writer" in names and not names["writer"].startswith("model/"):
        return _told(config, names["writer"], "model"), "model", names["model"]
    return None


def _told(config: Config, file: str, key: str) -> str:
    group, _, name = file.partition("/")
    if group not in (*CATALOGUES, "experiment", "prompts", _ROOT):
        return f"{file}: {key}" if key else file
    place = {_ROOT: key, "experiment": f"experiment.{key}"}.get(group, f"{file.replace('/', '.', 1)}.{key}")
    for each in config.overridden:
        if key and (f"{place}.".startswith(f"{each}.") or each.startswith(f"{place}.")):
            return f"--config overrides: {each}"
    if group == _ROOT:
        path = FOLDER / "config.yaml"
    else:
        path = prompt_file(FOLDER, name) if group == "prompts" else file_of(FOLDER, group, name)
    return f"{path}: {key}" if key else str(path)


def asked(config: Config, wildcards: Mapping[str, str]) -> str | None:
    """The model that a job with these wildcards asks; None if it asks none."""
    return _asking(config, wildcards).get("model")


def asked_by(config: Config, wildcards: Mapping[str, str]) -> str | None:
    """The engine that runs the model that a job with these wildcards asks; None if it asks none."""
    names = _asking(config, wildcards)
    if "model" not in names:
        return None
    group, _, name = names["writer"].partition("/")
    return getattr(config, group)[name].engine or config.model[names["model"]].engine


class _Names(dict[str, str]):
    """Values for the names in braces: the wildcards, and what follows from them and from the keys that lead to a value."""

    def __init__(self, config: Config, rule: str, wildcards: Mapping[str, str], path: tuple[str, ...]) -> None:
        first, second, third = (*path, "", "", "")[:3]
        super().__init__(
            {**wildcards, "experiment": config.name, "first": first, "second": second, "third": third}
            | {"rest": _dotted(path[1:]), "rest_alone": ".".join(path[1:]), "rest_of_rest": ".".join(path[2:])}
        )
        self.update(_asking(config, wildcards))
        self.update(_embedding(config, wildcards))
        if "pool" in wildcards:
            self["pool"] = whole_pool(wildcards["pool"])[0]
        if "router" in wildcards:
            self.update(_router(config, wildcards["router"], ""))
        if "dataset" in wildcards:
            self.update(_of_dataset(config, wildcards))
        self["second_key"] = _own_key(config, rule, first, second)
        self.update(_member(config, self.get("dataset", ""), first, "first_"))
        self.update(_member(config, "", _own_key(config, rule, first, second), "second_"))
        self.update(_router(config, second, "second_"))
        for prefix, key in (("", wildcards.get("scenario", "")), ("second_", self["second_key"]), ("third_", third)):
            self.update(_writing(config, key, prefix))
        self.update(_number_of(config, rule, self.get("router"), second if len(path) > 1 else first, third))
        spec = _identified(config, rule, self)
        if spec is not None:
            self["identity"] = "weights" if spec.api is None else "api.model"


def _dotted(keys: tuple[str, ...]) -> str:
    return "".join(f".{key}" for key in keys)


def _own_key(config: Config, rule: str, kind: str, key: str) -> str:
    """The experiment's key where a table has the paper's."""
    if rule != "paper_table":
        return key
    return {name: own for own, name in names_in_paper(config).get(kind, {}).items()}.get(key, key)


def _embedding(config: Config, wildcards: Mapping[str, str]) -> dict[str, str]:
    dataset = config.dataset.get(wildcards.get("dataset", ""))
    return {} if dataset is None else {"embedder": dataset.embedder}


def _router(config: Config, key: str, prefix: str) -> dict[str, str]:
    name, labels = whole_router(key) if key else ("", None)
    if name not in config.router:
        return {}
    budget = {} if labels is None else {f"{prefix}label_budget": "label_budget.labels"}
    return {f"{prefix}router": name, f"{prefix}method": config.router[name].method, **budget}


def _of_dataset(config: Config, wildcards: Mapping[str, str]) -> dict[str, str]:
    dataset, member = wildcards["dataset"], wildcards.get("member", "")
    found: dict[str, str] = {}
    if dataset not in config.dataset:
        return found
    if "scenario" in wildcards:
        query_set = sweep.query_set(wildcards["scenario"])
        found["given_labels"] = str(given_labels_file(config.paths.labels, dataset, query_set))
    if config.dataset[dataset].recorded_embeddings is not None:
        found["recorded_embeddings"] = recorded_embeddings_file(config, dataset)
    pools = [name for name, pool in config.pool.items() if pool.recorded is not None and member in pool.members]
    if pools:
        swept = listed(config).pools
        found["recorded"] = recorded_file(config, dataset, member)
        found["recorded_pool"] = next((name for name in pools if name in swept), pools[0])
    if "drawn" in wildcards:
        size = scenarios.parse(config, wildcards["drawn"]).size
        found["generated_queries"] = "generated_queries" if size is None else f"generated_sizes.{size}"
    return found


def _member(config: Config, dataset: str, key: str, prefix: str) -> dict[str, str]:
    """The model, ask and prompt of a member; nothing for a recorded one."""
    member = members(config).get(key)
    if member is None:
        return {}
    ask = next(name for name, ask in member.model.asks.items() if ask is member.ask)
    prompt = (
        slices.prompt_of(member.ask, config.dataset[dataset].kind) if dataset in config.dataset else member.ask.prompt
    )
    return {f"{prefix}model": member.model_name, f"{prefix}ask": ask, f"{prefix}prompt": prompt}


def _writing(config: Config, scenario: str, prefix: str) -> dict[str, str]:
    """The generator of a scenario; nothing for real queries or what is no scenario."""
    try:
        return {f"{prefix}writing": scenarios.parse(config, sweep.query_set(scenario)).generator}
    except (UserError, ValueError):
        return {}


def _number_of(config: Config, rule: str, router: str | None, member: str, what: str) -> dict[str, str]:
    """Where a member's price and size stand."""
    known = members(config).get(member)
    model = None if known is None else f"model/{known.model_name}"
    found = {}
    pools = [name for name in listed(config).pools if member in config.pool[name].parameters_billion]
    if model is not None:
        found = {"sized": model, "size": "parameters_billion"}
    elif pools:
        found = {"sized": f"pool/{pools[0]}", "size": f"parameters_billion.{member}"}
    if rule == "cost_table" and (member in config.experiment.costs.prices or model is None):
        return found | {"priced": f"experiment/{config.name}", "price": f"costs.prices.{member}"}
    if router in config.router:
        spec = config.router[router]
        if member in spec.prices:
            return found | {"priced": f"router/{router}", "price": f"prices.{member}"}
        if spec.price not in ("dollars", "seconds") or model is None:
            return found | {"priced": f"router/{router}", "price": "price"}
        if spec.price == "seconds":
            return found | {"priced": model, "price": "answers_per_minute"}
    return found if model is None else found | {"priced": model, "price": f"api.price_{what}" if what else "api"}


def _identified(config: Config, rule: str, names: Mapping[str, str]) -> Model | Embedder | None:
    """The model or embedder whose identity a value is."""
    if rule.startswith("embed_") or rule == "fetch_embedder":
        return config.embedder.get(names.get("embedder", ""))
    return config.model.get(names.get("model") or names.get("first_model", ""))


def _asking(config: Config, wildcards: Mapping[str, str]) -> dict[str, str]:
    """The model that a job asks, the prompt, and the file that says how texts are sampled."""
    dataset = config.dataset.get(wildcards.get("dataset", ""))
    member = _member(config, wildcards.get("dataset", ""), wildcards.get("member", ""), "")
    if member:
        return {**member, "writer": f"model/{member['model']}", "sampling": "sampling"}
    if wildcards.get("featurizer") in config.featurizer:
        featurizer = config.featurizer[wildcards["featurizer"]]
        writer = f"featurizer/{wildcards['featurizer']}"
        return {"model": featurizer.model, "writer": writer, "prompt": featurizer.prompt, "sampling": ""}
    if dataset is not None and dataset.descriptor is not None and "variant" in wildcards:
        descriptor = config.descriptor[dataset.descriptor]
        prompt = getattr(descriptor.prompts, wildcards["variant"], "")
        writer = f"descriptor/{dataset.descriptor}"
        return {"model": descriptor.model, "writer": writer, "prompt": prompt, "sampling": ""}
    keys = (wildcards[name] for name in ("generator", "drawn", "query_set", "scenario") if name in wildcards)
    generator = _writing(config, next(keys, ""), "").get("writing")
    if generator is None:
        return {}
    spec = config.generator[generator]
    return {"model": spec.model, "writer": f"generator/{generator}", "prompt": spec.prompt, "sampling": ""}
