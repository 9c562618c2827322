"""The parameter ``code`` of rules whose script loads a module by name."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rgd.workflow.code import Code


def test_an_edit_of_the_questions_beside_an_adapter_counts_for_that_adapter_alone(tmp_path: Path) -> None:
    adapters = tmp_path / "rgd" / "datasets"
    adapters.mkdir(parents=True)
    (tmp_path / "script.py").write_text("value = 1\n")
    (adapters / "one.py").write_text("from pathlib import Path\nFILE = Path(__file__).with_suffix('.jsonl')\n")
    (adapters / "two.py").write_text("value = 2\n")
    (adapters / "one.jsonl").write_text("1\n")
    study: Any = SimpleNamespace(dataset=lambda wildcards: SimpleNamespace(adapter=wildcards.dataset))

    def parameter(adapter: str) -> str:
        of_adapter = Code(tmp_path, tmp_path / "kept").of_adapter("script.py", study)
        return str(of_adapter(SimpleNamespace(dataset=adapter)))

    one, two = parameter("one"), parameter("two")
    (adapters / "one.jsonl").write_text("2\n")
    assert parameter("one") != one
    assert parameter("two") == two
