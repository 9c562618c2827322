"""The worker process of rgd.answers.equality: reads a pair of answers per line as JSON and writes 1 or 0, until its input ends."""

import json
import sys
from functools import lru_cache
from typing import Any

MODULE = "rgd.answers.comparing"
READY = b"ready\n"
_MEMORY_BYTES = 4 << 30
_SMALL, _RELATIVE = 1e-3, 1e-3


def main() -> None:
    """Compare until the input ends."""
    import logging
    import resource

    # Astronomically large numbers would fill the machine's memory before the time limit.
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    from math_verify import parse, verify

    logging.disable(logging.CRITICAL)

    @lru_cache(maxsize=4096)
    def parsed(text: str) -> list[Any]:
        found = parse(f"${text}$", parsing_timeout=0)
        # The library parses what comes before an error. Such an answer equals only itself.
        return found if found and _is_whole(str(found[-1])) else [text]

    # Libraries may print to stdout; only this stream carries results.
    answers, sys.stdout = sys.stdout, sys.stderr
    answers.write(READY.decode())
    answers.flush()
    for line in sys.stdin:
        truth, answer = json.loads(line)
        try:
            first, second = parsed(truth), parsed(answer)
            equal = bool(verify(first, second, timeout_seconds=0)) and not _are_small_and_different(first[0], second[0])
        except Exception:  # noqa: BLE001  a text that fails in any way equals no other answer
            equal = False
        print("1" if equal else "0", file=answers, flush=True)


def _is_whole(text: str) -> bool:
    """Whether the library's grammar covers ``text``, or what follows its last equals sign, without an error."""
    from antlr4 import CommonTokenStream, InputStream
    from latex2sympy2_extended.latex2sympy2 import PSLexer, PSParser

    def errors(part: str) -> int:
        lexer = PSLexer(InputStream(part))
        lexer.removeErrorListeners()
        parser = PSParser(CommonTokenStream(lexer))
        parser.removeErrorListeners()
        parser.math()
        return int(parser.getNumberOfSyntaxErrors())

    return errors(text) == 0 or ("=" in text and errors(text.rpartition("=")[2]) == 0)


def _are_small_and_different(first: Any, second: Any) -> bool:
    """Whether two numbers are too small for the library's comparison, by decimals, and differ by more than a thousandth."""
    from sympy import Expr

    if not all(isinstance(value, Expr) and value.is_number for value in (first, second)):
        return False
    # More digits than the library takes, and no small number is taken for zero.
    one, other = (value.doit().evalf(30) for value in (first, second))
    larger = max(abs(one), abs(other))
    return bool(0 < larger < _SMALL and abs(one - other) > _RELATIVE * larger)


if __name__ == "__main__":
    main()
