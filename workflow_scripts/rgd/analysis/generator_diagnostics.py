"""A generator's queries for a pool: does their writer answer them as it says, and do they tell members apart?"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from rgd.analysis.order import REAL, Titles, group_title, records
from rgd.analysis.people import tables_by
from rgd.analysis.ranking_transfer import mean_scores
from rgd.answers.pool import encode
from rgd.generation.drawing import KEPT, SURPLUS

COLUMNS = [
    *("dataset", "scenario", "pool", "n_queries", "writer", "own_accuracy"),
    *("spread", "range", "disagreement", "all_differ", "distinct_answers", "missing_answers"),
    *("draws", "kept", "surplus", "dropped", "reasons"),
]
NOTE = (
    "Own accuracy: how often the generator, asked as a member of the pool, gives the answer it wrote down as right. Spread: "
    "standard deviation of the members' mean consensus scores. Disagreement: share of the queries to which members give "
    "more than one answer. Means over splits where there are several. Draws that were not needed are surplus, all others that "
    "are not kept were dropped for the reasons given."
)


def differentiation(consensus: pa.Table, members: Sequence[str]) -> dict[str, float]:
    """How well a query set tells the members of a pool apart, as means over its seeds.

    Args:
        consensus: schemas.CONSENSUS, sorted by seed, then member, then query.
        members: the pool, in order.

    Returns:
        n_queries; spread and range, the standard deviation (M in the denominator) and the width of the members' mean
        consensus scores; disagreement, the share of queries with at least two different answers; all_differ, the
        share of queries on which no two members agree; distinct_answers, the mean number of different answers;
        missing_answers, the share of missing answers.
    """
    means = mean_scores(consensus, members)
    seeds = consensus["seed"].to_numpy()
    rows = []
    for seed, scores in means.items():
        part = consensus.filter(seeds == seed)
        n = part.num_rows // len(members)
        answers = part["answer"].combine_chunks()
        codes, _ = encode([answers.slice(place * n, n) for place in range(len(members))])
        ordered = np.sort(codes, axis=1)
        new = (np.diff(ordered, axis=1, prepend=-1) > 0) & (ordered >= 0)
        distinct = new.sum(axis=1)
        rows.append(
            {
                "n_queries": float(n),
                "spread": float(scores.std()),
                "range": float(np.ptp(scores)),
                "disagreement": float((distinct > 1).mean()),
                "all_differ": float(((distinct > 1) & (distinct == (codes >= 0).sum(axis=1))).mean()),
                "distinct_answers": float(distinct.mean()),
                "missing_answers": float((codes < 0).mean()),
            }
        )
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def own_accuracy(answers: pa.Table, labels: pa.Table) -> float:
    """Share of the labels (query_id, label) that equal the answers (query_id, answer); a missing answer equals none.

    Raises:
        ValueError: the tables have different queries.
    """
    frame = labels.to_pandas().merge(answers.to_pandas(), on="query_id", how="left", validate="one_to_one")
    if len(frame) != answers.num_rows or len(frame) != labels.num_rows:
        raise ValueError("answers and labels have different queries")
    return float((frame["answer"] == frame["label"]).mean())


def draw_counts(counts: pa.Table) -> dict[str, Any]:
    """The outcomes of a query set's draws: draws, kept, surplus, dropped, and the number dropped for each reason.

    Args:
        counts: outcome and draws of schemas.GENERATION_COUNTS.
    """
    totals = counts.to_pandas().groupby("outcome")["draws"].sum().to_dict()
    reasons = {str(name): int(n) for name, n in sorted(totals.items()) if name not in (KEPT, SURPLUS) and n}
    return {
        "draws": int(sum(totals.values())),
        "kept": int(totals.get(KEPT, 0)),
        "surplus": int(totals.get(SURPLUS, 0)),
        "dropped": sum(reasons.values()),
        "reasons": ", ".join(f"{name} {number}" for name, number in reasons.items()),
    }


def diagnostics_for_people(table: pd.DataFrame, titles: Titles | None = None) -> dict[str, pd.DataFrame]:
    """One table for each dataset and pool: scenarios by diagnostics."""

    def line(row: Mapping[str, Any]) -> dict[str, str]:
        is_real = row["scenario"] == REAL
        own = "not a member" if pd.isna(row["own_accuracy"]) else f"{100 * row['own_accuracy']:.1f}"
        return {
            "queries of": group_title(titles, scenario=row["scenario"]),
            "queries": f"{row['n_queries']:.0f}",
            "own accuracy %": "" if is_real else own,
            "spread": f"{row['spread']:.3f}",
            "disagreement %": f"{100 * row['disagreement']:.1f}",
            "distinct answers": f"{row['distinct_answers']:.2f}",
            "missing %": f"{100 * row['missing_answers']:.1f}",
            "kept of draws": "" if is_real else f"{row['kept']:.0f} of {row['draws']:.0f}",
            "dropped": row["reasons"] or "",
        }

    return tables_by(("dataset", "pool"), table, titles, lambda part: pd.DataFrame(map(line, records(part))))
