"""The weights of an experiment's models, fetched beforehand: where there is a network and jobs will not have one."""

from collections.abc import Callable, Sequence
from pathlib import Path

from rgd.config.hints import nearest
from rgd.config.needs import embedders, models
from rgd.config.schema import Config, Embedder, Model
from rgd.errors import UserError
from rgd.weights.cache import ensure_weights


def fetch_weights(config: Config, names: Sequence[str] = (), report: Callable[[str], None] = print) -> dict[str, Path]:
    """Put the weights of the experiment's models and embedders into the cache; the folder of each, by the name of its file.

    Args:
        config: with the experiment, and where the cache is.
        names: only these of them.
        report: told of each.

    Raises:
        UserError: a name that is none of them, or all that could not be fetched: the others are there.
    """
    needed: dict[str, Model | Embedder] = {**models(config), **embedders(config)}
    wanted = {name: spec.weights for name, spec in needed.items() if spec.weights is not None}
    for name in names:
        if name not in wanted:
            raise UserError(
                f"the experiment {config.name} fetches no weights of {name}. {nearest(name, wanted)} Another experiment is named "
                "with --experiment."
            )
    found, failed = {}, []
    for name in names or wanted:
        try:
            found[name] = ensure_weights(wanted[name], config.paths.cache, use_hub=config.site.use_hub, report=report)
        except UserError as error:
            failed.append(f"{name}: {error}")
        else:
            report(f"{name}: {found[name]}")
    if failed:
        raise UserError("\n".join(failed))
    return found
