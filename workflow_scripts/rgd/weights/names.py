"""Names of the files that make up a model."""

import re

DATA = re.compile(r"(?!adapter_)[^/]+\.(safetensors|json|txt|model|jinja|tiktoken)")
"""The files of a model that are data: weights, configuration, tokenizer. No code, no pickles, and no adapter, whose
configuration names another model to load."""

SNAPSHOT = re.compile(rf"(?!consolidated)(?=[A-Za-z0-9_.+-]+\Z){DATA.pattern}|[0-9]+_Pooling/config\.json")
"""The files of a whole repository that a model needs: weights, configuration, tokenizer; no code and no second copy of the
weights."""
