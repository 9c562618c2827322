"""Task ``algebra``: equations, polynomials, derivatives, integrals, limits, determinants, by sympy."""

from typing import Any

import numpy as np

from rgd.datasets.quickstart.drafts import Draft, choose, three_of, whole


def show(expression: Any) -> str:
    """As on paper: ``x^2``, ``3*x``."""
    return str(expression).replace("**", "^")


def coefficient(rng: np.random.Generator, size: int = 9) -> int:
    """A whole number other than 0."""
    return choose(rng, [number for number in range(-size, size + 1) if number])


def _wrong(rng: np.random.Generator, question: str, answer: Any, mistakes: list[Any]) -> Draft | None:
    """A draft unless a mistake equals the answer; fewer than three different ones are filtered by the caller."""
    import sympy

    distinct = [mistake for mistake in mistakes if sympy.expand(mistake - answer) != 0]
    return Draft(question, show(answer), three_of(rng, show(answer), [show(mistake) for mistake in distinct]))


def linear(rng: np.random.Generator) -> Draft:
    """One unknown on both sides; a wrong sign as distractors."""
    root, left, right = coefficient(rng, 12), whole(rng, 2, 12), whole(rng, -9, 9)
    left += left == right
    constant = whole(rng, -20, 20)
    total = left * root + constant - right * root
    equation = f"{left}*x + ({constant}) = {right}*x + ({total})" if right else f"{left}*x + ({constant}) = {total}"
    wrong = [-root, root + 1, root - 1, root + 2, root - 2]
    wording = choose(rng, ("Solve for x: {}", "For which x does {} hold?"))
    return Draft(
        wording.format(equation), f"x = {root}", three_of(rng, f"x = {root}", [f"x = {number}" for number in wrong])
    )


def system(rng: np.random.Generator) -> Draft | None:
    """Two equations in x and y."""
    x, y, a, b, c, d = (coefficient(rng, 7) for _ in range(6))
    if a * d == b * c or x == y:
        return None
    pairs = [(y, x), (x, -y), (-x, y), (x + 1, y), (x, y - 1), (x - 1, y + 1)]
    wording = f"Solve the system {a}*x + ({b})*y = {a * x + b * y} and {c}*x + ({d})*y = {c * x + d * y}."
    return Draft(
        wording,
        f"x = {x}, y = {y}",
        three_of(rng, f"x = {x}, y = {y}", [f"x = {one}, y = {two}" for one, two in pairs]),
    )


def expand(rng: np.random.Generator) -> Draft | None:
    """A product of two brackets."""
    import sympy

    x = sympy.Symbol("x")
    a, b, c, d = whole(rng, 1, 5), coefficient(rng), whole(rng, 1, 5), coefficient(rng)
    answer = sympy.expand((a * x + b) * (c * x + d))
    mistakes = [
        a * c * x**2 + b * d,
        answer - 2 * b * d,
        answer + a * d * x,
        sympy.expand((a * x - b) * (c * x + d)),
        sympy.expand((a * x + b) * (c * x - d)),
    ]
    wording = choose(rng, ("Expand ({}) * ({}).", "Which polynomial equals ({})({})?"))
    return _wrong(rng, wording.format(show(a * x + b), show(c * x + d)), answer, mistakes)


def factorise(rng: np.random.Generator) -> Draft:
    """A monic quadratic into brackets; wrong signs and wrong pairs as distractors."""
    import sympy

    x = sympy.Symbol("x")
    one, two = coefficient(rng), coefficient(rng)
    polynomial = sympy.expand((x + one) * (x + two))

    def brackets(first: int, second: int) -> str:
        low, high = sorted((first, second))
        return f"(x {low:+d})(x {high:+d})".replace("+", "+ ").replace("-", "- ")

    answer = brackets(one, two)
    pairs = [(-one, -two), (one, -two), (-one, two), (one + 1, two - 1), (one * two, 1), (one - 1, two + 1)]
    sound = [pair for pair in pairs if 0 not in pair]
    return Draft(
        f"Factor {show(polynomial)} over the integers.",
        answer,
        three_of(rng, answer, [brackets(*pair) for pair in sound]),
    )


def derivative(rng: np.random.Generator) -> Draft | None:
    """Polynomials, sine, exponential, products; forgotten rules as distractors."""
    import sympy

    x = sympy.Symbol("x")
    a, b, n = coefficient(rng, 6), whole(rng, 2, 6), whole(rng, 2, 5)
    function, mistakes = choose(
        rng,
        (
            (
                a * x**n + b * x**2 - x,
                [
                    a * x ** (n - 1) + b * x - 1,
                    a * n * x ** (n - 1) + 2 * b * x,
                    a * n * x**n + 2 * b * x - 1,
                    a * (n - 1) * x ** (n - 1) + 2 * b * x - 1,
                ],
            ),
            (
                a * sympy.sin(b * x),
                [a * sympy.cos(b * x), -a * b * sympy.cos(b * x), a * b * sympy.sin(b * x), -a * b * sympy.sin(b * x)],
            ),
            (
                a * sympy.exp(b * x),
                [a * sympy.exp(b * x), b * sympy.exp(b * x), a * b * x * sympy.exp(b * x), sympy.exp(b * x)],
            ),
            (
                a * x**n * sympy.exp(x),
                [
                    a * n * x ** (n - 1) * sympy.exp(x),
                    a * x**n * sympy.exp(x),
                    a * n * x ** (n - 1) + sympy.exp(x),
                    a * x ** (n + 1) * sympy.exp(x),
                ],
            ),
            (
                a * sympy.log(x) + x**n,
                [a / x + x ** (n - 1), a * x + n * x ** (n - 1), a / x**2 + n * x ** (n - 1), 1 / x + n * x ** (n - 1)],
            ),
        ),
    )
    wording = choose(rng, ("What is the derivative of {} with respect to x?", "Differentiate f(x) = {}."))
    return _wrong(rng, wording.format(show(function)), sympy.diff(function, x), mistakes)


def integral(rng: np.random.Generator) -> Draft:
    """A definite integral of a polynomial with a whole result."""
    import sympy

    x = sympy.Symbol("x")
    a, b, top = whole(rng, 1, 4), coefficient(rng, 6), whole(rng, 2, 5)
    function = 3 * a * x**2 + 2 * b * x
    answer = int(sympy.integrate(function, (x, 0, top)))
    wrong = [int(function.subs(x, top)), answer + top, answer - a, answer + 2 * b, a * top**2 + b * top]
    texts = [str(number) for number in wrong]
    return Draft(
        f"What is the integral of {show(function)} from x = 0 to x = {top}?",
        str(answer),
        three_of(rng, str(answer), texts),
    )


def determinant(rng: np.random.Generator) -> Draft:
    """A 2 by 2 determinant; plus instead of minus as a distractor."""
    a, b, c, d = (coefficient(rng) for _ in range(4))
    answer = a * d - b * c
    wrong = [a * d + b * c, b * c - a * d, a * b - c * d, a * c - b * d, answer + 2]
    return Draft(
        f"What is the determinant of the matrix [[{a}, {b}], [{c}, {d}]]?",
        str(answer),
        three_of(rng, str(answer), [str(number) for number in wrong]),
    )


def substitute(rng: np.random.Generator) -> Draft:
    """The value of a polynomial at a negative or positive place."""
    import sympy

    x = sympy.Symbol("x")
    a, b, c, place = coefficient(rng, 5), coefficient(rng, 7), coefficient(rng, 9), coefficient(rng, 5)
    polynomial = a * x**2 + b * x + c
    answer = int(polynomial.subs(x, place))
    wrong = [
        int(polynomial.subs(x, -place)),
        a * place + b * place + c,
        -a * place**2 + b * place + c,
        answer + 2 * c,
        answer - 10,
    ]
    return Draft(
        f"If f(x) = {show(polynomial)}, what is f({place})?",
        str(answer),
        three_of(rng, str(answer), [str(number) for number in wrong]),
    )


KINDS = (linear, system, expand, factorise, derivative, integral, determinant, substitute)
