"""The stages of a run in the terms of the field, in the order in which data flow."""

WEIGHTS = "weights"
QUESTIONS = "questions"
DESCRIPTIONS = "task descriptions"
QUERIES = "generated queries"
RESPONSES = "responses"
FEATURES = "query features"
REFEREE = "referee"
EQUALITY = "equality of answers"
EMBEDDINGS = "embeddings"
TRAINING = "training sets"
ROUTERS = "routers"
SCORES = "scores"
TABLES = "tables"
FIGURES = "figures"
PRODUCTS = "page and bundles"
STAGES = (
    WEIGHTS,
    QUESTIONS,
    DESCRIPTIONS,
    QUERIES,
    RESPONSES,
    FEATURES,
    REFEREE,
    EQUALITY,
    EMBEDDINGS,
    TRAINING,
    ROUTERS,
    SCORES,
    TABLES,
    FIGURES,
    PRODUCTS,
)
OTHER = "other"
"""The stage of a rule that is named nowhere here."""

_STAGES = {
    "fetch_model": WEIGHTS,
    "fetch_embedder": WEIGHTS,
    "fetch_questions": QUESTIONS,
    "benchmark_questions": QUESTIONS,
    "splits": QUESTIONS,
    "tested_questions": QUESTIONS,
    "human_descriptions": DESCRIPTIONS,
    "described_questions": DESCRIPTIONS,
    "ask_descriptions": DESCRIPTIONS,
    "read_descriptions": DESCRIPTIONS,
    "ask_queries": QUERIES,
    "share_queries": QUERIES,
    "read_queries": QUERIES,
    "filtered_questions": QUERIES,
    "filtered_rows": QUERIES,
    "filtered_rows_of": QUERIES,
    "matched_labels": QUERIES,
    "matched_responses": QUERIES,
    "ask_answers": RESPONSES,
    "share_answers": RESPONSES,
    "read_answers": RESPONSES,
    "ask_features": FEATURES,
    "share_features": FEATURES,
    "read_features": FEATURES,
    "ask_referee": REFEREE,
    "share_referee": REFEREE,
    "read_referee": REFEREE,
    "equal_answers": EQUALITY,
    "grade_answers": EQUALITY,
    "neighbours": TRAINING,
    "train": TRAINING,
    "consensus": TRAINING,
    "queries_to_label": ROUTERS,
    "revealed_labels": ROUTERS,
    "fit": ROUTERS,
    "route": SCORES,
    "score": SCORES,
    "score_reference": SCORES,
    "leak_check": TABLES,
    "leak_check_of_descriptions": TABLES,
    "shift": TABLES,
    "bundle": PRODUCTS,
    "report_page": PRODUCTS,
}
# The beginning or the end of the names of rules whose stage it tells.
_BEGINNINGS = {"embed_": EMBEDDINGS, "recorded_embeddings": EMBEDDINGS, "recorded_responses": RESPONSES}
_ENDS = {"_table": TABLES, "_figure": FIGURES}


def stage_of(rule: str) -> str:
    """The stage of a rule's jobs; :data:`OTHER` for a rule that is unknown here."""
    if rule in _STAGES:
        return _STAGES[rule]
    begins = (stage for name, stage in _BEGINNINGS.items() if rule.startswith(name))
    ends = (stage for name, stage in _ENDS.items() if rule.endswith(name))
    return next(begins, next(ends, OTHER))
