"""The router as a tool, in three lines::

    from rgd import tool
    router = tool.load("results/bundles/quickstart/qwen2.5-coder-1.5b/quickstart/cascal")
    print(router.route("What is the capital of Norway?").best)

:class:`rgd.tool.routing.Bundle` describes a loaded router, :class:`rgd.tool.routing.Decision` what it returns, and
:class:`rgd.tool.places.Places` where models are that a server runs or a folder holds.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rgd.tool.places import Places
    from rgd.tool.routing import Bundle

DEFAULT_CACHE = "~/.cache/rgd"


def load(
    folder: str | Path,
    *,
    cache: str | Path = DEFAULT_CACHE,
    threads: int = 1,
    use_hub: bool = True,
    places: "Places | None" = None,
) -> "Bundle":
    """Load the router in the bundle ``folder``; no model is loaded until a text has to be embedded or answered.

    Args:
        folder: the bundle that ``rgd export`` or the workflow wrote.
        cache: where the weights of the embedder and the members are kept.
        threads: CPU threads of models that run in this process.
        use_hub: False never contacts the model hub.
        places: the servers, keys and folders of the bundle's models, which a bundle never names.

    Raises:
        UserError: there is no bundle, or it is damaged or has another version.
    """
    from rgd.tool.bundle import read
    from rgd.tool.routing import Bundle

    return Bundle(read(folder), cache, threads, use_hub, places)
