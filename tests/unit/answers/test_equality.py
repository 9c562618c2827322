"""Equality of answers in LaTeX: known pairs, limits of time, and the names that equal answers of a pool get."""

import signal
from collections.abc import Iterator

import pytest

from rgd.answers import equality
from rgd.answers.equality import Comparer, equal_answers, graded, labels_in_pool, renamed, representatives
from rgd.answers.tidying import tidy


@pytest.fixture(scope="module")
def compare() -> Iterator[Comparer]:
    with Comparer() as comparer:
        yield comparer


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (r"\frac12", "0.5"),
        (r"\frac12", "1/2"),
        (r"\dfrac{2}{4}", r"\frac{1}{2}"),
        ("x=5", "5"),
        (r"x^2+2x+1", r"(x+1)^2"),
        (r"2\sqrt{3}", r"\sqrt{12}"),
        ("1,000", "1000"),
        (r"10,\!080", "10080"),
        (r"90^\circ", "90"),
        (r"\$5", "5"),
        (r"5\text{ cm}", "5"),
        (r"\left( 3, \frac{\pi}{2} \right)", r"(3,\pi/2)"),
        (r"\{1,2\}", r"\{2,1\}"),
        (r"\text{Evelyn}", "Evelyn"),
        (r"\text{(A)}", "A"),
        (r"\sin^2 x + \cos^2 x", "1"),
        ("-5i+6", "6 - 5i"),
        (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\begin{pmatrix} 1 \\ \frac{4}{2} \end{pmatrix}"),
        ("\\frac{7}{2}", "3 1/2"),
        ("3.5", "3½"),
        ("0.5", "½"),
        ("-3.5", "-3 1/2"),
        ("-3 1/2", "-\\frac72"),
        ("5/3", "1 2/3"),
        ("1-\\frac{1}{\\mathrm{e}}", "1-\\frac1e"),
        ("\\frac{1}{2004!}", "\\frac{2005}{2005!}"),
        ("Yes", "yes"),
        ("East", "\\text{east}"),
        ("10 000", "10000"),
        ("10{,}000", "10000"),
        ("10\\,000", "10,000"),
        ("1e-7", "10^{-7}"),
        ("√2", "\\sqrt{2}"),
        ("sqrt(2)", "\\sqrt2"),
        ("2π", "2\\pi"),
        ("pi/2", "\\frac{\\pi}{2}"),
        ("x≥3", "x\\ge 3"),
        ("2516_{8}", "2516_8"),
        ("-5", "−5"),
        ("90°", "90"),
        ("\\frac{\\pi}{2}", "\\pi/2"),
        ("5 cm", "5"),
        ("12\\,\\mathrm{cm}", "12"),
        ("5\\text{ m}", "5"),
        ("12 miles", "12"),
        ("x^2", "x²"),
        ("x**2", "x^2"),
        ("(−∞, 2]", "(-\\infty,2]"),
        ("0.000244", "1/4096"),
        ("2 and 3", "2,3"),
        ("{1,2}", "\\{1,2\\}"),
        ("\\{2,1\\}", "1,2"),
        ("5\\%", "5%"),
        ("$5", "5"),
        ("3, 4", "4,3"),
        ("3\\ \\frac{1}{2}", "3.5"),
        ("1,234.5", "1234.5"),
        ("x \\in [1,2]", "[1,2]"),
        ("1:2", "1/2"),
        ("\\frac{1}{2}\\mathrm{i}", "\\frac{i}{2}"),
        ("5 dollars", "5"),
        ("\\text{5 hours}", "5"),
        ("2\\text{ or }3", "2,3"),
        ("12 cm^2", "12"),
        ("12 cm²", "12"),
        ("60 degrees", "60^\\circ"),
        ("y=2x+1", "2x+1"),
        ("a_1", "a_{1}"),
        ("infinity", "\\infty"),
        ("\\mathbf{i}+\\mathbf{j}", "\\mathbf{j}+\\mathbf{i}"),
    ],
)
def test_equal_as_mathematics(compare: Comparer, first: str, second: str) -> None:
    assert compare(first, second)
    assert compare(second, first)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (r"\frac12", "2"),
        ("5", "-5"),
        ("(1,2)", "(2,1)"),
        (r"\infty", r"-\infty"),
        ("x+1", "x-1"),
        (r"\sqrt{2}", "1.41"),
        (r"\text{Evelyn}", r"\text{Ann}"),
        (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\begin{pmatrix} 2 \\ 1 \end{pmatrix}"),
        ("}{", "5"),
        ("", "5"),
        ("4", "1 2/3"),
        ("15.5", "3 1/2"),
        ("23", "2 3"),
        ("5", "2 3"),
        ("1-\\frac{1}{\\mathrm{e}}", "1+\\frac{1}{\\mathrm{e}}"),
        ("2-\\mathrm{e}", "2+\\mathrm{e}"),
        ("\\frac{1}{2004!}", "\\frac{1}{2006!}"),
        ("east", "seat"),
        ("north", "thorn"),
        ("10^{-7}", "10^{-8}"),
        ("0.0000001", "0.0000002"),
        ("1e-7", "2e-7"),
        ("1-\\frac{1}{\\mathrm{e}}", "1"),
        ("1-\\operatorname{foo}{2}", "1"),
        ("2516_8", "2516"),
        ("2516_8", "2516_9"),
        ("3 1/2", "3.2"),
        ("x+1", "x"),
        ("(1,2]", "(1,2)"),
        ("3,4", "4"),
        ("10 000", "10"),
        ("2 x", "3 x"),
        ("\\text{east}", "seat"),
        ("10", "1 0"),
        ("0", "10^{-9}"),
        ("\\frac{1}{", "1"),
    ],
)
def test_different_as_mathematics(compare: Comparer, first: str, second: str) -> None:
    assert not compare(first, second)
    assert not compare(second, first)


@pytest.mark.parametrize("answer", ["}{", r"\frac{", "", r"\text{no formula at all}", "3:2:1", r"\sqrt"])
def test_what_cannot_be_parsed_equals_itself(compare: Comparer, answer: str) -> None:
    assert compare(answer, answer)
    assert compare(answer, f" ${answer} $ ")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (r" \left( 3, \dfrac{\pi}{2} \right). ", r"(3,\frac{\pi}{2})"),
        (r"\pi r^2", r"\pi r^2"),
        (r"5\,\text{cm}", "5"),
        (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\begin{pmatrix}1\\2\end{pmatrix}"),
        (r"\leftarrow", r"\leftarrow"),
        (r"$\displaystyle 5$", "5"),
    ],
)
def test_looks_do_not_count(text: str, written: str) -> None:
    assert tidy(text) == written
    assert tidy(tidy(text)) == written


def test_a_comparison_that_takes_too_long_ends_and_the_next_goes_on() -> None:
    with Comparer() as comparer:
        assert comparer(r"\frac12", "0.5")
        assert comparer._worker is not None
        # A process that stands still answers on no machine, however slow the test itself is.
        comparer._worker.send_signal(signal.SIGSTOP)
        comparer.time_limit_s = 0.1
        assert not comparer(r"\frac12", "0.5")
        assert comparer.undecided == 1
        comparer.time_limit_s = 30
        assert comparer(r"\frac12", "0.5")


def test_a_process_that_dies_is_replaced() -> None:
    with Comparer() as comparer:
        assert comparer(r"\frac12", "0.5")
        assert comparer._worker is not None
        comparer._worker.kill()
        comparer._worker.wait()
        assert not comparer(r"\frac12", "0.5")
        assert comparer.undecided == 1
        assert comparer(r"\frac12", "0.5")


def test_a_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(equality, "MODULE", "rgd.no_such_module")
    with Comparer() as comparer, pytest.raises(RuntimeError, match="math-verify"):
        comparer("x", "y")


def test_answers_written_alike_start_no_process() -> None:
    with Comparer() as comparer:
        assert comparer("$ x $", "x")
        assert not comparer("5", "6")
        assert comparer("-07", "-7")
        assert comparer._worker is None


def test_the_shortest_of_a_class_is_its_name(compare: Comparer) -> None:
    answers = [r"\frac{1}{2}", "0.5", "1/2", "2", "2.0", "}{"]
    assert representatives(answers, compare) == {
        r"\frac{1}{2}": "0.5",
        "0.5": "0.5",
        "1/2": "0.5",
        "2": "2",
        "2.0": "2",
        "}{": "}{",
    }


def test_the_names_of_a_pools_answers() -> None:
    query_ids = ["a", "b", "c"]
    first, second = [r"\frac12", "x", None], ["0.5", "y", "7"]
    table, undecided = equal_answers(query_ids, list(zip(first, second, strict=True)), threads=2)
    assert table.to_pylist() == [{"query_id": "a", "answer": r"\frac12", "representative": "0.5"}]
    assert undecided == 0
    assert renamed(query_ids, first, table) == ["0.5", "x", None]
    assert renamed(query_ids, second, table) == second


def test_right_answers_get_the_labels_text() -> None:
    labels = {"a": r"\frac{1}{2}", "b": "3", "c": "4", "d": "(1,2)"}
    answers = ["0.5", "4", None, "(1, 2)"]
    named, undecided = graded(list(labels), answers, labels, threads=1)
    assert named == [r"\frac{1}{2}", "4", None, "(1,2)"]
    assert undecided == 0


def test_labels_are_named_as_the_pools_right_answers() -> None:
    labels = {"a": r"\frac{1}{2}", "b": "3", "c": "4"}
    matched = [["0.5", "x", "p"], ["0.5", None, "q"], ["2", "x", "q"]]
    is_right = [[True, False, True], [True, False, True], [False, False, True]]
    named, ambiguous = labels_in_pool(labels, list(labels), matched, is_right)
    assert named == {"a": "0.5", "b": "3", "c": "q"}
    assert ambiguous == 1
