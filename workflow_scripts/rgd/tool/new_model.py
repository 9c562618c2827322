"""The file of a new model, and its line in a pool's file."""

import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from rgd.artifacts.files import replacing
from rgd.config.hints import nearest
from rgd.config.pinning import commit_on_the_hub
from rgd.config.schema.base import COMMIT
from rgd.errors import UserError
from rgd.tool.new_files import as_yaml, check_name, read_any, write_new
from rgd.weights.sources import bytes_on_the_hub

BRANCH = "main"
PROMPT = {"generate": "ask_reasoning", "likelihood": "ask_examples"}
"""The prompt of each way to answer."""
LONGEST, LONGEST_SERVED = 8192, 32768
"""max_model_len of a model whose files do not tell, and of a served one."""
ANSWER_TOKENS = 4096

Ask = Callable[[str, str], str]
"""Finds the commit of a repository and a revision; raises UserError if it cannot."""
Measure = Callable[[str, str], int]
"""Finds the bytes of what is fetched of a repository at a revision; raises UserError if it cannot."""

_REPOSITORY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*/[A-Za-z0-9_.-]+")


class Source(NamedTuple):
    """Where a model comes from: the keys of its file, and what a person should know."""

    content: dict[str, Any]
    remarks: list[str]


def from_weights(
    given: str,
    engine: str,
    revision: str | None,
    ask: Ask = commit_on_the_hub,
    measure: Measure = bytes_on_the_hub,
) -> Source:
    """A model that runs in the job.

    Args:
        given: a folder in the hub's layout, or a repository as owner/name.
        engine: vllm or transformers.
        revision: commit, tag or branch of the repository; None for its main branch.
        ask: asks the hub for the commit.
        measure: asks the hub for the size.

    Raises:
        UserError: it is neither a folder nor a repository, or the folder holds no model.
    """
    content: dict[str, Any] = {"engine": engine}
    folder = Path(given).expanduser()
    if folder.is_dir():
        if revision is not None:
            raise UserError(f"--revision is of a repository on the hub, but {given} is a folder. Leave it out.")
        length = _longest(folder)
        size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
        weights: dict[str, Any] = {"path": str(folder.resolve())} | ({"bytes": size} if size else {})
        remarks = [] if size else [f"weights.bytes: left out, since {folder} has no file *.safetensors."]
        return Source({**content, "max_model_len": length, "weights": weights}, remarks)
    if given.startswith((".", "/", "~")) or not _REPOSITORY.fullmatch(given):
        raise UserError(f"--weights {given} is neither a folder nor a repository as OWNER/NAME. Correct it.")
    commit, remarks = _commit(given, revision or BRANCH, ask)
    weights = {"hub": {"repo": given, "revision": commit}}
    try:
        weights |= {"bytes": measure(given, commit)}
    except UserError as error:
        remarks.append(f"weights.bytes: left out, since {error}. Without it no plan knows how long fetching takes.")
    return Source({**content, "max_model_len": LONGEST, "weights": weights}, remarks)


def from_server(address: str, served: str, key_variable: str | None) -> Source:
    """A model behind a server of the OpenAI protocol, under its name there."""
    key = {} if key_variable is None else {"key_variable": key_variable}
    api = {"model": served, "base_url": address, **key}
    return Source({"engine": "openai", "max_model_len": LONGEST_SERVED, "memory_mb": 1000, "api": api}, [])


def from_gemini(served: str, key_variable: str | None) -> Source:
    """A model of the Gemini API."""
    api = {"model": served, "key_variable": key_variable or "GEMINI_API_KEY"}
    remarks = ["api.price_prompt and api.price_completion are 0: add them and budget_dollars before a large run."]
    return Source({"engine": "gemini", "max_model_len": LONGEST_SERVED, "memory_mb": 1000, "api": api}, remarks)


def write_model(
    name: str, config: Path, source: Source, changes: Mapping[str, Any], way: str, pool: str | None
) -> list[Path]:
    """Write ``config/model/NAME.yaml``, and name the model in a pool.

    Args:
        name: of the file, and of the member.
        config: the folder of configuration.
        source: where the model comes from.
        changes: keys of the file that are given, such as title or licence.
        way: ``generate`` or ``likelihood``.
        pool: the pool whose file gets the member; None for none.

    Returns:
        The files written.

    Raises:
        UserError: the model's file exists, the pool has none or has the member, or the configuration does not allow what the
            files would say. Nothing is changed then.
    """
    check_name(name)
    content = {"title": name, "licence": "not stated", **source.content, **changes}
    # What is last in the files that people read.
    last: dict[str, Any] = {key: content.pop(key) for key in ("weights", "api") if key in content}
    length = int(content["max_model_len"])
    content["asks"] = {"default": {"way": way, "prompt": PROMPT[way]}}
    content["sampling"] = {"temperature": 0.7, "max_tokens": min(ANSWER_TOKENS, length // 2), "seed": 0}
    files = {config / "model" / f"{name}.yaml": as_yaml({**content, **last})}
    if pool is None:
        return write_new(files, lambda: _check(config, {("model", name)}), "give another NAME")
    path = config / "pool" / f"{pool}.yaml"
    if not path.is_file():
        raise UserError(f"there is no {path}. {nearest(pool, (file.stem for file in path.parent.glob('*.yaml')))}")
    before = path.read_bytes()
    after = with_member(before.decode("utf-8"), name, str(path)).encode("utf-8")

    def add_and_check() -> None:
        try:
            _replace(path, after)
            _check(config, {("model", name), ("pool", pool)})
        except BaseException:
            _replace(path, before)
            raise

    return [*write_new(files, add_and_check, "give another NAME"), path]


def experiments_by_pool(config: Path) -> dict[str, list[str]]:
    """The experiments of a folder of configuration that ask the models of each pool, by their files alone.

    To compose each of them would take seconds; one whose file cannot be read, or names its pools elsewhere, is left out.
    """
    recorded = {path.stem for path in (config / "pool").glob("*.yaml") if _content(path).get("recorded") is not None}
    found: dict[str, list[str]] = {}
    for path in sorted((config / "experiment").glob("*.yaml")):
        content = _content(path)
        lists = [part.get("pools") for part in (content, *_listed(content.get("also"))) if isinstance(part, dict)]
        for pool in dict.fromkeys(str(pool) for pools in lists for pool in _listed(pools)):
            if pool not in recorded:
                found.setdefault(pool, []).append(path.stem)
    return found


def _listed(value: Any) -> list[Any]:
    """A list as it is; none for anything else."""
    return value if isinstance(value, list) else []


def _content(path: Path) -> Mapping[str, Any]:
    """A file's keys; none if it cannot be read, of which another command says more."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    return content if isinstance(content, dict) else {}


def with_member(text: str, name: str, where: str) -> str:
    """The text of a pool's file with one more member, everything else as it was.

    Args:
        text: of the file.
        name: the new member, which comes last.
        where: the file, for messages.

    Raises:
        UserError: the pool is of recorded answers, has the member, or has no list of members.
    """
    try:
        content, tree = yaml.safe_load(text), yaml.compose(text)
    except yaml.YAMLError as error:
        raise UserError(f"{where} cannot be read: {' '.join(str(error).split())}") from None
    members = content.get("members") if isinstance(content, dict) else None
    if not isinstance(members, list) or not members or tree is None:
        raise UserError(f"{where} has no list of members. Correct it.")
    if content.get("recorded") is not None:
        raise UserError(f"{where} is a pool of recorded answers, whose members are files. Name another pool.")
    if name in members:
        raise UserError(f"{where} has the member {name} already.")
    node = next(value for key, value in tree.value if key.value == "members")
    written = yaml.safe_dump(name, default_style=None if yaml.safe_load(name) == name else '"').split("\n")[0]
    end = node.value[-1].end_mark.index
    if node.flow_style:
        return f"{text[:end]}, {written}{text[end:]}"
    newline = "\r\n" if "\r\n" in text else "\n"
    stop = text.find("\n", end)
    head, tail = (text, "") if stop < 0 else (text[: stop + 1], text[stop + 1 :])
    head = head if head.endswith("\n") else head + newline
    return f"{head}{' ' * node.start_mark.column}- {written}{newline}{tail}"


def _commit(repo: str, revision: str, ask: Ask) -> tuple[str, list[str]]:
    """The commit of a revision: that of the hub, or else of the local cache of the hub's files; else the revision itself."""
    if COMMIT.fullmatch(revision):
        return revision, []
    try:
        return ask(repo, revision), []
    except UserError as error:
        cached = cached_commit(repo, revision)
        if cached is not None:
            return cached, [f"{error}. The commit {cached} is that of the local cache."]
        return revision, [
            f"{error}. revision: {revision} is no commit, and what it stands for may change: run `rgd models pin` where the hub answers."
        ]


def cached_commit(repo: str, revision: str) -> str | None:
    """The commit that the hub client's cache knows for a branch or tag; None if it knows none."""
    from huggingface_hub import constants

    cache = Path(os.environ.get("HF_HUB_CACHE") or constants.HF_HUB_CACHE)
    path = cache / f"models--{repo.replace('/', '--')}" / "refs" / revision
    try:
        commit = path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return None
    return commit if COMMIT.fullmatch(commit) else None


def _longest(folder: Path) -> int:
    """The longest text of a model in a folder, at most :data:`LONGEST`."""
    path = folder / "config.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        length = found.get("max_position_embeddings", LONGEST)
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"{path} cannot be read ({error}). --weights needs a folder in the hub's layout.") from error
    return min(length, LONGEST) if isinstance(length, int) and length >= 1 else LONGEST


def _replace(path: Path, content: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def _check(config: Path, entries: set[tuple[str, str]]) -> None:
    """Read the configuration, and report what is wrong with these entries of catalogues."""
    _, broken = read_any(config)
    for entry in sorted(entries & set(broken)):
        raise UserError(broken[entry])
