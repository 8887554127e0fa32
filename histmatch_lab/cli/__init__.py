"""The `histmatch-lab` command; a module for each subcommand, imported when it is asked for."""

import importlib
from typing import Any

import click

# command -> its module; what needs torch or papermill is imported only by who asks for it
_MODULES = {
    "collect": "collect",
    "enhance": "enhance",
    "export": "export",
    "fetch": "fetch",
    "lecturer": "publish",
    "prepare": "prepare",
    "report": "publish",
    "site": "publish",
    "sweep": "sweep",
    "train": "train",
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return sorted(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> Any:  # noqa: ARG002
        if cmd_name not in _MODULES:
            return None
        module = importlib.import_module(f"histmatch_lab.cli.{_MODULES[cmd_name]}")
        return getattr(module, cmd_name)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="histmatch-lab", prog_name="histmatch-lab")
def app() -> None:
    """The histogram as a loss: a course and its library."""
