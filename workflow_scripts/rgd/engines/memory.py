"""What the engines that run a model in the job share where its memory does not suffice."""

_NO_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "No available memory for the cache",
    "available KV cache memory",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` is torch's or vLLM's way to say that the memory does not suffice: types differ, words do not."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in _NO_MEMORY)
