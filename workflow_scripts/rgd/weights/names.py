"""Names of the files that make up a model."""

import re

SNAPSHOT = re.compile(r"(?!consolidated)[^/]+\.(safetensors|json|txt|model|jinja|tiktoken)|[0-9]+_Pooling/config\.json")
"""The files of a whole repository that a model needs: weights, configuration, tokenizer; no code and no second copy of the
weights."""
