"""Recognising out-of-memory errors, for the engines that run a model in the job."""

_NO_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "No available memory for the cache",
    "available KV cache memory",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` is an out-of-memory error of torch or vLLM: their types differ, so the message decides."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in _NO_MEMORY)
