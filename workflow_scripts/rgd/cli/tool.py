"""The commands ``rgd export``, ``rgd route``, ``rgd serve`` and ``rgd watch``."""

import argparse
import itertools
import json
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rgd.cli.arguments import add_command, add_settings, positive, whole
from rgd.errors import UserError
from rgd.tool import DEFAULT_CACHE, load

if TYPE_CHECKING:
    from rgd.cli.arguments import Commands
    from rgd.tool.queries import Query
    from rgd.tool.routing import Bundle

# Number of queries of a file that are embedded and routed together.
BATCH = 256
# Read by OpenMP's libraries when they are loaded.
PATIENT = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}
# A name has no colon, so that an address with a query is not taken for one.
_NAMED = re.compile(r"([^=:/]+)=(.+)", re.DOTALL)


def add(commands: "Commands") -> None:
    """Add the commands to those of ``rgd``."""
    export = add_command(
        commands, "export", "write a fitted router as a bundle, a folder that routes on its own", run_export
    )
    export.add_argument("router", type=Path, metavar="FILE", help="such as results/routers/D/S/P/R.parquet")
    export.add_argument("target", type=Path, metavar="DIR", help="target folder, which must be new or empty")
    export.add_argument(
        "--format",
        choices=("bundle", "vllm-semantic-router"),
        default="bundle",
        help="a bundle (default), or the k-means artifact of vLLM Semantic Router, from a router that ranks by the nearest cluster",
    )
    export.add_argument("--seed", type=int, help="seed of the fit (default: the experiment's first)")
    add_settings(export)

    route = add_command(
        commands,
        "route",
        "rank a bundle's models for a query, a file of queries or the standard input, and say why",
        run_route,
    )
    route.add_argument(
        "query", nargs="?", metavar="QUERY", help="a question; without it and --file, the standard input"
    )
    route.add_argument(
        "--file",
        type=Path,
        metavar="FILE",
        help="queries: .jsonl, .csv or .parquet with a column question (and options), any other file with one query per line; - for "
        "the standard input",
    )
    route.add_argument("--json", action="store_true", help="print one JSON object per line")
    route.add_argument("--nearest", type=whole(0), default=3, metavar="N", help="training queries to show (default: 3)")
    route.add_argument("--answer", action="store_true", help="ask the chosen models and let them vote")
    route.add_argument(
        "--option", action="append", default=[], metavar="TEXT", help="an option of QUERY, in order; with --answer"
    )
    route.add_argument("--variant", help="how many models answer, as the router's file names it (default: its first)")

    serve = add_command(
        commands,
        "serve",
        "run an OpenAI-compatible server with the model name `router`; by default for this machine only",
        run_serve,
    )
    serve.add_argument(
        "--port",
        type=whole(0, 65_535),
        default=8040,
        help="port of http://127.0.0.1:PORT/v1 (default: %(default)s); 0 picks a free one",
    )
    serve.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen on (default: %(default)s, this machine alone); any other needs --token",
    )
    serve.add_argument(
        "--token",
        metavar="VARIABLE",
        help="environment variable, or line of .env, with the key that clients must send as their API key",
    )
    serve.add_argument(
        "--log",
        type=Path,
        metavar="FILE",
        help="append every decision to FILE, one JSON object per line, for rgd watch",
    )
    serve.add_argument("--log-queries", action="store_true", help="log the queries' texts too, not only keyed digests")
    serve.add_argument(
        "--log-embeddings",
        action="store_true",
        help="log the queries' vectors too, from which much of a text can be recovered",
    )

    watch = add_command(
        commands,
        "watch",
        "say whether served queries are like those that the router learned from: exit code 0 if so, 3 if not, 4 if too few "
        "queries tell",
        run_watch,
    )
    watch.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="the bundle that was served")
    watch.add_argument(
        "--log",
        type=Path,
        action="append",
        required=True,
        metavar="FILE",
        help="what `rgd serve --log FILE` wrote; may be repeated, oldest first",
    )
    watch.add_argument("--last", type=positive, metavar="N", help="only the last N decisions (default: all)")
    watch.add_argument(
        "--unlike",
        type=Path,
        metavar="FILE",
        help="write the queries unlike all training queries to a new FILE (JSONL with task and question), for `rgd init own "
        "--examples`; needs logs with texts",
    )
    watch.add_argument("--json", action="store_true", help="print one JSON object")
    for command in (route, serve):
        command.add_argument(
            "--bundle", type=Path, required=True, metavar="DIR", help="folder that `rgd export` or the workflow wrote"
        )
        command.add_argument(
            "--cache", default=DEFAULT_CACHE, metavar="DIR", help="cache of model weights (default: %(default)s)"
        )
        command.add_argument("--threads", type=positive, default=1, help="CPU threads of models (default: %(default)s)")
        command.add_argument("--offline", action="store_true", help="never contact the model hub")
        for option, what, text in (
            (
                "server",
                "URL",
                "address of a model's server; NAME is `embedder` or a member, without NAME= every served model",
            ),
            ("key", "VARIABLE", "environment variable, or line of .env, with that server's API key"),
        ):
            command.add_argument(f"--{option}", action="append", default=[], metavar=f"[NAME=]{what}", help=text)
        command.add_argument(
            "--weights", action="append", default=[], metavar="NAME=DIR", help="folder of a model's weights"
        )


def run_export(options: argparse.Namespace) -> int:
    """``rgd export``."""
    from rgd.config.command_line import FOLDER, configuration
    from rgd.tool import settings
    from rgd.tool.exporting import content_of, export

    config = configuration(options.config, check_data=False)
    cell = settings.cell_of(options.router)
    settings.check_cell(config, cell)
    if options.target.exists() and (not options.target.is_dir() or any(options.target.iterdir())):
        raise UserError(f"{options.target} already exists and is not empty. Name another folder, or delete it.")
    made_of = (
        settings.paths(config, cell),
        settings.routing(config, cell, options.seed),
        settings.asking(config, FOLDER, cell),
        config.paths.results,
    )
    if options.format == "vllm-semantic-router":
        from rgd.tool.routing import Bundle
        from rgd.tool.semantic_router import write_artifact

        content = content_of(*made_of)
        same = write_artifact(options.target, Bundle(content))
        embedder = (content.routing["embedder"] or {}).get("name") or "the model that made the dataset's vectors"
        print(
            f"On {same:.1%} of the training queries it takes the model that the router ranks first. It expects the vectors of "
            f"{embedder} ({content.embeddings.shape[1]} numbers)."
        )
    else:
        export(options.target, *made_of)
        print(f'Next: rgd route --bundle {shlex.quote(str(options.target))} "QUERY"')
    print(f"{options.target}: {sum(file.stat().st_size for file in options.target.iterdir()):,} bytes")
    return 0


def run_route(options: argparse.Namespace) -> int:
    """``rgd route``."""
    from rgd.tool import queries
    from rgd.tool.answering import Answering

    if options.query is not None and options.file is not None:
        raise UserError("give a QUERY or --file, not both.")
    if options.option and options.query is None:
        raise UserError("--option belongs to a QUERY; in a file each question has its own options.")
    given = queries.read(options.file)
    if options.query is not None:
        given = iter([queries.Query(options.query, tuple(options.option))])
    with _loaded(options) as bundle:
        answering = Answering(bundle)
        answering.variant(options.variant)
        bundle.stack.callback(answering.close)
        for number, batch in enumerate(_batches(given)):
            if options.answer:
                replies = [answering.answer(each.question, each.options, options.variant) for each in batch]
                printed = [(reply.decision.content(), _reply_lines(reply), _reply(reply)) for reply in replies]
            else:
                decisions = bundle.route_all([each.question for each in batch], options.nearest)
                printed = [(decision.content(), decision_lines(decision), {}) for decision in decisions]
            for place, (content, lines, more) in enumerate(printed):
                if options.json:
                    print(json.dumps(content | more, ensure_ascii=False), flush=True)
                else:
                    print(*([""] if number or place else []), *lines, sep="\n", flush=True)
    return 0


def run_serve(options: argparse.Namespace) -> int:
    """``rgd serve``."""
    from rgd.engines.remote import find_key
    from rgd.tool.decision_log import DecisionLog
    from rgd.tool.serving import serve

    # Threads of the models would wait in a loop for their next work, and take the cores from those that read requests.
    for name, value in PATIENT.items():
        os.environ.setdefault(name, value)
    token = None if options.token is None else find_key(options.token, needed=True)
    if options.log is None and (options.log_queries or options.log_embeddings):
        raise UserError("--log-queries and --log-embeddings belong to --log FILE.")
    with _loaded(options) as bundle:
        log = None
        if options.log is not None:
            what = {"with_queries": options.log_queries, "with_embeddings": options.log_embeddings}
            log = DecisionLog(options.log, bundle.content, **what)
        serve(bundle, options.port, options.host, token, log)
    return 0


def run_watch(options: argparse.Namespace) -> int:
    """``rgd watch``."""
    from rgd.tool import bundle, decision_log, drift

    content = bundle.read(options.bundle)
    skipped = decision_log.Skipped()
    found, far = drift.drift(
        decision_log.read(options.log, content, skipped), content.embeddings, skipped, options.last
    )
    advice = []
    if found.verdict == drift.UNLIKE:
        advice = _new_kind(options.unlike, [each.text for each in far if each.text is not None])
    if options.json:
        print(json.dumps(found.content() | {"advice": advice}, ensure_ascii=False))
    else:
        print(*_drift_lines(found), *advice, sep="\n")
    return {drift.LIKE: 0, drift.UNLIKE: 3, drift.TOO_FEW: 4}[found.verdict]


def _new_kind(file: Path | None, texts: Sequence[str]) -> list[str]:
    """What to do about queries of a new kind, of which ``texts`` are known; these are written to ``file``.

    Raises:
        UserError: the file exists or cannot be written.
    """
    if file is None or not texts:
        say = "--unlike FILE writes these queries to a file" if texts else "log the texts (rgd serve --log-queries)"
        return [
            f"Generate training queries of the new kind: {say}, or describe it:",
            '  rgd init own NAME --task new="what these queries are about"',
        ]
    from rgd.artifacts.files import replacing

    if file.exists() or file.is_symlink():
        raise UserError(f"--unlike {file}: this file exists. Name another one, or delete it.")
    rows = [json.dumps({"task": "new", "question": text}, ensure_ascii=False) + "\n" for text in texts]
    with replacing(file) as temporary:
        temporary.write_text("".join(rows), encoding="utf-8")
    return [
        f"{file} has {len(texts)} queries of the new kind. Sort them into tasks there if they are several kinds, then generate:",
        f"  rgd init own NAME --examples {shlex.quote(str(file))}",
    ]


def _drift_lines(found: Any) -> list[str]:
    """A comparison of served queries with the training queries as lines of text for people."""
    said = {
        "like": "The served queries are like the training queries.",
        "unlike": "The served queries are unlike the training queries: what the router learned says little about them.",
        "too_few": "Too few different queries to tell.",
    }
    lines = [
        said[found.verdict],
        f"decisions      {found.decisions:,}, on {found.queries:,} different queries",
        f"unlike all     {found.unlike:.1%} of the queries (1 % where nothing has changed)",
    ]
    if found.mean_likeness is not None:
        lines.append(f"mean likeness  {found.mean_likeness:.2f} (0.50 where nothing has changed)")
    if found.mmd2 is not None:
        lines.append(f"MMD² × 1000    {1000 * found.mmd2:.2f}, p {found.p_value:.4f}")
    if found.skipped.mangled or found.skipped.other_bundle:
        lines.append(
            f"left out       {found.skipped.mangled:,} lines that are no decision, {found.skipped.other_bundle:,} of another bundle"
        )
    for name, shares in (("asked", found.asked), ("tasks", found.tasks)):
        shown = ", ".join(f"{each} {share:.0%}" for each, share in itertools.islice(shares.items(), 5))
        lines.append(f"{name:<14} {shown or 'nothing'}")
    lines += [
        f"least like     similarity {each['similarity']:.2f}  {_one_line(each['query'])}" for each in found.least_like
    ]
    return lines


def _loaded(options: argparse.Namespace) -> "Bundle":
    from rgd.tool.places import Places

    places = Places(_by_name(options.server), _by_name(options.key), _by_name(options.weights))
    return load(
        options.bundle, cache=options.cache, threads=options.threads, use_hub=not options.offline, places=places
    )


def _by_name(given: Sequence[str]) -> dict[str, str]:
    """Options of the form NAME=VALUE by name; a VALUE alone goes by the empty name."""
    found = {}
    for text in given:
        match = _NAMED.fullmatch(text)
        name, value = match.groups() if match else ("", text)
        found[name] = value
    return found


def decision_lines(decision: Any) -> list[str]:
    """A decision as lines of text for people."""
    longest = max(len(ranked.title) for ranked in decision.ranking)
    lines = [decision.query] if decision.query else []
    for place, ranked in enumerate(decision.ranking, start=1):
        score = "" if ranked.score is None else f"  {ranked.score:8.3f}"
        if ranked.interval is not None:
            score += f"  ({ranked.interval[0]:.2f} to {ranked.interval[1]:.2f})"
        if ranked.best_probability is not None:
            score += f"  best overall with probability {ranked.best_probability:.2f}"
        lines.append(f"{place:>4}  {ranked.title:<{longest}}{score}")
    cluster = decision.cluster
    lines.append(f"task     {decision.task}")
    if cluster is not None:
        lines.append(
            f"cluster  {cluster.number}, {cluster.queries} training queries, similarity {cluster.similarity:.3f}"
        )
    lines += [f"near     {near.similarity:.3f}  {near.task}: {_one_line(near.question)}" for near in decision.nearest]
    lines.append(f"why      {decision.why}")
    lines += [f"panel    {said}" for said in decision.panels.values()]
    lines += [f"doubt    {doubt.says}" for doubt in decision.doubts]
    return lines


def _reply_lines(reply: Any) -> list[str]:
    votes = [f"asked    {each.member}: {each.letter or _one_line(each.text) or 'nothing'}" for each in reply.given]
    shown = f"{reply.letter}. {reply.text}" if reply.letter else reply.text
    return [*decision_lines(reply.decision), *votes, f"answer   {shown or 'none that is readable'}"]


def _reply(reply: Any) -> dict[str, Any]:
    return {
        "answer": {"text": reply.text, "letter": reply.letter, "variant": reply.variant},
        "given": [asdict(each) for each in reply.given],
    }


def _one_line(text: str, most: int = 100) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= most else flat[: most - 1] + "…"


def _batches(given: Iterator["Query"]) -> Iterator[list["Query"]]:
    while batch := list(itertools.islice(given, BATCH)):
        yield batch
