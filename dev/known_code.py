"""Write the fingerprints of code that makes the same files as earlier versions': ``rgd/planning/known_code.json``.

    python -m dev.known_code [OLD...]

Each OLD is a checkout of such a version, beside those that the file knows already. Run it only where the rules below make the same files as they did there; a rule
whose files may differ is left out of RULES, and then runs again in projects of that version.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from rgd.artifacts.files import write_json
from rgd.artifacts.fingerprint import follow
from rgd.planning.takeover import KNOWN_CODE, NO_CODE, plugins_of_now
from rgd.planning.takeover import RULES as RENAMED
from rgd.workflow.code import questions_beside

ADAPTERS = ("bbeh", "multiple_choice", "quickstart")
RULES = (
    "splits",
    "described_questions",
    "human_descriptions",
    "filtered_rows",
    "embed_questions",
    "embed_answers",
    "embed_descriptions",
    "embed_features",
    "recorded_embeddings",
    "recorded_responses",
    "tested_questions",
    "matched_responses",
    "matched_labels",
)
ASK = ("ask_answers", "ask_features", "ask_referee")
"""Rules that had no fingerprint, and ask what they asked."""
FOLLOWED_THERE = """
import importlib, json, sys
from pathlib import Path
scripts, wanted = Path(sys.argv[1]), json.loads(sys.argv[2])
moved = (scripts / "rgd/artifacts/fingerprint.py").is_file()
follow = importlib.import_module("rgd.artifacts.fingerprint" if moved else "rgd.fingerprint").follow
for names, plugins in wanted:
    script = next(name for name in names if (scripts / name).is_file())
    beside = [f"{plugin.replace('.', '/')}.jsonl" for plugin in plugins]
    print(follow(script, plugins, [file for file in beside if (scripts / file).is_file()]).fingerprint)
"""


def known_code(
    checkouts: Iterable[Path], known: Mapping[str, Mapping[str, list[str]]]
) -> dict[str, dict[str, list[str]]]:
    """By rule the fingerprints of earlier versions, those that are ``known`` and those of ``checkouts``, and of this one."""
    former = {new: name for name, new in RENAMED.items()}
    wanted = [(rule, ()) for rule in RULES]
    wanted += [("benchmark_questions", (f"rgd.datasets.{adapter}",)) for adapter in ADAPTERS]
    asked = json.dumps([((f"{rule}.py", f"{former.get(rule, rule)}.py"), plugins) for rule, plugins in wanted])
    found: dict[str, dict[str, list[str]]] = {rule: {"before": [NO_CODE], "now": []} for rule in ASK}
    for rule in ASK:
        found[rule]["now"].append(follow(f"{rule}.py").fingerprint)
    for rule, plugins in wanted:
        lists = found.setdefault(rule, {"before": [], "now": []})
        lists["now"].append(follow(f"{rule}.py", plugins_of_now(rule, plugins), questions_beside(plugins)).fingerprint)
    for old in checkouts:
        scripts = str(old / "workflow_scripts")
        command = [sys.executable, "-c", FOLLOWED_THERE, scripts, asked]
        done = subprocess.run(command, env={"PYTHONPATH": scripts}, capture_output=True, text=True, check=True)
        for (rule, _), before in zip(wanted, done.stdout.split(), strict=True):
            found[rule]["before"].append(before)
    for rule, lists in found.items():
        lists["before"] = list(dict.fromkeys([*known.get(rule, {}).get("before", []), *lists["before"]]))
    return found


if __name__ == "__main__":
    write_json(KNOWN_CODE, known_code(map(Path, sys.argv[1:]), json.loads(KNOWN_CODE.read_text(encoding="utf-8"))))
