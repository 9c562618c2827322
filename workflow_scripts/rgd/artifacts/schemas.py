"""The columns of every artifact: the contract between the rules.

An artifact's rows and the paths under ``results/`` are described in docs/artifacts.md, which is generated from here.
"""

import pyarrow as pa

STRINGS = pa.list_(pa.string())
FLOATS = pa.list_(pa.float32())


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema([pa.field(name, kind) for name, kind in columns.items()])


QUESTIONS = _schema(
    query_id=pa.string(),
    task=pa.string(),
    question=pa.string(),
    options=STRINGS,
    answer_kind=pa.string(),
)
LABELS = _schema(query_id=pa.string(), label=pa.string())
PARTS = _schema(query_id=pa.string(), part=pa.string())
DROPPED = _schema(row=pa.int64(), query_id=pa.string(), reason=pa.string(), detail=pa.string())
SPLITS = _schema(query_id=pa.string(), seed=pa.int32(), part=pa.string())
DESCRIPTIONS = _schema(task=pa.string(), description=pa.string())
GENERATION_COUNTS = _schema(task=pa.string(), outcome=pa.string(), draws=pa.int64())
FILTERING = _schema(
    task=pa.string(),
    outcome=pa.string(),
    queries=pa.int64(),
    first=pa.string(),
    second=pa.string(),
)
RESPONSES = _schema(
    query_id=pa.string(),
    text=pa.string(),
    answer=pa.string(),
    extraction_rule=pa.string(),
    confidence=pa.float32(),
    confidence_kind=pa.string(),
    prompt_tokens=pa.int32(),
    completion_tokens=pa.int32(),
    finish_reason=pa.string(),
)
EQUAL_ANSWERS = _schema(query_id=pa.string(), answer=pa.string(), representative=pa.string())
FEATURES = _schema(
    query_id=pa.string(),
    keywords=STRINGS,
    step_back=pa.string(),
    parsed=pa.bool_(),
)
REFEREE = _schema(query_id=pa.string(), answers=STRINGS, answer=pa.string(), outcome=pa.string())
LEAKS = _schema(query_id=pa.string(), repeats=pa.string(), nearest=pa.string(), similarity=pa.float32())
SHIFT = _schema(
    dataset=pa.string(),
    scenario=pa.string(),
    n_queries=pa.int64(),
    n_real=pa.int64(),
    bandwidth=pa.float64(),
    mmd2=pa.float64(),
    p_value=pa.float64(),
    permutations=pa.int64(),
)
NEIGHBOURS = _schema(
    seed=pa.int32(),
    query_id=pa.string(),
    training_rows=pa.list_(pa.int32()),
    similarity=FLOATS,
)
TRAINING_SETS = _schema(
    seed=pa.int32(),
    query_id=pa.string(),
    member=pa.string(),
    answer=pa.string(),
    confidence=pa.float32(),
)
QUERIES_TO_LABEL = _schema(seed=pa.int32(), place=pa.int32(), query_id=pa.string())
REVEALED_LABELS = _schema(seed=pa.int32(), query_id=pa.string(), label=pa.string(), given=pa.bool_())
CONSENSUS = _schema(
    seed=pa.int32(),
    query_id=pa.string(),
    member=pa.string(),
    answer=pa.string(),
    confidence=pa.float32(),
    z=pa.float32(),
    consensus=pa.float32(),
    in_majority=pa.bool_(),
)
ROUTER = _schema(
    seed=pa.int32(),
    name=pa.string(),
    kind=pa.string(),
    shape=pa.list_(pa.int64()),
    integers=pa.list_(pa.int64()),
    floats=pa.list_(pa.float64()),
    strings=STRINGS,
)
TRAINING = _schema(query_id=pa.string(), task=pa.string(), question=pa.string())
CELLS = _schema(
    dataset=pa.string(),
    scenario=pa.string(),
    pool=pa.string(),
    router=pa.string(),
    variant=pa.string(),
    seed=pa.int32(),
    family=pa.string(),
    n_queries=pa.int64(),
    accuracy=pa.float64(),
    ci_low=pa.float64(),
    ci_high=pa.float64(),
    missing_answers=pa.int64(),
    calls_per_query=pa.float64(),
    prompt_tokens_per_query=pa.float64(),
    completion_tokens_per_query=pa.float64(),
    regret=pa.float64(),
    gap_closed=pa.float64(),
)
CHOICES = _schema(variant=pa.string(), seed=pa.int32(), member=pa.string(), share=pa.float64())


def embeddings(dimension: int) -> pa.Schema:
    """The schema of ``embeddings/D/Q.parquet`` for vectors of ``dimension`` float32 numbers."""
    return _schema(query_id=pa.string(), embedding=pa.list_(pa.float32(), dimension))


def answer_embeddings(dimension: int) -> pa.Schema:
    """The schema of ``answer_embeddings/D/Q/P.parquet``: a vector for each member's answer text."""
    return _schema(
        query_id=pa.string(),
        member=pa.string(),
        embedding=pa.list_(pa.float32(), dimension),
    )


def routes(variants: list[str]) -> pa.Schema:
    """The schema of ``routes/D/S/P/R.parquet``: per variant the answer given and the members asked."""
    fields = {"seed": pa.int32(), "query_id": pa.string(), "ranking": STRINGS}
    for variant in variants:
        fields[f"answer_{variant}"] = pa.string()
        fields[f"asked_{variant}"] = STRINGS
    return _schema(**fields)


def outcomes(variants: list[str]) -> pa.Schema:
    """The schema of ``outcomes/D/S/P/R.parquet``: per variant 1 if right, 0 if wrong, or the probability of being right."""
    return _schema(
        seed=pa.int32(), query_id=pa.string(), **{f"correct_{variant}": pa.float32() for variant in variants}
    )
