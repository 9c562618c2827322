"""The page's markup: whatever is no markup is escaped, wherever it stands."""

import json
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rgd.report.html import Markup, json_script, tag, text

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&<!--"


class Seen(HTMLParser):
    """What a browser would see: elements, attributes, text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append(name)
        self.attributes += attributes

    def handle_data(self, data: str) -> None:
        self.words += data


@given(st.text(st.characters(min_codepoint=32, exclude_characters="\x7f", exclude_categories=["Cs", "Cc"])))
def test_any_text_is_text_in_elements_and_attributes(words: str) -> None:
    seen = Seen(tag("p", words, title=words))
    assert seen.elements == ["p"]
    assert seen.words == words
    assert seen.attributes == [("title", words)]


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_any_data_stays_in_its_element_and_comes_back(content: object) -> None:
    page = json_script("data", content)
    assert page.count("<") == 2
    inside = page[page.index(">") + 1 : page.rindex("<")]
    assert json.loads(inside) == content


def test_hostile_text_opens_no_element() -> None:
    seen = Seen(tag("div", HOSTILE, tag("b", HOSTILE, class_=HOSTILE), [HOSTILE, None, 3]))
    assert seen.elements == ["div", "b"]
    assert seen.words == f"{HOSTILE}{HOSTILE}{HOSTILE}3"


def test_only_markup_is_markup() -> None:
    assert tag("p", tag("b", "x")) == "<p><b>x</b></p>"
    assert tag("p", "<b>x</b>") == "<p>&lt;b&gt;x&lt;/b&gt;</p>"
    # Adding a text to markup gives a text, so that it is escaped.
    assert tag("p", tag("b", "x") + "<i>") == "<p>&lt;b&gt;x&lt;/b&gt;&lt;i&gt;</p>"
    assert isinstance(text(["<"]), Markup)


def test_attributes_are_named_and_left_out() -> None:
    assert (
        tag("a", class_="x", data_key="y", hidden=True, title=None, open=False)
        == '<a class="x" data-key="y" hidden></a>'
    )
    assert tag("meta", charset="utf-8") == '<meta charset="utf-8">'


@pytest.mark.parametrize("attributes", [{"onclick": "alert(1)"}, {"on_load": "x"}, {"x onload": "y"}])
def test_an_attribute_runs_no_script(attributes: dict) -> None:
    with pytest.raises(ValueError, match="is no attribute"):
        tag("a", **attributes)


def test_an_element_has_a_name() -> None:
    with pytest.raises(ValueError, match="is no element"):
        tag("a href=x")


def test_what_is_no_character_is_shown_as_such() -> None:
    assert tag("p", "a\x00b\x1bc\ud800d\te\n") == "<p>a�b�c?d\te\n</p>"
