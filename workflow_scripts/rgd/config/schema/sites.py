"""config/site and the folders: the machine, which changes no result."""

from typing import Annotated

from pydantic import Field, StringConstraints

from rgd.config.schema.base import Section


class Paths(Section):
    results: str = Field("results", description="Folder of everything that is made.")
    store: str = Field("results/store", description="Folder of the answers, kept for ever and shared by experiments.")
    cache: str = Field("~/.cache/rgd", description="Folder of downloaded model weights, outside the results.")
    data_root: str | None = Field(
        None, description="Folder with a mirror of the hub and recorded answers; `--config data_root=DIR` sets it."
    )


Partition = Annotated[str, StringConstraints(pattern=r"^[\w.,-]+$")]


class Cluster(Section):
    """Names and limits of a cluster."""

    account: str | None = Field(None, description="Account to which time is charged; null: the cluster's default.")
    partition: Partition | None = Field(None, description="Where jobs run; null: the cluster's default.")
    gpu_partition: Partition | None = Field(None, description="Where jobs run that have GPUs; null: as without.")
    served_partition: Partition | None = Field(
        None, description="Where jobs run that ask an API, so with a way to the internet; null: as the others."
    )
    longest_minutes: int = Field(
        1440, ge=1, description="Most time that a job asks for; longer work goes on in the next try."
    )
    largest_memory_mb: int | None = Field(
        None, ge=1, description="Most memory that a further try of a job asks for; null: no limit."
    )


class Site(Section):
    """config/site/SITE.yaml: the machine. Nothing here changes a result."""

    chunk_size: int = Field(64, ge=1, description="Queries answered and committed together.")
    draw_chunk_size: int = Field(256, ge=1, description="Draws of a generator asked and committed together.")
    use_hub: bool = Field(True, description="Try the model hub before the wheels.")
    cluster: Cluster = Field(default_factory=lambda: Cluster(), description="What jobs ask a cluster for.")
