"""Snakemake's logger plugin ``rgd``; Snakemake imports every plugin that it finds, also where another version's code runs."""

from snakemake_interface_logger_plugins.base import LogHandlerBase

try:
    from snakemake_logger_plugin_rgd.handler import LogHandler as LogHandler
except ModuleNotFoundError as missing:
    if not str(missing.name).startswith("rgd"):
        raise

    class LogHandler(LogHandlerBase):  # type: ignore[no-redef]
        """Stands for the plugin where the code on the path is of a version without it, whose profiles do not name it."""
