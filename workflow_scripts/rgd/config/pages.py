"""The reference pages generated from the schemas: docs/configuration.md and docs/artifacts.md.

``python -m rgd.config.pages`` rewrites both. A test fails if they differ from the schemas.
"""

import inspect
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pyarrow as pa
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from rgd.artifacts import schemas
from rgd.config.compose import EXAMPLE
from rgd.config.schema import Config, Section
from rgd.routers import contract, load, methods
from rgd.routers.base import Router
from rgd.store.chunks import FILE_SCHEMA

DOCS = Path(__file__).parents[3] / "docs"

ARTIFACTS: dict[str, tuple[pa.Schema, str]] = {
    "questions/D/Q.parquet": (schemas.QUESTIONS, "A query, without its label."),
    "labels/D/Q.parquet": (
        schemas.LABELS,
        "A query's label: the letter of the right option. In a generated scenario, the option that the generator calls right.",
    ),
    "parts/D.parquet": (
        schemas.PARTS,
        "A question's part, train or test, if the benchmark has its own split; otherwise there are no rows.",
    ),
    "dropped/D.parquet": (
        schemas.DROPPED,
        "A dropped row of the benchmark: its number and id, the kind of fault, and the fault itself.",
    ),
    "splits/D.parquet": (schemas.SPLITS, "A question's part in one split: train, test or reserved."),
    "descriptions/D/V.parquet": (schemas.DESCRIPTIONS, "A task's description. V is default, short, shortest or human."),
    "generation/D/Q.parquet": (
        schemas.GENERATION_COUNTS,
        "The number of a task's draws with one outcome: kept, or the reason for dropping them.",
    ),
    "filtering/D/Q-filtered-P.parquet": (
        schemas.FILTERING,
        "The number of a task's queries with one outcome: kept, or the reason for dropping them. first and second are the pool's "
        "best members by mean consensus score.",
    ),
    "embeddings/D/Q.parquet": (schemas.embeddings(384), "A query's vector, of unit length."),
    "store/SETTINGS/CHUNK.parquet": (
        FILE_SCHEMA,
        "An answer to one draw of a query, under the settings in settings.json beside it. The workflow never deletes it.",
    ),
    "responses/D/Q/M.parquet": (schemas.RESPONSES, "A member's answer, read from the store and extracted."),
    "graded_responses/D/M.parquet": (
        schemas.RESPONSES,
        "A member's answer to a benchmark without options. A right answer is replaced by the label.",
    ),
    "equal_answers/D/P.parquet": (
        schemas.EQUAL_ANSWERS,
        "An answer of the pool to a question without options, with the representative of the answers equal to it.",
    ),
    "matched_responses/D/P/M.parquet": (
        schemas.RESPONSES,
        "A member's answer to a benchmark without options, replaced by the representative of the pool's answers equal to it.",
    ),
    "matched_labels/D/P.parquet": (
        schemas.LABELS,
        "A label of a benchmark without options, replaced by the representative of the pool's right answers.",
    ),
    "answer_embeddings/D/Q/P.parquet": (schemas.answer_embeddings(384), "The vector of a member's answer text."),
    "option_embeddings/D/Q/P.parquet": (
        schemas.answer_embeddings(384),
        "The vector of the option that a member chose.",
    ),
    "features/D/Q/F.parquet": (
        schemas.FEATURES,
        "A featurizer's description of a query; empty if it could not be parsed.",
    ),
    "feature_embeddings/D/Q/F.parquet": (
        schemas.embeddings(768),
        "The vectors of a query's keywords and step_back, concatenated; zeros if there is no text.",
    ),
    "referee/D/Q/M.parquet": (
        schemas.REFEREE,
        "A referee's answers to a query, one per draw, and the answer of more than half of them. Without one, outcome says why.",
    ),
    "leaks/queries/D/Q.parquet": (
        schemas.LEAKS,
        "The test question that a query repeats, if any, and the most similar one. leaks/descriptions has the same for each task's "
        "description.",
    ),
    "shift/D/S.parquet": (schemas.SHIFT, "The distance of a scenario's queries from the real training queries."),
    "neighbours/D/S.parquet": (
        schemas.NEIGHBOURS,
        "A test query's nearest training queries, nearest first, as row numbers in the seed's training set.",
    ),
    "training/D/S/P.parquet": (
        schemas.TRAINING_SETS,
        "A member's answer to a training query, ordered by seed, member and query. Routers are fitted on this file.",
    ),
    "queries_to_label/D/S/P/R.parquet": (
        schemas.QUERIES_TO_LABEL,
        "A training query whose label a router asks for, and its place in the order in which labels tell most.",
    ),
    "revealed_labels/D/S/P/R.parquet": (
        schemas.REVEALED_LABELS,
        "A label that a router of the family few-labels is fitted with; given says whether a person gave it (`rgd label`).",
    ),
    "consensus/D/S/P.parquet": (
        schemas.CONSENSUS,
        "A member's answer to a training query with its consensus score, by the configuration's vote_weight. Only analyses read it.",
    ),
    "routers/D/S/P/R.parquet": (schemas.ROUTER, "A learned array of a fitted router."),
    "routes/D/S/P/R.parquet": (
        schemas.routes(["VARIANT"]),
        "A test query: the ranking of the pool and, for each variant, the answer and the members asked. It holds no correctness.",
    ),
    "outcomes/D/S/P/R.parquet": (
        schemas.outcomes(["VARIANT"]),
        "A test query: for each variant, 1 for right and 0 for wrong, or the probability of being right.",
    ),
    "choices/D/S/P/R.parquet": (schemas.CHOICES, "The share of queries for which a variant asks a member."),
    "cells/D/S/P/R.parquet": (schemas.CELLS, "The result of one variant and seed of a router."),
    "bundles/D/S/P/R/training.parquet": (
        schemas.TRAINING,
        "A training query of a bundle, in the order of the vectors in embeddings.safetensors beside it.",
    ),
}


def configuration_page() -> str:
    """docs/configuration.md: every key with its type, default and meaning."""
    lines = [
        "# Configuration reference",
        "",
        "Generated from the schema (`python -m rgd.config.pages`). Each key is listed under the file that holds it.",
        "",
        "A key is changed in its file, or for one command by an override, which names it by its path: group, file, key.",
        "",
        "```",
        'snakemake --cores 2 --config \'overrides=["router.avengers.n_clusters=32", "neighbours=32"]\'',
        f"rgd plan {EXAMPLE}",
        "```",
        "",
        "The same `--config` belongs to every later command that is to see the same results. Snakemake takes all that follows "
        "`--config` for settings, so targets stand before it, or after `--`. A target in their midst ends Snakemake before this project "
        "has a say, with a traceback and `ValueError: Invalid config definition: Config entries have to be defined as name=value pairs. "
        "(Unparsable value: 'TARGET')`.",
        "",
    ]
    for title, section in _sections():
        lines += [f"## {title}", ""]
        if section.__doc__ and section.__doc__ != Section.__doc__:
            lines += [section.__doc__.strip(), ""]
        lines += ["| key | type | default | meaning |", "|---|---|---|---|"]
        lines += [
            f"| `{name}` | {_type(field)} | {_default(field)} | {field.description or ''} |"
            for name, field in section.model_fields.items()
        ]
        lines.append("")
    lines += [
        "## Parameters of the routing methods",
        "",
        "Keys under `parameters` in a file of `config/router`, by its `method`.",
        "",
    ]
    for method in methods():
        kind = load(method)
        known, meanings = contract.parameters(kind), _meanings(kind)
        if not known:
            continue
        if "__init__" not in vars(kind):
            lines += [f"### {method}", "", f"The same as for `{contract.method_of(kind.__mro__[1])}`.", ""]
            continue
        lines += [f"### {method}", "", "| key | type | default | meaning |", "|---|---|---|---|"]
        lines += [
            f"| `{name}` | {contract.allowed(parameter.hint)} | `{json.dumps(default)}` | {meanings.get(name, '')} |"
            for (name, parameter), default in zip(known.items(), _defaults(kind, known), strict=True)
        ]
        lines.append("")
    return "\n".join(lines)


def _defaults(kind: type[Router], names: Iterable[str]) -> list[Any]:
    made = contract.build(kind, {})
    return [getattr(made, name) for name in names]


def _meanings(kind: type[Router]) -> dict[str, str]:
    """What the ``Args`` of a router's docstring, or of its nearest base with any, say of each parameter."""
    documented = next((base.__doc__ or "" for base in kind.__mro__ if "Args:" in (base.__doc__ or "")), "")
    section = inspect.cleandoc(documented.partition("Args:")[2].partition("\n\n")[0])
    found = {}
    for names, meaning in re.findall(r"^(\w+(?:, \w+)*): (.*(?:\n .*)*)", section, re.MULTILINE):
        for name in names.split(", "):
            said = " ".join(meaning.split()).replace("``", "`")
            found[name] = said[:1].upper() + said[1:]
    return found


def artifacts_page() -> str:
    """docs/artifacts.md: every artifact with its columns."""
    lines = [
        "# Artifacts",
        "",
        "Generated from the schemas (`python -m rgd.config.pages`). All artifacts are Parquet files (zstd) under `results/`.",
        "A `….provenance.json` beside each one records how it was made. `D` is a dataset, `Q` a query set (`benchmark`, or the",
        "key of a generated scenario), `S` a scenario, `P` a pool, `M` a member, `R` a router, `F` a featurizer.",
        "",
    ]
    for path, (schema, meaning) in ARTIFACTS.items():
        lines += [
            f"## `{path}`",
            "",
            f"Each row is {meaning[0].lower() + meaning[1:]}",
            "",
            "| column | type |",
            "|---|---|",
        ]
        lines += [f"| `{field.name}` | {field.type} |" for field in schema]
        lines.append("")
    return "\n".join(lines)


def _sections() -> Iterator[tuple[str, type[Section]]]:
    yield "config/config.yaml", Config
    waiting: list[tuple[str, type[Section]]] = [("", Config)]
    seen: set[type[Section]] = {Config}
    while waiting:
        prefix, section = waiting.pop(0)
        for name, field in section.model_fields.items():
            for kind in _section_types(field.annotation):
                if kind not in seen:
                    seen.add(kind)
                    path = f"{prefix}.{name}".removeprefix(".")
                    yield path, kind
                    waiting.append((path, kind))


def _section_types(annotation: Any) -> list[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [kind for argument in get_args(annotation) for kind in _section_types(argument)]


def _type(field: FieldInfo) -> str:
    bounds = [
        f"{sign} {getattr(item, attribute)}"
        for item in field.metadata
        for attribute, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"), ("min_length", "length ≥"))
        if getattr(item, attribute, None) is not None
    ]
    return ", ".join([_name(field.annotation), *bounds])


def _name(annotation: Any) -> str:
    arguments = [item for item in get_args(annotation) if item is not type(None)]
    optional = " or null" if type(None) in get_args(annotation) else ""
    if get_origin(annotation) is Literal:
        return " / ".join(f"`{item}`" for item in arguments)
    if get_origin(annotation) is list:
        return f"list of {_name(arguments[0])}"
    if get_origin(annotation) is dict:
        return f"map of {_name(arguments[1])}"
    if optional:
        return " or ".join(_name(item) for item in arguments) + optional
    if hasattr(annotation, "__metadata__"):
        return _name(annotation.__origin__)
    return str(getattr(annotation, "__name__", annotation)).lower()


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        made = field.default_factory()  # type: ignore[call-arg]
        return "see there" if isinstance(made, Section) else f"`{json.dumps(made)}`"
    if field.default is PydanticUndefined:
        return "required"
    return f"`{json.dumps(field.default)}`"


if __name__ == "__main__":
    DOCS.mkdir(exist_ok=True)
    (DOCS / "configuration.md").write_text(configuration_page(), encoding="utf-8")
    (DOCS / "artifacts.md").write_text(artifacts_page(), encoding="utf-8")
