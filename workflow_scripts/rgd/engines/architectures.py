"""Configurations of models that vLLM can run but transformers does not know; imported only together with vLLM.

Their repositories ship the configuration as Python code, which would run with the job's permissions. vLLM needs only a
few numbers of ``config.json``, so the class is defined here instead.
"""

from typing import ClassVar

from transformers import AutoConfig, PreTrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING


class ExaoneConfig(PreTrainedConfig):
    """EXAONE 3.0 and 3.5: a Llama with other parameter names."""

    model_type = "exaone"
    attribute_map: ClassVar[dict[str, str]] = {"num_hidden_layers": "num_layers"}


def register() -> None:
    """Register these configurations with transformers; a version that already knows one keeps its own."""
    for config in (ExaoneConfig,):
        if config.model_type not in CONFIG_MAPPING:
            AutoConfig.register(config.model_type, config)
