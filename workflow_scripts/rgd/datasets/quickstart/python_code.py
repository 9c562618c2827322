"""Task ``python``: what a Python expression or a short program evaluates to; every value is computed by Python itself."""

import numpy as np

from rgd.datasets.quickstart.drafts import Draft, choose, sample, three_first, three_of, whole

WORDS = (
    "planet",
    "silver",
    "garden",
    "window",
    "python",
    "bridge",
    "market",
    "rocket",
    "candle",
    "forest",
    "guitar",
    "violet",
)
BUILTINS = {"len": len, "sorted": sorted, "sum": sum, "range": range, "list": list, "set": set, "max": max, "min": min, "zip": zip,
            "dict": dict, "int": int, "str": str, "bool": bool, "round": round, "enumerate": enumerate, "reversed": reversed, "any": any,
            "all": all, "map": map, "filter": filter, "abs": abs, "divmod": divmod, "tuple": tuple, "type": type, "bin": bin}  # fmt: skip


def value(source: str) -> str:
    """The ``repr`` of an expression of this module's own making."""
    return repr(eval(source, {"__builtins__": BUILTINS}))


def ask(rng: np.random.Generator, source: str, wrong: list[str], shuffle: bool = True) -> Draft:
    """A draft about one expression."""
    answer = value(source)
    wording = choose(
        rng,
        (
            "What does the Python expression {} evaluate to?",
            "In Python 3, what is the value of {}?",
            "Which result does Python 3 give for {}?",
        ),
    )
    return Draft(
        wording.format(source), answer, three_of(rng, answer, wrong) if shuffle else three_first(answer, wrong)
    )


def slices(rng: np.random.Generator) -> Draft:
    """String slices; one place off as distractors."""
    word, start, step = choose(rng, WORDS), whole(rng, -4, 3), choose(rng, (1, 2, -1, -2))
    wrong = [value(f"{word!r}[{start + shift}::{other}]") for shift in (-1, 0, 1) for other in (step, -step)]
    return ask(rng, f"{word!r}[{start}::{step}]", wrong)


def floors(rng: np.random.Generator) -> Draft:
    """Floor division and remainder of negative numbers; rounding towards zero as a distractor."""
    top, bottom = whole(rng, 5, 60), whole(rng, 2, 9)
    top, bottom = choose(rng, ((-top, bottom), (top, -bottom)))
    sign = choose(rng, ("//", "%"))
    number = int(value(f"{top} {sign} {bottom}"))
    wrong = [int(top / bottom), top - bottom * int(top / bottom), -number, number + 1, number - 1]
    return ask(rng, f"{top} {sign} {bottom}", [str(other) for other in wrong])


def comprehension(rng: np.random.Generator) -> Draft:
    """List comprehensions; a wrong end or condition as distractors."""
    stop, factor, test = whole(rng, 5, 9), whole(rng, 2, 4), whole(rng, 2, 3)
    source = "[{f} * n for n in range({s}) if n % {t} == {r}]"
    rest = whole(rng, 0, test - 1)
    wrong = [
        value(source.format(f=factor, s=stop + shift, t=test, r=remainder))
        for shift in (0, 1, -1, test)
        for remainder in (rest, (rest + 1) % test)
    ] + [value(f"[n for n in range({stop}) if n % {test} == {rest}]")]
    return ask(rng, source.format(f=factor, s=stop, t=test, r=rest), wrong)


def bits(rng: np.random.Generator) -> Draft:
    """Bit operators; the logical or arithmetic look-alike as distractors."""
    one, two = whole(rng, 3, 40), whole(rng, 2, 31)
    sign = choose(rng, ("&", "|", "^"))
    wrong = [value(f"{one} {other} {two}") for other in ("&", "|", "^", "+")] + [
        str(abs(one - two)),
        str(max(one, two)),
    ]
    return ask(rng, f"{one} {sign} {two}", wrong)


def logic(rng: np.random.Generator) -> Draft:
    """``and``, ``or`` and ``not`` return operands; booleans and the other operand as distractors."""
    one, two = (
        choose(rng, ("0", "''", "[]", "None", "3", "'a'", "[0]")),
        choose(rng, ("5", "'no'", "[]", "0", "False", "True")),
    )
    three = choose(rng, ("7", "'z'", "None", "{}"))
    source = choose(
        rng,
        (
            f"{one} or {two} and {three}",
            f"{one} and {two} or {three}",
            f"not {one} or {two}",
            f"({one} or {two}) and {three}",
        ),
    )
    return ask(rng, source, [value(text) for text in (one, two, three, "True", "False", "None")])


def methods(rng: np.random.Generator) -> Draft:
    """String methods."""
    one, two = sample(rng, WORDS, 2)
    text = f"{one} {two}"
    source, wrong = choose(
        rng,
        (
            (
                f"{text!r}.title()",
                [repr(text.capitalize()), repr(text.upper()), repr(text), repr(text.title().replace(" ", ""))],
            ),
            (
                f"{text!r}.capitalize()",
                [repr(text.title()), repr(text.upper()), repr(text), repr(f"{one} {two.capitalize()}")],
            ),
            (f"{text!r}.split()[-1][0]", [repr(one[0]), repr(two[-1]), repr(two), repr(one[-1])]),
            (f"{text!r}.find({two[:2]!r})", [str(len(one)), str(len(one) + 2), "-1", "0"]),
            (f"{text!r}.find('zz')", ["0", "None", "False", str(len(text))]),
            (f"len({text!r}.split('e'))", [str(text.count("e")), str(text.count("e") + 2), str(len(text)), "0"]),
            (f"{one!r}.replace({one[1]!r}, '')", [repr(one), repr(one[1:]), repr(one[2:]), repr(one[0])]),
            (
                f"{'-'.join(one)!r}.split('-')[2:4]",
                [repr([*one][1:4]), repr([*one][2:5]), repr([*one][1:3]), repr(one[2:4])],
            ),
            (
                f"'*'.join({one[:4]!r})",
                [repr(one[:4]), repr("*" + "*".join(one[:4])), repr("*".join(one[:4]) + "*"), repr(one[:4] + "*")],
            ),
        ),
    )
    return ask(rng, source, wrong, shuffle=False)


def containers(rng: np.random.Generator) -> Draft:
    """Sorting, sets, dictionaries, zip, enumerate."""
    numbers = [whole(rng, 1, 9) for _ in range(5)]
    distinct, ranked = list(dict.fromkeys(numbers)), sorted(numbers)
    source, wrong = choose(
        rng,
        (
            (f"len(set({numbers}))", [str(count) for count in (5, len(distinct) - 1, len(distinct) + 1, 4, 3)]),
            (f"sorted({numbers})[1]", [str(number) for number in (ranked[0], numbers[1], ranked[-2], ranked[2], 0)]),
            (
                f"sorted({numbers}, reverse=True)[:2]",
                [str(pair) for pair in (ranked[:2], ranked[-2:], numbers[:2], numbers[::-1][:2], ranked[1:3])],
            ),
            (
                f"{numbers}[-2:]",
                [str(part) for part in (numbers[:2], numbers[-2:][::-1], numbers[-3:-1], numbers[2:], numbers[-1:])],
            ),
            (
                f"sum({numbers}[1:4])",
                [str(sum(part)) for part in (numbers[1:5], numbers[:4], numbers[2:4], numbers[1:3], numbers)],
            ),
            (
                f"list(zip({numbers[:3]}, 'ab'))[-1]",
                [str(item) for item in ((numbers[2], "b"), (numbers[0], "a"), (numbers[1], "a"), ("b", numbers[1]))],
            ),
            (f"{numbers}.index({numbers[-1]})", [str(number) for number in (4, -1, 3, 5, 2, 1)]),
            (
                f"max({numbers}) - min({numbers})",
                [
                    str(number)
                    for number in (
                        ranked[-1],
                        ranked[-1] - ranked[1],
                        ranked[-2] - ranked[0],
                        ranked[0],
                        ranked[-1] + ranked[0],
                    )
                ],
            ),
            (
                f"{{'a': {numbers[0]}, 'b': {numbers[1]}}}.get('c', {numbers[2]})",
                [str(item) for item in (None, numbers[0], numbers[1], 0, 10)],
            ),
        ),
    )
    return ask(rng, source, wrong, shuffle=False)


def types(rng: np.random.Generator) -> Draft:
    """Types of results and conversions."""
    one, two = whole(rng, 2, 9), whole(rng, 2, 9)
    source, wrong = choose(
        rng,
        (
            (f"'{one}' * {two}", [str(one * two), repr(str(one * two)), repr(f"{two}" * one), str(one) * two]),
            (f"'{one}' + '{two}'", [str(one + two), repr(str(one + two)), repr(f"{two}{one}"), repr(f"{one} {two}")]),
            (f"{one * two} / {two}", [str(one), str(one + 1), repr(str(one)), f"{one}.{two}"]),
            (f"int('{one}{two}') + 1", [repr(f"{one}{two}1"), f"{one}{two}1", f"{one}{two}", f"{one + two + 1}"]),
            (f"int({one}.9{two})", [str(one + 1), f"{one}.9", f"{one}.0", str(-one)]),
            (f"{one} ** 2 ** 0", [str(one * one), "0", str(2 * one), "1"]),
            (f"-{one} ** 2", [str(one * one), str(-2 * one), str(2 * one), str(one - 2)]),
            (f"bool('{choose(rng, ('False', '0', ' ', ''))}')", ["None", "0", "1", "''", "True", "False"]),
            (f"{one} < {two} < {whole(rng, 1, 9)}", ["True", "False", "None", "1", "0"]),
            (f"round({one}.5)", [str(one), str(one + 1), f"{one}.0", f"{one}.5", str(one - 1)]),
            (
                f"[{one}] * {two % 4 + 2}",
                [str([one * (two % 4 + 2)]), str([one] * (two % 4 + 1)), str([one, two % 4 + 2]), str([[one]] * 2)],
            ),
        ),
    )
    return ask(rng, source, wrong, shuffle=False)


def loop(rng: np.random.Generator) -> Draft:
    """The final value of a variable after a loop; one turn more or fewer as distractors."""
    start, stop, step = whole(rng, 0, 5), whole(rng, 4, 8), whole(rng, 2, 5)
    body, run = choose(
        rng,
        (
            ("total += i", lambda total, i: total + i),
            (f"total += i * {step}", lambda total, i: total + i * step),
            ("total = total * 2 - i", lambda total, i: total * 2 - i),
            (f"if i % 2: total += {step}", lambda total, i: total + step * (i % 2)),
            ("total = i - total", lambda total, i: i - total),
        ),
    )

    def result(first: int, last: int) -> str:
        total = first
        for i in range(last):
            total = run(total, i)
        return str(total)

    answer = result(start, stop)
    wrong = [
        result(start, stop + 1),
        result(start, stop - 1),
        result(start + 1, stop),
        str(int(answer) + step),
        str(int(answer) - step),
        str(int(answer) + 1),
    ]
    return Draft(
        f"What does this Python program print?\ntotal = {start}\nfor i in range({stop}):\n    {body}\nprint(total)",
        answer,
        three_first(answer, wrong),
    )


KINDS = (slices, floors, comprehension, bits, logic, methods, containers, types, loop)
