"""The page's markup: whatever models and users wrote is text, wherever it stands; data comes back as it was."""

import json
import re
from html.parser import HTMLParser
from typing import Any

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from rgd.report import page, tables
from rgd.report.page import Figure, Section
from rgd.report.tables import Table, Tile

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}\"'&<!--"
TEXTS = st.text(st.characters(min_codepoint=32, exclude_characters="\x7f", exclude_categories=["Cs", "Cc"]))
PLAIN = "plain"
TEMPLATE = page.template()


class Seen(HTMLParser):
    """What a browser would see: elements, attributes, text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[str] = []
        self.attributes: list[str | None] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append(name)
        self.attributes += [value for _, value in attributes]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def rendered(words: str, data: Any = None, table: Table | None = None) -> str:
    """A page with ``words`` wherever a model or a user can write."""
    table = table or Table(words, [words] * 3, [False, True, False], [(words, [[words] * 3])])
    sections = [
        Section("accuracy", words, words, [Figure(words, "data:image/svg+xml;base64,")], [table] * 3, words),
        Section("walk", words, words),
        Section("provenance", words, words),
    ]
    shown: dict[str, Any] = {name: {"x": 1} for name in ("query_sets", "pools", "routers")}
    shown |= {"title": words, "titles": {"dataset": {}}, "seeds": [0], "tested": [], "level": 0.95}
    return TEMPLATE.render(
        settings=shown,
        sections=sections,
        tiles=[Tile(words, words, words, words)],
        where=words,
        data=data,
        made_of={"files": [(words, words, words, 1)], "versions": [(words, words)], "made_on": words},
        commit=words,
        families={words: words},
        **dict.fromkeys(("style", "script", "script_hash", "version"), ""),
    )


@settings(deadline=None)
@given(TEXTS)
def test_any_text_is_text_in_elements_and_attributes(words: str) -> None:
    marked = f"<{words}>"
    seen, plain = Seen(rendered(marked)), Seen(rendered(PLAIN))
    assert seen.elements == plain.elements
    assert seen.words.count(marked) == plain.words.count(PLAIN) > 20
    assert seen.attributes.count(marked) == plain.attributes.count(PLAIN) > 3


def test_hostile_text_opens_no_element_and_is_no_template() -> None:
    seen = Seen(rendered(HOSTILE))
    assert seen.elements == Seen(rendered(PLAIN)).elements
    assert HOSTILE in seen.words
    assert HOSTILE in seen.attributes


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_any_data_stays_in_its_element_and_comes_back(content: object) -> None:
    inside = rendered(PLAIN, content).partition('id="data">')[2].partition("</script>")[0]
    assert not set(inside) & {"<", ">", "&"}
    back = json.loads(inside)
    assert back == content
    # The first key is what the page shows first.
    assert list(back) == list(content) if isinstance(content, dict) else True


def test_what_is_no_character_is_shown_as_such() -> None:
    assert "a�b�c�d\te" in rendered("a\x00b\x1bc\ud800d\te")


ACCURACY = pd.DataFrame(
    [
        ("query-only", "good", "real", 0.8),
        ("query-only", "good", "writer", 0.7),
        ("query-answer", "bad", "real", 0.2),
        ("query-answer", "bad", "writer", 0.5),
        ("learning-free", "base", "real", 0.5),
    ],
    columns=["family", "router", "scenario", "accuracy"],
).assign(dataset="d", pool="p", variant="top1", accuracy_std=float("nan"), ci_low=0.1, ci_high=0.9, calls_per_query=1.0)
COMPARISONS = pd.DataFrame(
    [("good", 0.3, "better"), ("bad", -0.3, "worse")], columns=["first", "difference", "verdict"]
).assign(
    dataset="d", scenario="real", pool="p", first_variant="top1", second="base", second_variant="top1",
    ci_low=0.0, ci_high=0.0, first_only=1, second_only=1,
)  # fmt: skip
SETTINGS: dict[str, Any] = {
    "baseline": "base",
    "titles": {
        "dataset": {"d": "The d"},
        "pool": {"p": "The p"},
        "scenario": {"real": "Real data", "writer": "Writer"},
    },
    "members": {"a": "Model A", "b": "Model B"},
}


def test_an_arrow_says_which_differences_are_real_and_where_they_go() -> None:
    (table,) = tables.accuracy({"accuracy": ACCURACY, "comparisons": COMPARISONS}, SETTINGS)
    assert table.caption == "The d, The p"
    assert table.header == ["router", "calls", "Real data", "Writer"]
    assert [heading for heading, _ in table.groups] == ["query-only", "query-answer", "learning-free"]
    (good,), (bad,), (base,) = (rows for _, rows in table.groups)
    assert good == ["good top1", "1.00", "80.0 ▲", "70.0"]
    assert bad == ["bad top1", "1.00", "20.0 ▼", "50.0"]
    assert base == ["base top1", "1.00", "50.0", "same"]


def test_calls_stand_beside_every_figure_and_are_those_of_the_scenario() -> None:
    made = ACCURACY.assign(calls_per_query=[1.25, 1.5, 1.0, 1.0, 1.0])
    writer = COMPARISONS.assign(scenario="writer")
    frames = {"accuracy": made, "comparisons": pd.concat([COMPARISONS, writer], ignore_index=True)}
    for (table,) in (tables.accuracy(frames, SETTINGS), tables.differences(frames, SETTINGS)):
        rows = {row[0]: row[1] for _, group in table.groups for row in group}
        assert table.header[:2] == ["router", "calls"]
        assert rows["good top1"] == "1.25 to 1.50"
        assert rows["bad top1"] == "1.00"
    tilde = {row[0]: row[2:] for _, group in tables.differences(frames, SETTINGS)[0].groups for row in group}
    assert all(text.endswith("~") for text in tilde["good top1"])
    assert not any(text.endswith("~") for text in tilde["bad top1"])


def test_without_tested_questions_the_page_says_first_what_there_is_to_trust() -> None:
    found = pd.DataFrame(
        [("r: what it says itself", "fine", "sure"), ("ties", "look", "many"), ("clusters", "fine", "good")],
        columns=["check", "verdict", "shown"],
    ).assign(dataset="d", scenario="writer", pool="p", advice="")
    (table,) = tables.trust({"diagnostics": found}, SETTINGS | {"tested": []})
    assert [row[0] for _, rows in table.groups for row in rows] == ["r: what it says itself", "ties"]
    assert tables.trust({"diagnostics": found}, SETTINGS | {"tested": ["d"]}) == []
    assert tables.trust({}, SETTINGS | {"tested": []}) == []


def test_shares_are_shaded_and_the_best_are_starred() -> None:
    table = Table("shares", ["task", "queries", "a"], [False, True, True], [("", [["t", "4", "50.0*"]])], shaded=2)
    written = set(re.findall(r'<td class="heat" style="(.*?)">(.*?)<.*(★).*</td>', rendered(PLAIN, table=table)))
    assert written == {("--share: 50.0%", "50.0", "★")}


def test_members_are_named_and_shaded_task_by_task() -> None:
    tasks = pd.DataFrame(
        {"dataset": ["d", "d"], "task": ["t", "all"], "n_queries": [4, 4], "a": [0.5, 0.5], "b": [0.25, 0.25], "c": float("nan"), "best": ["a", "a"]}
    )  # fmt: skip
    keys = {"dataset": "d", "scenario": "real", "pool": "p", "variant": "top1", "share": 1.0}
    choices = pd.DataFrame([{**keys, "router": name, "member": "a"} for name in ("good", "oracle")])
    by_task, asked = tables.members({"tasks": tasks, "choices": choices}, SETTINGS)
    assert by_task.header == ["task", "n queries", "Model A", "Model B"]
    assert by_task.groups[0][1][0] == ["t", "4", "50.0*", "25.0 "]
    assert by_task.shaded == 2
    assert asked.groups == [("", [["good top1", "100"]])]


def test_the_best_is_that_of_the_first_dataset_and_pool() -> None:
    tiles, where = tables.summary({"accuracy": ACCURACY}, SETTINGS)
    assert [(tile.name, tile.value, tile.router) for tile in tiles] == [
        ("Best without labels, generated data", "70.0", "good top1, 1.00 call"),
        ("Best with generated labels", "50.0", "bad top1, 1.00 call"),
    ]
    assert where == ""
    real, _ = tables.summary({"accuracy": ACCURACY.assign(scenario="real")}, SETTINGS)
    assert [(tile.name, tile.router) for tile in real] == [
        ("Best without labels, real data", "good top1, 1.00 call"),
        ("Best with real labels", "bad top1, 1.00 call"),
    ]
    _, where = tables.summary({"accuracy": pd.concat([ACCURACY, ACCURACY.assign(pool="q")])}, SETTINGS)
    assert where == "The d, The p"


def test_what_never_came_of_a_draw_is_left_out() -> None:
    counts = {"draws": [3], "kept": [0], "repeated": [3], "no_answer": [0], "other": [float("nan")]}
    frame = pd.DataFrame({"dataset": ["d"], "generator": ["writer"], "task": ["all"], **counts})
    (table,) = tables.generation({"generation": frame}, SETTINGS)
    assert table.header == ["task", "draws", "kept", "repeated"]
    assert table.groups == [("", [["all", "3", "0", "3"]])]


def test_a_table_that_was_not_made_is_left_out() -> None:
    parts = (tables.accuracy, tables.differences, tables.costs, tables.members, tables.generation, tables.diagnostics)
    assert [part({}, SETTINGS) for part in parts] == [[]] * len(parts)
    assert tables.summary({}, SETTINGS) == ([], "")
