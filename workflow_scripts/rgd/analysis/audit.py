"""An audit of members' answers for faults that accuracy does not show, to do before reading the results."""

import json
from typing import Any

import numpy as np
import pandas as pd

from rgd.analysis.order import Titles, group_title
from rgd.engines.served import is_asked
from rgd.store.chunks import engine_of

# Shares of a query set's answers above which a fault is flagged.
LIMITS = {"unparsed": 0.1, "truncated": 0.1, "empty": 0.01, "blocked": 0.01, "most_common": 0.5}
MIXED, OTHER_MODEL = "mixed versions", "another model"
SAMPLES, SAMPLE = 2, 80
"""How many texts of each rule are shown, and the number of characters of each."""
SHARES = [*LIMITS, "trimmed"]
COLUMNS = ["dataset", "query_set", "member", "task", "answers", *SHARES, "engines", "served_models", "cost", "flags"]
NOTE = (
    "Shares in per cent of a query set's answers. Unparsed: no answer could be read; truncated: cut off at the token limit; "
    "blocked: held back by an API's filters; most common: the share of the text that is repeated most; trimmed: the question "
    "lost text because it was too long. Flagged above "
    + ", ".join(f"{100 * limit:g} ({name.replace('_', ' ')})" for name, limit in LIMITS.items())
    + "; the rule by which a text was read is explained in docs/datasets.md, and of each rule up to "
    + f"{SAMPLES} texts are shown by their last {SAMPLE} characters; {MIXED}: several engines or versions gave the answers; {OTHER_MODEL}: the server names a model that was not asked for."
)


def audit(questions: pd.DataFrame, responses: pd.DataFrame, stored: pd.DataFrame | None) -> pd.DataFrame:
    """The audit of a member's answers to a query set: one row for all answers, then one per task.

    Args:
        questions: query_id and task.
        responses: text, answer, finish_reason of the same queries in the same order.
        stored: trimmed, cost, served_model, provenance of the same queries in the same order, from the store; None for
            recorded answers, for which these are unknown.

    Returns:
        Columns task (null for all), answers, the :data:`SHARES` (NaN where unknown), engines, served_models, cost, flags.

    Raises:
        ValueError: the tables have different queries.
    """
    if questions["query_id"].tolist() != responses["query_id"].tolist():
        raise ValueError("responses and questions have different queries or different orders")
    frame = responses.assign(task=questions["task"].to_numpy())
    if stored is not None:
        frame = frame.assign(**{name: stored[name].to_numpy() for name in stored.columns})
    parts: list[tuple[str | None, pd.DataFrame]] = [(None, frame)]
    parts += [(str(task), part) for task, part in frame.groupby("task", sort=False)]
    return pd.DataFrame([{"task": task, **_row(part, stored is not None)} for task, part in parts])


def _row(frame: pd.DataFrame, is_stored: bool) -> dict[str, Any]:
    has_text = is_stored or frame["text"].notna().any()
    texts = frame["text"].fillna("").str.strip()
    written = texts[texts != ""]
    found: dict[str, Any] = {
        "answers": len(frame),
        "unparsed": frame["answer"].isna().mean(),
        "truncated": (frame["finish_reason"] == "length").mean() if has_text else np.nan,
        "empty": (texts == "").mean() if has_text else np.nan,
        "blocked": (frame["finish_reason"] == "blocked").mean() if has_text else np.nan,
        # A single answer is always the most common one.
        "most_common": written.value_counts().iloc[0] / len(frame) if len(written) > 1 else np.nan,
        "trimmed": frame["trimmed"].mean() if is_stored else np.nan,
        "engines": "",
        "served_models": "",
        "cost": frame["cost"].sum() if is_stored else np.nan,
    }
    flags = [name.replace("_", " ") for name, limit in LIMITS.items() if found[name] > limit]
    if is_stored:
        pairs = frame[["provenance", "served_model"]].drop_duplicates()
        engines = sorted({engine_of(provenance) for provenance in pairs["provenance"]})
        known = [(json.loads(provenance), served) for provenance, served in pairs.itertuples(index=False)]
        found["engines"] = ", ".join(engines)
        found["served_models"] = ", ".join(sorted({served for _, served in known if served}))
        flags += [MIXED] if len(engines) > 1 else []
        flags += [OTHER_MODEL] if any(not is_asked(served, made.get("model")) for made, served in known) else []
    return found | {"flags": ", ".join(flags)}


def readings(responses: pd.DataFrame) -> pd.DataFrame:
    """By which rules a member's texts were read, the most frequent rule first, with the ends of the first texts of each.

    Args:
        responses: text, answer, extraction_rule.

    Returns:
        Columns rule, answers, share, and samples: the ends of texts with the answer read; no rows if no text is known.
    """
    written = responses[responses["text"].fillna("").str.strip() != ""]
    rows = [
        {
            "rule": rule,
            "answers": len(part),
            "share": len(part) / len(responses),
            "samples": " | ".join(
                f"{'none' if answer is None or pd.isna(answer) else answer}: {_end(text)}"
                for text, answer in part[["text", "answer"]].head(SAMPLES).itertuples(index=False)
            ),
        }
        for rule, part in written.groupby("extraction_rule", sort=True)
    ]
    table = pd.DataFrame(rows, columns=["rule", "answers", "share", "samples"])
    return table.sort_values("answers", ascending=False, kind="stable", ignore_index=True)


def _end(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SAMPLE else f"…{line[-SAMPLE:]}"


def readings_for_people(table: pd.DataFrame, titles: Titles | None = None) -> dict[str, pd.DataFrame]:
    """The rules by which each member's texts were read, for each dataset and query set.

    Args:
        table: rows of :func:`readings`, with dataset, query_set and member.
        titles: names to show instead of keys, by kind (dataset, scenario).
    """
    tables = {}
    for (dataset, query_set), part in table.groupby(["dataset", "query_set"], sort=False):
        name = group_title(titles, dataset=str(dataset), scenario=str(query_set))
        shown = part[["member", "rule", "answers", "share", "samples"]].assign(share=part["share"].map(_percent))
        tables[f"{name}: how answers were read"] = shown.reset_index(drop=True)
    return tables


def audit_for_people(table: pd.DataFrame, titles: Titles | None = None) -> dict[str, pd.DataFrame]:
    """The members' shares and flags for each dataset and query set, and unparsed answers task by task if there are any.

    Args:
        table: rows of :func:`audit`, with dataset, query_set and member.
        titles: names to show instead of keys, by kind (dataset, scenario).
    """
    tables = {}
    for (dataset, query_set), part in table.groupby(["dataset", "query_set"], sort=False):
        name = group_title(titles, dataset=str(dataset), scenario=str(query_set))
        whole = part[part["task"].isna()]
        shares = {share.replace("_", " "): [_percent(value) for value in whole[share]] for share in SHARES}
        tables[name] = pd.DataFrame(
            {
                "member": whole["member"].tolist(),
                "answers": whole["answers"].tolist(),
                **shares,
                "engine": whole["engines"].tolist(),
                "served model": whole["served_models"].tolist(),
                "flags": whole["flags"].tolist(),
            }
        )
        tasks = part[part["task"].notna()]
        if tasks["unparsed"].any():
            by_task = tasks.pivot_table(index="task", columns="member", values="unparsed", sort=False)
            by_task = by_task.map(_percent).rename_axis(None, axis="columns").reset_index()
            tables[f"{name}: unparsed, task by task"] = by_task
    return tables


def _percent(share: float) -> str:
    return "–" if np.isnan(share) else f"{100 * share:.1f}"
