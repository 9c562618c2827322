"""The worker process of rgd.answers.equality: reads a pair of answers per line as JSON and writes 1 or 0, until its input ends."""

import json
import sys
from functools import lru_cache
from typing import Any

MODULE = "rgd.answers.comparing"
READY = b"ready\n"
_MEMORY_BYTES = 4 << 30


def main() -> None:
    """Compare until the input ends."""
    import logging
    import resource

    # Astronomically large numbers would fill the machine's memory before the time limit.
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    from math_verify import parse, verify

    logging.disable(logging.CRITICAL)

    @lru_cache(maxsize=4096)
    def parsed(text: str) -> Any:
        return parse(f"${text}$", parsing_timeout=0)

    # Libraries may print to stdout; only this stream carries results.
    answers, sys.stdout = sys.stdout, sys.stderr
    answers.write(READY.decode())
    answers.flush()
    for line in sys.stdin:
        truth, answer = json.loads(line)
        try:
            equal = bool(verify(parsed(truth), parsed(answer), timeout_seconds=0))
        except Exception:  # noqa: BLE001  a text that fails in any way equals no other answer
            equal = False
        print("1" if equal else "0", file=answers, flush=True)


if __name__ == "__main__":
    main()
