"""An example of every command, which its page of help ends with."""

import argparse

EXAMPLES = {
    "plan": "rgd plan --experiment paper --data-root DIR",
    "explain": "rgd explain results/tables/quickstart/accuracy.md",
    "adopt": "rgd adopt --results results",
    "prune": "rgd prune --yes",
    "table": "rgd table --experiment quickstart",
    "store ls": "rgd store ls --json",
    "store verify": "rgd store verify",
    "store compact": "rgd store compact",
    "store export": "rgd store export answers.tar",
    "store import": "rgd store import answers.tar",
    "import released": "rgd import released released/ --to data",
    "import-released": "rgd import-released released/ data",
    "import helm": "rgd import helm runs/ --to data --name mine",
    "import inspect": "rgd import inspect logs/ --to data --name mine",
    "import litellm": "rgd import litellm calls.jsonl --to data --name mine",
    "import llmrouterbench": "rgd import llmrouterbench results/ --to data --name mine",
    "import lm_eval": "rgd import lm_eval results/ --to data --name mine",
    "import openai_batch": "rgd import openai_batch output.jsonl --to data --name mine",
    "import opencompass": "rgd import opencompass predictions/ --to data --name mine",
    "import routellm": "rgd import routellm gsm8k.csv --to data --name mine",
    "import routerarena": "rgd import routerarena cached/ --to data --name mine",
    "import routerbench": "rgd import routerbench routerbench.csv --to data --name mine",
    "import table": "rgd import table answers.csv --to data --name mine --columns question=prompt label=right model=model answer=said",
    "init own": 'rgd init own mine --task kitchen="Cooking by measure."',
    "init model": "rgd init model mine --server http://localhost:8000/v1 --pool quickstart",
    "init pool": "rgd init pool mine --models qwen3-8b gemma-2-9b",
    "init recorded": "rgd init recorded mine --from data",
    "label": "rgd label --experiment few_labels",
    "data fetch": "rgd data fetch mmlu_pro --data-root DIR",
    "data list": "rgd data list --json",
    "models": "rgd models --json",
    "models pin": "rgd models pin --check",
    "models fetch": "rgd models fetch --experiment paper",
    "doctor": "rgd doctor --experiment paper --json",
    "export": "rgd export results/routers/D/S/P/latent_truth.parquet my-router",
    "route": 'rgd route --bundle BUNDLE "How many grams are two cups of flour?"',
    "serve": "rgd serve --bundle BUNDLE",
    "watch": "rgd watch --bundle BUNDLE --log decisions.jsonl",
}


def add_examples(command: argparse.ArgumentParser, name: str = "") -> None:
    """End the help of every command below ``command``, which is called ``name``, with its example."""
    if name in EXAMPLES:
        command.epilog = f"Example: {EXAMPLES[name]}"
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction):
            for part, sub in action.choices.items():
                add_examples(sub, f"{name} {part}".strip())
