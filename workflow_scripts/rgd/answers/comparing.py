"""The process that compares answers for rgd.answers.equality: reads a pair in JSON a line, writes 1 or 0 a line, until its input ends."""

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

    # Numbers of astronomic size would fill the machine's memory before the time is over.
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    from math_verify import parse, verify

    logging.disable(logging.CRITICAL)

    @lru_cache(maxsize=4096)
    def parsed(text: str) -> Any:
        return parse(f"${text}$", parsing_timeout=0)

    # Some library may print; only what is written here is an answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    answers.write(READY.decode())
    answers.flush()
    for line in sys.stdin:
        truth, answer = json.loads(line)
        try:
            equal = bool(verify(parsed(truth), parsed(answer), timeout_seconds=0))
        except Exception:  # noqa: BLE001  whatever a strange text brings about, it is an answer of its own
            equal = False
        print("1" if equal else "0", file=answers, flush=True)


if __name__ == "__main__":
    main()
