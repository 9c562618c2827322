"""What a router's key stands for: the settings of its file, with the labels that the key gives it."""

from rgd.config.schema import Config, Router
from rgd.routers import load
from rgd.routers.base import FEW_LABELS, Family
from rgd.routing.reduced import whole_router


def router_of(config: Config, key: str) -> Router:
    """The settings of the router ``key`` (see :mod:`rgd.routing.reduced`)."""
    name, labels = whole_router(key)
    spec = config.router[name]
    return spec if labels is None else spec.model_copy(update={"labels": labels})


def family(spec: Router) -> Family:
    """The family of a router: its method's, or that of few labels."""
    return FEW_LABELS if spec.labels else load(spec.method).family
