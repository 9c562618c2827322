"""Reading letters: a table of texts as models write them, with the answer that a careful person reads in each."""

import math

import pytest

from rgd.answers.extraction import SEVERAL, Choice, Extraction, choose, extract, official

OPTIONS = ["iron", "copper", "silver", "gold"]

TEXTS: list[tuple[str, str | None]] = [
    ("The final answer is (C).", "C"),
    ("Final answer: **C**", "C"),
    ("**Final Answer**\n\nC", "C"),
    ("### Final Answer\n\n**(C) silver**", "C"),
    ("## Answer\nC", "C"),
    ("Answer - C", "C"),
    ("Answer → C", "C"),
    ("answer: c", "C"),
    ("Ans: C", "C"),
    ("Ans. (C)", "C"),
    ("The answer: option C", "C"),
    ("The best answer is therefore C.", "C"),
    ("The most likely answer is (C) silver.", "C"),
    ("The answer to this question is C, silver.", "C"),
    ("The correct option would be (C).", "C"),
    ("Correct option: C", "C"),
    ("Option C is the correct answer.", "C"),
    ("So C is the correct one, as silver conducts best.", "C"),
    ("(C) is correct.", "C"),
    ("C is correct.", "C"),
    ("Therefore, option C is correct.", "C"),
    ("My answer is C.", "C"),
    ("I would choose C.", "C"),
    ("I choose (C).", "C"),
    ("I'd go with C.", "C"),
    ("Let me pick C", "C"),
    ("Hence C.", "C"),
    ("Thus, (C).", "C"),
    ("So the answer must be C!", "C"),
    ("The answer is $\\mathbf{C}$.", "C"),
    ("The answer is \\(\\boxed{C}\\).", "C"),
    ("$$\\boxed{\\textbf{(C) }silver}$$", "C"),
    ("\\boxed{C: silver}", "C"),
    ("\\boxed{\\mathrm{C}}", "C"),
    ("\\boxed{Option C}", "C"),
    ("\\fbox{C}", "C"),
    ("\\boxed{c}", "C"),
    ("\\boxed{silver}", "C"),
    ("<answer>C</answer>", "C"),
    ("<answer>\nC. silver\n</answer>", "C"),
    ("<final_answer>C</final_answer>", "C"),
    ("[ANSWER] C", "C"),
    ("[[C]]", "C"),
    ("[Answer: C]", "C"),
    ('{"reasoning": "A is wrong", "answer": "C"}', "C"),
    ('```json\n{"answer": "C"}\n```', "C"),
    ("{'answer': 'C. silver'}", "C"),
    ('{"final_answer": "C", "confidence": 0.9}', "C"),
    ('{"choice": "C"}', "C"),
    ('{"answer": "silver"}', "C"),
    ('{"answer":"c"}', "C"),
    ('{"correct_option": "C"}', "C"),
    ('{"answer": "C", "explanation": "A is not a metal"}', "C"),
    ('Action: Answer("C")', "C"),
    ("Action: Finish[C]", "C"),
    ("submit('C')", "C"),
    ("answer(C)", "C"),
    ("C", "C"),
    ("(C)", "C"),
    ("C.", "C"),
    ("**C**", "C"),
    ("C) silver", "C"),
    ("c", "C"),
    ("c. silver", "C"),
    ("`C`", "C"),
    ("Option C", "C"),
    ("C: silver\n\nSilver conducts best of all metals.", "C"),
    ("silver", "C"),
    ("Silver.", "C"),
    ("**Silver**", "C"),
    ("Silver conducts best.\n\nC", "C"),
    ("Silver conducts best.\n\n**C. silver**", "C"),
    ("Silver conducts best.\n(C)", "C"),
    ("It is not (A), since iron rusts. The answer is not (B) either.", None),
    ("The answer is not A but C.", "C"),
    ("The answer cannot be (B).", None),
    ("The answer isn't B.", None),
    ("I don't think the answer is B.", None),
    ("If the answer were B, copper would rust. The answer is C.", "C"),
    ("The answer is C, not B.", "C"),
    ("The answer is C rather than B.", "C"),
    ("The answer is C (not B).", "C"),
    ("The answer is (C). The answer is not (B).", "C"),
    ("The correct answer is C. Option B is incorrect because copper is red.", "C"),
    ("A and C are both right, so the answer is A and C.", SEVERAL),
    ("Answer: A, C", SEVERAL),
    ("Answer: A & C", SEVERAL),
    ("The answers are A and C.", SEVERAL),
    ("\\boxed{A, C}", SEVERAL),
    ("\\boxed{AC}", SEVERAL),
    ("Answer: A/C", SEVERAL),
    ("The answer is both A and C.", SEVERAL),
    ("The answer is either (A) or (C).", SEVERAL),
    ("Answer: (A) iron and (C) silver", SEVERAL),
    ("Answer: A、C", SEVERAL),
    ("答案：AC", SEVERAL),
    ("答案是A和C。", SEVERAL),
    ("The answer is A or C, but I would say C. The answer is C.", "C"),
    ("The answer is a metal.", None),
    ("The answer is A metal such as silver.", "C"),
    ("The answer is I think C.", "C"),
    ("Is the answer (B)? No: the answer is (C).", "C"),
    ("Is the answer B? It may be.", None),
    ("The vitamin is C and the metal is silver. Answer: B", "B"),
    ("答案是C。", "C"),
    ("答案：C", "C"),
    ("【答案】C", "C"),
    ("正确答案为C", "C"),
    ("正确选项是C。", "C"),
    ("因此选C。", "C"),
    ("故选：C", "C"),
    ("本题选C", "C"),
    ("所以答案应该是选项C", "C"),
    ("选项C是正确的。", "C"),
    ("综上所述，C选项正确。", "C"),
    ("正确答案：C. 银", "C"),
    ("答案不是B，而是C。", None),
    ("正解はCです。", "C"),
    ("答えはCです。", "C"),
    ("答え：C", "C"),
    ("したがって、正解は（C）である。", "C"),
    ("Cが正解です。", "C"),
    ("정답은 C입니다.", "C"),
    ("정답: C", "C"),
    ("따라서 답은 (C)이다.", "C"),
    ("정답은 ③입니다", "C"),
    ("C가 정답입니다.", "C"),
    ("Ответ: C", "C"),
    ("Правильный ответ — C.", "C"),
    ("Правильный ответ: С", "C"),
    ("Верный ответ — (C).", "C"),
    ("Die Antwort lautet C.", "C"),
    ("Antwort: (C)", "C"),
    ("Die korrekte Antwort ist daher C.", "C"),
    ("Option C ist richtig.", "C"),
    ("Lösung: C", "C"),
    ("La bonne réponse est la C.", "C"),
    ("Réponse : C", "C"),
    ("La réponse correcte est C.", "C"),
    ("Donc la réponse est (C).", "C"),
    ("La réponse est A.", "A"),
    ("La respuesta correcta es la C.", "C"),
    ("Respuesta: C", "C"),
    ("La opción correcta es C.", "C"),
    ("La respuesta correcta es la opción C) plata.", "C"),
    ("La opción C es correcta.", "C"),
    ("A resposta correta é a letra C.", "C"),
    ("Resposta: C", "C"),
    ("La risposta corretta è la C.", "C"),
    ("Het juiste antwoord is C.", "C"),
    ("Đáp án: C", "C"),
    ("Jawaban: C", "C"),
    ("The answer is 3.", "C"),
    ("Answer: 3", "C"),
    ("Option 3", "C"),
    ("The correct option is 3.", "C"),
    ("The answer is (3).", "C"),
    ("3", "C"),
    ("Option 3 is correct.", "C"),
    ("The answer is (C).\n\nQuestion: Which is a gas?\nA. ...\nThe answer is (A).", "C"),
    ("C\n\nQ: What is 2+2?\nAnswer: A", "C"),
    ("Answer: C</s>Answer: A", "C"),
    ("Answer: C<|im_end|>\n<|im_start|>user\nThe answer is A", "C"),
    ("Question: Which metal?\nOptions: A. iron B. copper\nAnswer: C", "C"),
    ("A. iron\nB. copper\nC. silver\nD. gold", None),
    ("Options:\nA. iron\nB. copper\nC. silver\nD. gold\n\nAnswer: C", "C"),
    ("The answer choices are A, B, C and D.", None),
    ("P(A) = 0.3 and P(B) = 0.5", None),
    ("I cannot answer this question.", None),
    ("As an AI, I cannot help.", None),
    ("", None),
    ("A good question!", None),
    ("This matches option (C).", "C"),
    ("which corresponds to choice C.", "C"),
    ("Silver conducts best, which is option C.", "C"),
    ('The answer is "C".', "C"),
    ("The answer is 'C'.", "C"),
    ("The answer is «C».", "C"),
    ("The answer is __C__", "C"),
    ("The answer is <b>C</b>", "C"),
    ("The answer is:\n\n- C", "C"),
    ("The answer is (C) because A and B are wrong.", "C"),
    ("Answer: C\nA: wrong\nB: wrong\nD: wrong", "C"),
    ("Answer: C\n\nA is incorrect because iron rusts. B is correct in dry air, yet C is better.", "C"),
    ("The best conductor is silver.", "C"),
    ("So the best conductor among these is silver (C).", "C"),
    ("FINAL ANSWER: C", "C"),
    ("**FINAL ANSWER: C**", "C"),
    ("Final answer C", "C"),
    ("The answer is C", "C"),
    ("Answer C", "C"),
    ("#### C", "C"),
    ("The user suggested the answer is (B). But it is silver.\n\nFINAL ANSWER: C", "C"),
    ("The answer is ACE inhibitors.", None),
    ("The answer is AC.", SEVERAL),
    ("answer is DNA", None),
    ("Statement B is correct. Statement C is correct.", None),
    ("The answer is E.", None),
    ("The answer is B.C. 300", None),
    ("Ich wähle C.", "C"),
    ("Je choisis C.", "C"),
    ("Elijo C.", "C"),
    ("我选C", "C"),
    ("選C", "C"),
    ("答案為 (C)", "C"),
    ("The incorrect statement is C.", "C"),
    ("The answer is: (C)", "C"),
    ("Answer is C", "C"),
    ("Correct answer: B\n\nReasons against the others: (A) rusts, (C) tarnishes.", "B"),
    ("Thus the correct answer is C) silver, and not A) iron.", "C"),
    ("The answer would be C, I believe.", "C"),
    ("I'm confident that the answer is C", "C"),
    ("It's C.", "C"),
    ("It is (C).", "C"),
    ("Definitely C.", "C"),
    ("C, because silver conducts best.", "C"),
    ("C - silver", "C"),
]


def read(text: str, options: list[str] | None = None) -> str | None:
    found = extract(text, "ABCD", options)
    return SEVERAL if found.rule == SEVERAL else found.answer


@pytest.mark.parametrize(("text", "answer"), TEXTS)
def test_the_last_commitment_of_a_text_is_read(text: str, answer: str | None) -> None:
    assert read(text, OPTIONS) == answer


@pytest.mark.parametrize(("text", "answer"), TEXTS)
def test_without_the_options_the_same_letter_is_read_or_none(text: str, answer: str | None) -> None:
    assert read(text) in (answer, None)


@pytest.mark.parametrize(
    ("text", "answer", "rule"),
    [
        ("So 3 of them. The answer is (B)", "B", "answer_is"),
        (r"The answer is $\boxed{\text{A}}$", "A", "answer_is"),
        ("(B) is the correct answer.", "B", "is_the_answer"),
        (r"Hence \boxed{B} and not (C)", "B", "boxed"),
        (r"Hence \boxed{(A)}, \boxed{D}, \boxed{12}", "D", "boxed"),
        ("C. The leaves are dry.\n", "C", "label"),
        ("I pick B", "B", "chosen"),
        ("It has no charge, hence C.", "C", "hence"),
        ("Of the two, (B) is correct.", "B", "is_correct"),
        ("The value fits option (D).", "D", "parenthesised"),
        ("This matches option (D) best.", "D", "names_option"),
        ("The answer is (A). Strictly, the answer is unclear.", "A", "answer_is"),
        ("The answer is BD. No: the answer is (B)", "B", "answer_is"),
        ("The answer is (B). No: the answer is BD", None, "several_letters"),
        ("Either (A) or (C).", None, "none"),
        ("The answer is Canada", None, "none"),
        ("f(x) = (F)", None, "none"),
        ("A succulent", None, "none"),
        ("A.D. 300", None, "none"),
        ("F. Something", None, "none"),
        ("", None, "none"),
    ],
)
def test_an_answer_says_which_rule_read_it(text: str, answer: str | None, rule: str) -> None:
    assert extract(text, "ABCD") == Extraction(answer, rule)


def test_only_letters_of_the_question_count() -> None:
    assert extract("The answer is (J)", "ABCDEFGHIJ").answer == "J"
    assert extract("The answer is (J)", "ABCDEFGHI").answer is None


@pytest.mark.parametrize("letters", ["ABCD", "ABCDEFGHIJ", "ABCDEFGHIJKLMNOP"])
def test_every_letter_is_read_as_a_label_and_articles_and_pronouns_are_not(letters: str) -> None:
    for letter in letters:
        for text in (f"The answer is ({letter}).", f"Answer: {letter}", f"**{letter}**", f"\\boxed{{{letter}}}"):
            assert extract(text, letters).answer == letter
    for text in ("The answer is I do not know.", "The answer is A strange one.", "I think that A man is wrong."):
        assert extract(text, letters).answer is None


def test_a_number_is_an_options_text_where_options_are_numbers() -> None:
    assert read("The answer is 3.", ["3", "4", "5", "6"]) == "A"
    assert read("The answer is 3.", ["1 m", "2 m", "5 m", "7 m"]) is None
    assert read(r"So \boxed{0.5}", ["0.05", "0.5", "5", "50"]) == "B"
    assert read("The answer is option 3.", ["10", "20", "30", "40"]) == "C"


def test_a_text_that_begins_with_a_letter_is_told_from_a_label() -> None:
    assert read("The answer is A lower dose.", ["A higher dose", "No dose", "A lower dose", "Another"]) == "C"
    assert read("The answer is AD.", ["PD", "AD", "MS", "ALS"]) == "B"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is (B).", "B"),
        ("Answer: B\n\nThis is so because the cells divide and", "B"),
        ("So the answer is (B). But wait, that ignores the", None),
        ("Option (B) looks right, and (C) has the wrong", None),
        ("It may be (B)", None),
        ("The answer is (B).\n\nQuestion: What is", "B"),
    ],
)
def test_of_a_text_that_is_cut_off_only_an_undoubted_commitment_counts(text: str, answer: str | None) -> None:
    found = extract(text, "ABCD", cut_off=True)
    assert found.answer == answer
    assert (found.rule == "cut_off") == (answer is None)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is (B). No: the answer is (C).", "B"),
        ("the answer is C", "C"),
        ("Answer: D", "D"),
        ("It is B, or rather C", "C"),
        ("The answer is B and C", "B"),
        ("The answer is (J)", None),
        ("I cannot say", None),
        ("nothing", None),
    ],
)
def test_the_official_reader_takes_the_first_cue_or_the_last_capital(text: str, answer: str | None) -> None:
    assert official(text, "ABCD").answer == answer


def test_the_first_of_equals_is_chosen() -> None:
    assert choose([-3.0, -1.0, -1.0]) == Choice("B", -1.0)


def test_scores_that_are_no_numbers_never_win() -> None:
    assert choose([math.nan, -9.0, math.inf, -math.inf]) == Choice("B", -9.0)
    assert choose([math.nan, -math.inf]) == Choice(None, None)
