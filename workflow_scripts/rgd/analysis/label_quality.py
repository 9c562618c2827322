"""The quality of a generator's own answers to its queries (arXiv 2601.09692, section 4.3.2, Tables 1 and 12)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from rgd.analysis.order import AVERAGE, REAL, Titles, group_title, records
from rgd.analysis.people import lines_by_columns
from rgd.answers.referee import MAJORITY, MISSING, TIE
from rgd.scoring.statistics import accuracy_interval

COLUMNS = [
    *("dataset", "scenario", "referee", "draws", "n_queries", "majority", "tie", "missing", "unanimous"),
    *("agreement", "ci_low", "ci_high", "agreement_lowest"),
]
NOTE = (
    "Share of the queries on which the label is the answer of {referee} that more than half of {draws} draws give, in per cent "
    "with its interval over queries. Generated queries: the generator's own answer; test questions: the benchmark's label, so "
    "that this row is the referee's accuracy, on the test part of the first split. Queries without a majority (a tie, or too few readable answers) are "
    "left out of the share and counted; as disagreements they would give the lowest share."
)

NOTHING_JUDGED = "Nothing is judged: this experiment has no referee, or no generated queries that it judges."


def label_quality(
    labels: pd.DataFrame, referee: pd.DataFrame, tasks: pd.DataFrame, interval: Mapping[str, Any]
) -> dict[str, Any]:
    """Agreement of a query set's labels with the referee, over the queries that the referee was asked.

    Args:
        labels: query_id and label.
        referee: rows of schemas.REFEREE.
        tasks: query_id and task, the strata of the bootstrap.
        interval: level, draws and seed of the bootstrap.

    Returns:
        n_queries; the numbers with the outcomes majority, tie, missing; unanimous, the share of queries on which all
        draws give the same answer; agreement over the queries with a majority, with ci_low and ci_high (NaN if no query
        has one); agreement_lowest over all queries.

    Raises:
        ValueError: a query that the referee was asked has no label or no task.
    """
    frame = referee.merge(labels, on="query_id", how="left").merge(tasks, on="query_id", how="left")
    if frame[["label", "task"]].isna().to_numpy().any():
        raise ValueError("the referee was asked queries that have no label or no task")
    decided = frame[frame["outcome"] == MAJORITY]
    agrees = (decided["answer"] == decided["label"]).to_numpy().astype(float)
    found = None
    if len(decided):
        found = accuracy_interval(
            agrees, decided["task"].to_numpy().astype(str), interval["seed"], interval["draws"], interval["level"]
        )
    one = [len(set(answers)) == 1 and answers[0] is not None for answers in frame["answers"]]
    return {
        "n_queries": len(frame),
        **{outcome: int((frame["outcome"] == outcome).sum()) for outcome in (MAJORITY, TIE, MISSING)},
        "unanimous": float(np.mean(one)),
        "agreement": found.estimate if found else np.nan,
        "ci_low": found.low if found else np.nan,
        "ci_high": found.high if found else np.nan,
        "agreement_lowest": float(agrees.sum() / len(frame)),
    }


def with_averages(table: pd.DataFrame) -> pd.DataFrame:
    """``table`` (COLUMNS) with a row of means for each scenario that all of several datasets have."""
    datasets = table["dataset"].nunique()
    if datasets < 2:
        return table
    means = ["unanimous", "agreement", "ci_low", "ci_high", "agreement_lowest"]
    rows = []
    for scenario, part in table.groupby("scenario", sort=False):
        if len(part) < datasets:
            continue
        # The datasets are independent, so the half-widths of their intervals add in quadrature.
        row = {"dataset": AVERAGE, "scenario": scenario, **part[["referee", "draws"]].iloc[0], **part[means].mean()}
        row |= part[["n_queries", MAJORITY, TIE, MISSING]].sum().to_dict()
        row["ci_low"] = row["agreement"] - np.sqrt(((part["agreement"] - part["ci_low"]) ** 2).sum()) / datasets
        row["ci_high"] = row["agreement"] + np.sqrt(((part["ci_high"] - part["agreement"]) ** 2).sum()) / datasets
        rows.append(row)
    return pd.concat([table, pd.DataFrame(rows, columns=COLUMNS)], ignore_index=True)


def label_quality_for_people(table: pd.DataFrame, titles: Titles | None = None) -> dict[str, pd.DataFrame]:
    """Agreement by scenario and dataset, with the referee's own accuracy first; then the undecided queries."""
    shares, counts = [], []
    for row in records(table):
        real = row["scenario"] == REAL
        name = f"{row['referee']}: test questions" if real else group_title(titles, scenario=row["scenario"])
        dataset = group_title(titles, dataset=row["dataset"])
        text = f"{100 * row['agreement']:.1f} [{100 * row['ci_low']:.1f}, {100 * row['ci_high']:.1f}]"
        shares.append((name, {dataset: "no majority" if np.isnan(row["agreement"]) else text}))
        counts.append(
            {
                "labels": name,
                "dataset": dataset,
                "queries": row["n_queries"],
                "majority": row[MAJORITY],
                "tie": row[TIE],
                "missing": row[MISSING],
                "unanimous %": f"{100 * row['unanimous']:.1f}",
                "lowest agreement %": f"{100 * row['agreement_lowest']:.1f}",
            }
        )
    return {"Agreement with the referee": lines_by_columns("labels", shares), "Queries": pd.DataFrame(counts)}
