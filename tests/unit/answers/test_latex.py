"""Mathematics as an answer: what is read of a text, and the rows of responses to questions without options."""

import pyarrow as pa
import pytest

from rgd.answers.extraction import ANSWER_IS, BOXED, NO_RULE
from rgd.answers.latex import boxed
from rgd.answers.mathematics import extract_latex
from rgd.answers.requests import requests_for
from rgd.answers.responses import option_texts, response_rows


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (r"so \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
        (r"first \boxed{1}, then \boxed{ 2 }", "2"),
        (r"\boxed{\left\{1,2\right\}}", r"\left\{1,2\right\}"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{x_{1}} and \boxed{cut off", "x_{1}"),
        (r"\fbox{7}", "7"),
        (r"\boxed 5.", "5"),
        (r"\boxed{\boxed{3}}", "3"),
        (r"\boxed{{-\frac{\pi}{6}}}", r"-\frac{\pi}{6}"),
        (r"\boxed{{1}{2}}", "{1}{2}"),
        (r"\boxed{\left\{1\right\}}", r"\left\{1\right\}"),
        (r"\boxed{}", None),
        (r"\boxed{5} \boxed{}", "5"),
        (r"\boxed{", None),
        ("no box", None),
    ],
)
def test_the_last_whole_box(text: str, found: str | None) -> None:
    assert boxed(text) == found


@pytest.mark.parametrize(
    ("text", "answer", "rule"),
    [
        (r"The answer is 3. Thus \boxed{4}.", "4", BOXED),
        (r"The answer is $\frac12$.", r"\frac12", ANSWER_IS),
        (r"The answer is 3, no: the final answer is \(x = 5\).", "x = 5", ANSWER_IS),
        ("The answer is: **12**.\nThat is all.", "12", ANSWER_IS),
        (r"The ANSWER IS \[ \sqrt{2} \]", r"\sqrt{2}", ANSWER_IS),
        ("The answer is ", None, NO_RULE),
        (r"It is \boxed{}", None, NO_RULE),
        ("I do not know.", None, NO_RULE),
        ("", None, NO_RULE),
    ],
)
def test_what_a_text_ends_in(text: str, answer: str | None, rule: str) -> None:
    found = extract_latex(text)
    assert (found.answer, found.rule) == (answer, rule)


def questions(**changes: list) -> pa.Table:
    columns = {
        "query_id": ["m", "l"],
        "question": ["1+1?", "Which?"],
        "options": [[], ["x", "y"]],
        "answer_kind": ["latex", "letter"],
    }
    return pa.table({**columns, "options": pa.array(columns["options"], pa.list_(pa.string()))} | changes)


def test_a_response_is_read_by_its_questions_kind_of_answer() -> None:
    counts = {"confidence": -0.5, "prompt_tokens": 1, "completion_tokens": 2, "finish_reason": "stop"}
    said = [{"text": r"It is \boxed{B}.", **counts}, {"text": r"It is \boxed{B}.", **counts}]
    rows = response_rows(questions(), said, "generate")
    assert rows["answer"].to_pylist() == ["B", "B"]
    said = [{"text": r"Thus \boxed{\frac12}.", **counts}] * 2
    rows = response_rows(questions(), said, "generate").to_pylist()
    assert [row["answer"] for row in rows] == [r"\frac12", None]
    assert [row["confidence"] for row in rows] == [-0.5, None]


def test_an_answer_without_options_stands_for_its_own_text() -> None:
    responses = pa.table({"query_id": ["m", "l"], "answer": [r"\frac12", "B"]})
    assert option_texts(questions(), responses) == [r"\frac12", "y"]


def test_a_question_without_options_is_asked_without_them() -> None:
    request = requests_for(questions().slice(0, 1), "[user]\nSolve: {question}")[0]
    assert request.messages[0].content == "Solve: 1+1?"
    assert request.options == ()


READINGS: list[tuple[str, str | None]] = [
    ("The value of x is 7.", "7"),
    ("The probability is 3/8.", "3/8"),
    ("It equals 1,024.", "1,024"),
    ("The value is not 7.", None),
    ("The value is 7 or 8.", None),
    ("Problem 7 is hard.", None),
    ("The result is 5 million.", None),
    ("Answer: no idea", None),
    ("Answer: 2.5 × 10^-3 mol", "2.5 × 10^-3"),
    ("The answer is approximately 2.5e-3 mol.", "2.5e-3"),
    ("The answer is 3,5 Meter", "3,5"),
    ("The answer is \\frac{1}{3}.", "\\frac{1}{3}"),
    ("The answer is (1, 2).", "(1, 2)"),
    ("(The answer is 5)", "5"),
    ("The answer is [1,2).", "[1,2)"),
    ("Final answer: 42", "42"),
    ("Final Answer: The final answer is $\\boxed{7}$", "7"),
    ("**Answer: 3 1/2**", "3 1/2"),
    ("Answer: 5 apples", "5"),
    ("The answer is 5 cm.", "5"),
    ("The answer is $5.", "$5"),
    ("The total cost is $45.\n\nAnswer: $45", "$45"),
    ('{"reasoning": "x", "answer": "\\\\frac{1}{2}"}', "\\frac{1}{2}"),
    ('{"answer": "\\frac{1}{2}"}', "\\frac{1}{2}"),
    ('{"answer": 42}', "42"),
    ('{"answer": -3.5, "confidence": 1}', "-3.5"),
    ('{"answer": [1, 2]}', "1,2"),
    ('{"final_answer": "$x=5$"}', "x=5"),
    ('{"answer": null}', None),
    ('"answer": "No solution"', "No solution"),
    ("<answer>12</answer>", "12"),
    ("<answer>\n\\frac{3}{4}\n</answer>", "\\frac{3}{4}"),
    ("#### 1,234", "1,234"),
    ("#### -5\n", "-5"),
    ("答案是 $5$。", "5"),
    ("答案：42", "42"),
    ("所以答案为12。", "12"),
    ("정답: 7", "7"),
    ("答えは 12 です。", "12"),
    ("Ответ: 15", "15"),
    ("Die Antwort ist 12.", "12"),
    ("La réponse est 12.", "12"),
    ("La respuesta es $x=3$.", "x=3"),
    ("Antwort: 3,5", "3,5"),
    ("Therefore, there are 12 ways.", "12"),
    ("So she has 12 apples left.", "12"),
    ("1 + 1 = 2", "2"),
    ("42", "42"),
    ("$42$", "42"),
    ("**42**", "42"),
    ("$\\frac{1}{2}$", "\\frac{1}{2}"),
    ("x = 5", "x = 5"),
    ("The answer is not 5.", None),
    ("I cannot solve this.", None),
    ("The answer is unknown.", None),
    ("The answer must be in the form $a/b$.", None),
    ("Is the answer 5?", None),
    ("", None),
    ("The answer is **12**.", "12"),
    ("**Final Answer**\n\n$$\\frac{5}{6}$$", "\\frac{5}{6}"),
    ("## Final Answer\n\n12", "12"),
    ("The final answer is:\n\n\\[ 12 \\]", "12"),
    ("\\[\n\\boxed{12}\n\\]", "12"),
    ("Answer:\n\n**12**", "12"),
    ("The answer is approximately 3.14.", "3.14"),
    ("The answer is therefore $12$.", "12"),
    ("The answer is $12$, since $3\\cdot4=12$.", "12"),
    ("The value of $x$ is $5$. Answer: x = 5", "x = 5"),
    ("The answer is east.", "east"),
    ("Answer: Evelyn", "Evelyn"),
    ("The answer is \\text{Evelyn}.", "\\text{Evelyn}"),
    ("The answer is 50%.", "50%"),
    ("The answer is 5 million.", "5 million"),
    ("The answer is 2\\sqrt{3}.", "2\\sqrt{3}"),
    ("The answer is √2.", "√2"),
    ("The answer is 2π.", "2π"),
    ("The answer is 1/2.", "1/2"),
    ("The answer is -7k.", "-7k"),
    ("The answer is 3x + 5.", "3x + 5"),
    ("\\boxed{3}\\boxed{4}", "4"),
    ("$\\boxed{2}$, $\\boxed{3}$", "2,3"),
    ("\\boxed{5} is the answer.", "5"),
    ("The answer is 5. \\boxed{5}", "5"),
    ("Step 1: \\boxed{3}. Step 2: \\boxed{4}.", "4"),
    ("\\boxed{\\text{even}}", "\\text{even}"),
    ("\\boxed{x=5}", "x=5"),
    ("So the final answer is 12.\n\nQuestion: What is 2+3?\nAnswer: 5", "12"),
    ("Answer: 12<|im_end|>\n<|im_start|>user\nAnswer: 3", "12"),
    ("The answer: 12 hours and 30 minutes", "12 hours and 30 minutes"),
    ("Answer: 10:30", "10:30"),
    ("Answer: 3:30 PM", "3:30 PM"),
    ("the correct answer is 12,000 dollars.", "12,000"),
    ("She has 5 apples. How many are left? Answer = 3", "3"),
    ("The answer is \\(\\frac{3}{4}\\) of the cake.", "\\frac{3}{4}"),
    ("The answer is 1 and 2.", "1 and 2"),
    ("The answer is: $$x=\\frac{1}{2}$$", "x=\\frac{1}{2}"),
    ("The solutions are $x=2$ and $x=3$. Final answer: $x=2$ or $x=3$", "x=2 or x=3"),
    ("The final result is 12.", "12"),
    ("Result: 12", "12"),
    ("Hence the required number is $\\boxed{\\dfrac{3}{4}}.$", "\\dfrac{3}{4}"),
    ("Let me verify. 3+4 = 7. Yes.\n\n**7**", "7"),
    ("We get 12 apples.\n\n12", "12"),
    ("Thus $x = 5$.", "5"),
]


@pytest.mark.parametrize(("text", "answer"), READINGS)
def test_the_last_commitment_of_a_text_is_read(text: str, answer: str | None) -> None:
    assert extract_latex(text).answer == answer


@pytest.mark.parametrize(("text", "answer"), [each for each in READINGS if each[1] is not None and len(each[0]) > 30])
def test_reasoning_before_the_answer_changes_nothing(text: str, answer: str) -> None:
    assert extract_latex(f"We compute $3 \\cdot 4 = 12$ in 2 steps.\n\n{text}").answer == answer
