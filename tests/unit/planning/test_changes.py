"""What changed, in the user's words."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rgd.planning.changes import NOTHING, Change, Leaf, code_changes, differences, few, kind_of, leaves, named, shown


def slice_of(**content: object) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def code_of(fingerprint: str, **libraries: str) -> str:
    return slice_of(fingerprint=fingerprint, of=["fit.py", "rgd.routers.knn"], libraries=libraries)


def tell(parameter: str, found: list[Leaf]) -> list[Change]:
    return [Change(kind_of(old, new), f"{parameter}@{'.'.join(path)}: {shown(old, new)}") for path, old, new in found]


def texts(before: dict[str, object], now: dict[str, object], kept: dict[str, dict] | None = None) -> list[str]:
    return [change.text for change in differences(before, now, tell, (kept or {}).get)]


def test_a_changed_key_is_named_with_both_values() -> None:
    before, now = slice_of(parameters={"k": 3, "seed": 0}), slice_of(parameters={"k": 4, "seed": 0})
    assert texts({"slice": before}, {"slice": now}) == ["slice@parameters.k: 3 → 4"]


def test_a_new_and_a_gone_key_say_so() -> None:
    assert texts({"slice": slice_of(a=None)}, {"slice": slice_of(b=1)}) == [
        "slice@a: null → nothing",
        "slice@b: nothing → 1",
    ]


def test_lists_tell_what_came_and_went_or_that_the_order_changed() -> None:
    assert shown(["a", "b"], ["b", "c"]) == "+ c, - a"
    assert "order" in shown(["a", "b"], ["b", "a"])
    assert shown([], list("abcde")) == "+ a, + b, + c and 2 more"


def test_a_list_of_numbers_is_shown_whole_where_most_of_it_is_new() -> None:
    assert shown([1, 3, 5], [5, 10.5]) == "+ 10.5, - 1, - 3"
    assert shown([1, 3, 20], [5, 10.5]) == "[1, 3, 20] → [5, 10.5]"
    assert shown([1, 3, 20], [5, "a"]) == "+ 5, + a, - 1 and 2 more"


def test_a_long_text_shows_the_line_that_differs() -> None:
    before = "Answer the question.\nThink first.\n"
    assert shown(before, before.replace("first", "twice")) == "line 2: Think first. → Think twice."
    assert shown(before, before + "Be brief.\n") == "line 3: nothing → Be brief."


def test_of_two_long_texts_the_place_where_they_differ_is_shown() -> None:
    begin, end = "a very long beginning " * 9, " and a very long end" * 9
    said = shown(f"{begin}old{end}", f"{begin}new{end}")
    old, _, new = said.partition(" → ")
    assert "old" in old
    assert "new" in new
    assert len(said) < 2 * 70
    # The one line of a text needs no number.
    assert "line" not in said
    assert "line" in shown(f"{begin}\nold", f"{begin}\nnew")


def test_a_text_in_a_slice_that_is_json_itself_is_taken_apart() -> None:
    before, now = ({"prompt": json.dumps({"instruction": text, "examples": []})} for text in ("Write.", "Draw."))
    assert leaves(before, now) == [(("prompt", "instruction"), "Write.", "Draw.")]


def test_code_names_module_and_function_and_the_libraries_versions() -> None:
    kept = {
        "one": {"fit.py": {"statements": "a"}, "rgd.routers.knn": {"Knn": "b", "Knn.fit": "c"}},
        "two": {"fit.py": {"statements": "a"}, "rgd.routers.knn": {"Knn": "b", "Knn.fit": "d", "weigh": "e"}},
    }
    found = texts({"code": code_of("one", torch="2.1")}, {"code": code_of("two", torch="2.2")}, kept)
    assert found == ["rgd.routers.knn: Knn.fit changed, weigh new", "torch: 2.1 → 2.2"]


def test_code_of_which_nothing_is_kept_is_named_by_script_and_plugin() -> None:
    assert texts({"code": code_of("one")}, {"code": code_of("two")}) == ["fit.py + rgd.routers.knn: changed"]
    (text,) = texts({"code": "0123456789abcdef"}, {"code": code_of("two")})
    assert text.startswith("code: ")


def test_definitions_in_another_order_and_modules_that_come_and_go_are_told() -> None:
    before = {"a": {"f": "1", "g": "2"}, "b": {}}
    now = {"a": {"g": "2", "f": "1"}, "c": {}}
    found = code_changes(before, now)
    assert [text.partition(":")[0] for text in found] == ["b", "c"]
    assert len({text.partition(":")[2] for text in found}) == 2
    # The order alone changes the fingerprint too, so it is told where nothing else is.
    assert [text.partition(":")[0] for text in code_changes({"a": before["a"]}, {"a": now["a"]})] == ["a"]


@given(
    names=st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6, unique=True), changed=st.sampled_from("abcdef")
)
def test_the_changed_definition_alone_is_named_whatever_the_order(names: list[str], changed: str) -> None:
    modules = {f"rgd.{name}": {"f": "1", "g": "2"} for name in "abcdef"}
    now = {f"rgd.{name}": dict(reversed(modules[f"rgd.{name}"].items())) for name in names}
    now = {**modules, **now}
    now[f"rgd.{changed}"] = {**now[f"rgd.{changed}"], "g": "3"}
    assert code_changes(modules, now) == [f"rgd.{changed}: g changed"]


def test_a_file_whose_hash_is_kept_has_changed_content() -> None:
    old, new = "0" * 64, "f" * 64
    (change,) = differences({"own_content": old}, {"own_content": new}, tell, lambda _: None)
    assert change.kind == "data"
    assert old[:8] not in change.text
    assert change.text.startswith("own_content@")


NOW = {"slice": slice_of(k=4, seed=0), "members": '["a","b"]', "code": code_of("two"), "count": 7}


def test_recorded_values_without_names_find_their_parameters() -> None:
    before = {"slice": slice_of(k=3, seed=0), "members": '["a"]', "code": code_of("one"), "count": 5}
    assert named([repr(value) for value in before.values()], NOW) == before
    assert named([repr(value) for value in {**NOW, "count": 5}.values()], NOW) == {"count": 5}


def test_an_older_form_of_the_code_is_known_for_what_it_is() -> None:
    recorded = [repr(value) for value in {**NOW, "code": "0123456789abcdef"}.values()]
    assert named(recorded, NOW) == {"code": "0123456789abcdef"}


def test_the_names_of_the_provenance_count_where_it_tells_the_same_values() -> None:
    told = {"slice": slice_of(a=1), "old": slice_of(k=3, seed=0)}
    recorded = [repr(value) for value in told.values()]
    assert named(recorded, NOW, told) == told
    assert "old" not in named(recorded, NOW, {**told, "old": 1})


def test_a_value_that_is_no_present_parameters_keeps_a_name() -> None:
    assert named([repr(value) for value in [*NOW.values(), 9]], NOW) == {"parameter 0": 9}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES, VALUES)
def test_trees_differ_exactly_where_leaves_are_found(old: object, new: object) -> None:
    assert (leaves(old, new) == []) == (repr(_sorted(old)) == repr(_sorted(new)))
    assert leaves(old, old) == []


def _sorted(value: object) -> object:
    """Keys in one order, at any depth outside of lists; JSON texts taken apart."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return _sorted(json.loads(value))
        except ValueError:
            return value
    return {key: _sorted(value[key]) for key in sorted(value)} if isinstance(value, dict) else value


@pytest.mark.parametrize(("count", "words"), [(0, ""), (2, "0, 1"), (4, "0, 1, 2 and 1 more")])
def test_few_words_of_many(count: int, words: str) -> None:
    assert few([str(number) for number in range(count)]) == words


def test_nothing_is_not_null() -> None:
    assert shown(None, NOTHING) == "null → nothing"
