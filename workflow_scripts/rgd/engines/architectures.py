"""Configurations of models that vLLM can run and transformers does not know; imported where vLLM is.

Their repositories carry such a configuration as Python code, which would have to be run with the rights of the job. What
vLLM reads of it are a few numbers of ``config.json``, so it is written down here.
"""

from typing import ClassVar

from transformers import AutoConfig, PreTrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING


class ExaoneConfig(PreTrainedConfig):
    """EXAONE 3.0 and 3.5: a Llama whose parts have other names."""

    model_type = "exaone"
    attribute_map: ClassVar[dict[str, str]] = {"num_hidden_layers": "num_layers"}


def register() -> None:
    """Make transformers read the ``config.json`` of these models; a version that knows one keeps its own."""
    for config in (ExaoneConfig,):
        if config.model_type not in CONFIG_MAPPING:
            AutoConfig.register(config.model_type, config)
