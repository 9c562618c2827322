"""config/site and the folders: settings of the machine, which change no result."""

from typing import Annotated

from pydantic import Field, StringConstraints

from rgd.config.schema.base import Key, Section
from rgd.config.schema.models import MOST_REPLICAS


class Paths(Section):
    results: str = Field("results", description="Folder of all results.")
    store: str = Field(
        "results/store", description="Folder of the answers, kept for ever and shared by all experiments."
    )
    labels: str = Field(
        "labels",
        description="Folder of the labels that a person gave, outside the results: LABELS/DATASET/QUERY_SET.csv.",
    )
    cache: str = Field("~/.cache/rgd", description="Folder of downloaded model weights, outside the results.")
    data_root: str | None = Field(
        None, description="Folder with a mirror of the hub and recorded answers; set by `--config data_root=DIR`."
    )


Partition = Annotated[str, StringConstraints(pattern=r"^[\w.,-]+$")]


class Cluster(Section):
    """Names and limits of a cluster."""

    account: str | None = Field(None, description="Account that is charged; null: the cluster's default.")
    partition: Partition | None = Field(None, description="Partition for jobs; null: the cluster's default.")
    gpu_partition: Partition | None = Field(
        None, description="Partition for jobs with GPUs; null: same as `partition`."
    )
    served_partition: Partition | None = Field(
        None, description="Partition for jobs that ask an API, with internet access; null: same as `partition`."
    )
    replicas: dict[Key, Annotated[int, Field(ge=1, le=MOST_REPLICAS)]] = Field(
        default_factory=dict, description="Replicas by model, in place of those in the models' files."
    )
    longest_minutes: int = Field(
        1440, ge=1, description="Maximum time that a job requests; longer work continues in the next retry."
    )
    largest_memory_mb: int | None = Field(
        None, ge=1, description="Maximum memory that a retry requests; null: no limit."
    )


class Site(Section):
    """config/site/SITE.yaml: the machine. Nothing here changes a result."""

    chunk_size: int = Field(64, ge=1, description="Answers committed together, as one file of the store.")
    commit_seconds: int = Field(
        15, ge=1, description="Answers that came are committed after this time, even if they are fewer."
    )
    draw_chunk_size: int | None = Field(
        None,
        ge=1,
        description="No longer used, and accepted from earlier versions: draws are committed as answers are.",
    )
    grace_seconds: int = Field(
        150, ge=0, description="Time after SIGTERM in which requests in flight may end. Less than until SIGKILL."
    )
    use_hub: bool = Field(True, description="Whether to try the model hub before the wheels.")
    cluster: Cluster = Field(default_factory=lambda: Cluster(), description="What jobs request from a cluster.")
