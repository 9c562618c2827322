"""What holds for all tests."""

import signal


def pytest_configure() -> None:
    """Let processes that tests start end on Ctrl-C, also where the tests run in the background, which ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
