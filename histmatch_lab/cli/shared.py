"""What the commands share: kinds of arguments, and the exit of what cannot be."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
OUT = click.Path(file_okay=False, path_type=Path)


@contextmanager
def usage_errors() -> Iterator[None]:
    """What the block says cannot be, such as an option's value, ends the command with 2."""
    try:
        yield
    except (ValueError, FileNotFoundError, ModuleNotFoundError) as problem:
        raise click.UsageError(str(problem)) from None
