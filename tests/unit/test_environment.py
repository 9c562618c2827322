"""The locked environment holds what its packages need, the extras that they ask for of each other as well."""

from collections.abc import Iterator
from importlib.metadata import Distribution, distributions

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LEFT_OUT = {
    "shfmt-py",  # snakefmt formats shell blocks with it, of which there are none
    "torchaudio",  # vLLM's audio, video and images
    "torchcodec",
    "torchvision",
    "triton",  # for GPUs
}


def requirements(distribution: Distribution, extra: str) -> Iterator[Requirement]:
    """What a package needs on this machine for one of its extras; without any for ""."""
    for text in distribution.requires or []:
        requirement = Requirement(text)
        # A marker that knows no extra holds for the package itself.
        alone, with_extra = (
            requirement.marker is None or requirement.marker.evaluate({**default_environment(), "extra": name})
            for name in ("", extra)
        )
        if with_extra and (not extra or not alone):
            yield requirement


def test_every_package_and_extra_that_is_needed_is_there() -> None:
    there = {canonicalize_name(each.metadata["Name"]): each for each in distributions()}
    waiting, seen, missing = [(name, "") for name in there], set(), {}
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for requirement in requirements(there[name], extra):
            needed = canonicalize_name(requirement.name)
            if needed not in there:
                missing.setdefault(needed, set()).add(f"{name}[{extra}]" if extra else name)
                continue
            waiting += [(needed, canonicalize_name(each)) for each in requirement.extras]
    assert {name: by for name, by in missing.items() if name not in LEFT_OUT} == {}
