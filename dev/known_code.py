"""Write the fingerprints of code that makes the same files as an earlier version's: ``rgd/planning/known_code.json``.

    python -m dev.known_code OLD

OLD is a checkout of that version. Run it only where the rules below make the same files as they did there; a rule whose files
may differ is left out of RULES, and then runs again in projects of that version.
"""

import json
import subprocess
import sys
from pathlib import Path

from rgd.artifacts.files import write_json
from rgd.artifacts.fingerprint import follow
from rgd.planning.takeover import KNOWN_CODE
from rgd.planning.takeover import RULES as RENAMED
from rgd.workflow.code import questions_beside

ADAPTERS = ("bbeh", "mathematics", "multiple_choice", "quickstart")
RULES = (
    "splits",
    "described_questions",
    "human_descriptions",
    "read_descriptions",
    "read_queries",
    "filtered_rows",
    "embed_questions",
    "embed_answers",
    "embed_descriptions",
    "embed_features",
    "recorded_embeddings",
    "recorded_responses",
    "read_answers",
    "read_features",
    "read_referee",
    "tested_questions",
    "grade_answers",
    "equal_answers",
    "matched_responses",
    "matched_labels",
)
FOLLOWED_THERE = "import json, sys; from rgd.fingerprint import fingerprint; print(json.dumps([fingerprint(s, p) for s, p in json.loads(sys.argv[1])]))"


def known_code(old: Path) -> dict[str, dict[str, list[str]]]:
    """By rule the fingerprints of the checkout ``old`` and those of this one."""
    former = {new: name for name, new in RENAMED.items()}
    wanted = [(rule, ()) for rule in RULES]
    wanted += [("benchmark_questions", (f"rgd.datasets.{adapter}",)) for adapter in ADAPTERS]
    asked = json.dumps([(f"{former.get(rule, rule)}.py", plugins) for rule, plugins in wanted])
    done = subprocess.run(
        [sys.executable, "-c", FOLLOWED_THERE, asked],
        env={"PYTHONPATH": str(old / "workflow_scripts")},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, dict[str, list[str]]] = {}
    for (rule, plugins), before in zip(wanted, json.loads(done.stdout), strict=True):
        lists = found.setdefault(rule, {"before": [], "now": []})
        lists["before"].append(before)
        lists["now"].append(follow(f"{rule}.py", plugins, questions_beside(plugins)).fingerprint)
    return found


if __name__ == "__main__":
    write_json(KNOWN_CODE, known_code(Path(sys.argv[1])))
