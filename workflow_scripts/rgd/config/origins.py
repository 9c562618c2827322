"""Where a value in a rule's parameter comes from: the file and key that a person would edit."""

from collections.abc import Mapping
from fnmatch import fnmatch
from typing import NamedTuple

from rgd.config.members import members
from rgd.config.schema import Config


class _Origin(NamedTuple):
    """Patterns of the rule, the parameter and its first key (``*``: any or none); the file, and the key there if it differs."""

    rules: str
    parameter: str
    first: str
    file: str
    key: str | None = None


_MODEL, _PROMPT = "config/model/{model}.yaml", "config/prompts/{prompt}.txt"
_EXPERIMENT, _DATASET = "config/experiment/{experiment}.yaml", "config/dataset/{dataset}.yaml"

# The first match counts; an entry is skipped if a name in its braces is unknown.
_ORIGINS = (
    _Origin("*", "titles", "scenario", "config/generator/{second}.yaml", "title"),
    _Origin("*", "titles", "*", "config/{first}/{second}.yaml", "title"),
    _Origin("*", "own_content", "*", _DATASET, "source.file"),
    _Origin("embed_*", "content", "*", _DATASET, "recorded_embeddings"),
    _Origin("read_*", "content", "*", "config/pool/{pool}.yaml", "recorded"),
    _Origin("*", "settings", "prompt", _PROMPT, ""),
    _Origin("*", "settings", "way", _MODEL, "asks.{ask}.way"),
    _Origin("*", "settings", "sampling", "config/{writer}.yaml", "{second}"),
    _Origin("*", "settings", "answers_epoch", "config/{writer}.yaml"),
    _Origin("*", "settings", "*", _MODEL),
    _Origin("*", "members", "*", "config/pool/{pool}.yaml", "members"),
    _Origin("*", "interval", "*", _EXPERIMENT, "interval.{first}"),
    _Origin("*", "baseline", "*", _EXPERIMENT, "baseline"),
    _Origin("*", "identity", "*", "config/embedder/{embedder}.yaml", "weights"),
    _Origin("*", "identity", "*", _MODEL, "weights"),
    _Origin("*", "dimension", "*", "config/embedder/{embedder}.yaml", "dimension"),
    _Origin("fit", "slice", "*", "config/router/{router}.yaml"),
    _Origin("route", "slice", "*", "config/router/{router}.yaml"),
    _Origin("score*", "slice", "*", _EXPERIMENT, "interval.{first}"),
    _Origin("splits", "slice", "seeds", _EXPERIMENT),
    _Origin("neighbours", "slice", "*", "config/config.yaml", "neighbours"),
    _Origin("consensus", "slice", "*", "config/config.yaml"),
    _Origin("embed_*", "slice", "*", "config/embedder/{embedder}.yaml"),
    _Origin("bundle", "slice", "embedder", "config/embedder/{embedder}.yaml", "{second}"),
    _Origin("bundle", "slice", "neighbours", "config/config.yaml", "neighbours"),
    _Origin("bundle", "slice", "*", "config/router/{router}.yaml"),
    _Origin("*", "slice", "queries", _DATASET, "generated_queries"),
    _Origin("*_queries", "slice", "*", "config/{writer}.yaml"),
    _Origin("*", "slice", "*", _DATASET),
    _Origin("*_table", "slice", "*", _EXPERIMENT),
)


def origin(config: Config, rule: str, wildcards: Mapping[str, str], parameter: str, path: tuple[str, ...]) -> str:
    """``FILE: KEY`` of a value in a job's parameter; the rule, parameter and path if no file is known.

    Args:
        config: the configuration.
        rule: the job's rule.
        wildcards: the job's wildcards.
        parameter: its parameter.
        path: the keys that lead to the value in the parameter.
    """
    first, second = (*path, "", "")[:2]
    names = {**_names(config, wildcards, second), "first": first, "second": second}
    for entry in _ORIGINS:
        if not (fnmatch(rule, entry.rules) and fnmatch(parameter, entry.parameter) and fnmatch(first, entry.first)):
            continue
        try:
            file = entry.file.format_map(names)
            key = ".".join(path) if entry.key is None else entry.key.format_map(names).rstrip(".")
        except KeyError:
            continue
        return f"{file}: {key}" if key else file
    return " ".join([f"{rule}, {parameter}", *path])


def asked(config: Config, wildcards: Mapping[str, str]) -> str | None:
    """The model that a job with these wildcards asks; None if it asks none."""
    return _names(config, wildcards, "").get("model")


def asked_by(config: Config, wildcards: Mapping[str, str]) -> str | None:
    """The engine that runs the model that a job with these wildcards asks; None if it asks none."""
    names = _names(config, wildcards, "")
    if "model" not in names:
        return None
    group, _, name = names["writer"].partition("/")
    return getattr(config, group)[name].engine or config.model[names["model"]].engine


def _names(config: Config, wildcards: Mapping[str, str], second: str) -> dict[str, str]:
    """Values for the names in braces: the wildcards, and what follows from them."""
    names = {**wildcards, "experiment": config.name}
    dataset = config.dataset.get(wildcards.get("dataset", ""))
    if dataset is not None:
        names["embedder"] = dataset.embedder
    member = members(config).get(wildcards.get("member", ""))
    if member is not None:
        ask = next(name for name, ask in member.model.asks.items() if ask is member.ask)
        writer = f"model/{member.model_name}"
        return {**names, "model": member.model_name, "writer": writer, "ask": ask, "prompt": member.ask.prompt}
    if wildcards.get("featurizer") in config.featurizer:
        featurizer = config.featurizer[wildcards["featurizer"]]
        writer = f"featurizer/{wildcards['featurizer']}"
        return {**names, "model": featurizer.model, "writer": writer, "prompt": featurizer.prompt}
    if dataset is not None and dataset.descriptor is not None and "variant" in wildcards:
        descriptor = config.descriptor[dataset.descriptor]
        prompt = getattr(descriptor.prompts, wildcards["variant"], "")
        return {**names, "model": descriptor.model, "writer": f"descriptor/{dataset.descriptor}", "prompt": prompt}
    # A scenario's key begins with its generator's.
    key = next((wildcards[name] for name in ("generator", "drawn", "query_set", "scenario") if name in wildcards), "")
    generator = max(
        (name for name in config.generator if key == name or key.startswith(f"{name}-")), key=len, default=None
    )
    if generator is not None:
        spec = config.generator[generator]
        prompt = "{" + ",".join(spec.examples) + "}" if second == "examples" else spec.prompt
        return {**names, "model": spec.model, "writer": f"generator/{generator}", "prompt": prompt}
    return names
