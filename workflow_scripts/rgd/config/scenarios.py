"""Keys of generated scenarios: who wrote the queries, from which descriptions, how many, and which of them are used.

The grammar is ``GENERATOR[-short|-shortest|-human][-SIZE][-filtered-POOL]``, where a size is a number with k or m. The
scenario ``real`` is not generated: it trains on the benchmark's own questions.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

from rgd.config.hints import nearest
from rgd.config.schema import SIZE_PATTERN, Config
from rgd.errors import UserError

DEFAULT, SHORT, SHORTEST, HUMAN = "default", "short", "shortest", "human"
VARIANTS = (DEFAULT, SHORT, SHORTEST, HUMAN)
"""The kinds of description that a generator can get; a key without such a suffix means ``default``."""

GRAMMAR = "GENERATOR[-short|-shortest|-human][-20k][-filtered-POOL]"

_NAMED = f"{SHORTEST}|{SHORT}|{HUMAN}"
_SIZE = SIZE_PATTERN.strip("^$")
_SUFFIXES = re.compile(rf"(?:-({_NAMED}))?(?:-({_SIZE}))?(?:-filtered-(.+))?", re.DOTALL)
# What must not follow another generator's name within a generator's name; incomplete suffixes count too.
_LIKE_SUFFIXES = re.compile(rf"(?:-(?:{_NAMED}))?(?:-{_SIZE})?(?:-filtered(?:-.*)?)?", re.DOTALL)


@dataclass(frozen=True)
class Scenario:
    """A generated scenario.

    Attributes:
        key: its name in paths, and that of its query set.
        generator: the file of config/generator.
        variant: kind of description, one of ``VARIANTS``.
        size: a key of the dataset's generated_sizes; None for its generated_queries.
        pool: the pool whose consensus filters the queries; None for no filter.
    """

    key: str
    generator: str
    variant: str = DEFAULT
    size: str | None = None
    pool: str | None = None

    @property
    def drawn(self) -> str:
        """The key of the query set before filtering, which holds all that the generator wrote."""
        return key_of(self.generator, self.variant, self.size)


def key_of(generator: str, variant: str = DEFAULT, size: str | None = None, pool: str | None = None) -> str:
    """The key of the scenario with these parts."""
    suffixes = [variant if variant != DEFAULT else None, size, f"filtered-{pool}" if pool is not None else None]
    return "-".join([generator, *(suffix for suffix in suffixes if suffix)])


def parse(config: Config, key: str) -> Scenario:
    """The parts of a scenario's ``key``; :func:`rgd.config.generated.check` checks that the datasets have what they name.

    Raises:
        UserError: an unknown generator, suffix or pool, or a size that no dataset defines.
    """
    return read(key, config.generator, sizes(config), config.pool)


def sizes(config: Config) -> list[str]:
    """The keys of all datasets' generated_sizes."""
    return sorted({size for dataset in config.dataset.values() for size in dataset.generated_sizes})


def read(key: str, generators: Collection[str], known_sizes: Collection[str], pools: Collection[str]) -> Scenario:
    """As :func:`parse`, given the known names.

    Raises:
        UserError: ``key`` is not a scenario.
    """
    begun = sorted((name for name in generators if key == name or key.startswith(f"{name}-")), key=len, reverse=True)
    for generator in begun:
        match = _SUFFIXES.fullmatch(key, len(generator))
        if match is not None:
            variant, size, pool = match.groups()
            if size is not None and size not in known_sizes:
                raise UserError(
                    f"scenario {key!r}: no dataset defines the size {size}. {nearest(size, known_sizes)} A size is a key of "
                    "generated_sizes in config/dataset/DATASET.yaml."
                )
            if pool is not None and pool not in pools:
                raise UserError(f"scenario {key!r}: there is no config/pool/{pool}.yaml. {nearest(pool, pools)}")
            return Scenario(key, generator, variant or DEFAULT, size, pool)
    if begun:
        rest = key[len(begun[0]) + 1 :]
        wrong = next((part for part in rest.split("-") if part not in (*VARIANTS[1:], *known_sizes, "filtered")), rest)
        hint = nearest(wrong, (*VARIANTS[1:], *known_sizes, "filtered-POOL"))
        raise UserError(f"scenario {key!r}: {rest!r} is not a suffix of a generator. {hint} The form is {GRAMMAR}.")
    suffix = next(match for start in range(len(key) + 1) if (match := _SUFFIXES.fullmatch(key, start)))
    name = key[: suffix.start()]
    raise UserError(
        f"scenario {key!r}: there is no config/generator/{name}.yaml. {nearest(name, generators)} "
        f"A scenario is `real` or {GRAMMAR}."
    )


def pattern(config: Config) -> str:
    """A regular expression for the keys of what generators can write: all scenarios except the filtered ones."""
    generators = "|".join(map(re.escape, config.generator)) or "(?!)"
    size = f"(?:-(?:{'|'.join(sizes(config))}))?" if sizes(config) else ""
    return f"(?:{generators})(?:-(?:{_NAMED}))?{size}"


def ambiguous(generators: Collection[str]) -> tuple[str, str] | None:
    """Two generators where the second one's name could be a scenario of the first; None if there are none."""
    for first in generators:
        for second in generators:
            if second.startswith(f"{first}-") and _LIKE_SUFFIXES.fullmatch(second, len(first)):
                return first, second
    return None
