"""What the commands share: kinds of arguments, an option, and the exit of what cannot be."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
OUT = click.Path(file_okay=False, path_type=Path)
jobs_option = click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="How many notebooks run at a time.",
)


@contextmanager
def exit_codes(failure: type[Exception] = OSError) -> Iterator[None]:
    """What the block says cannot be, such as an option's value, ends with 2, Ctrl-C with 130.

    A full disk and the like end with 1, and so does what else is a `failure`.
    """
    try:
        yield
    except (ValueError, FileNotFoundError, ModuleNotFoundError) as problem:
        raise click.UsageError(str(problem)) from None
    except (OSError, failure) as problem:
        raise click.ClickException(str(problem)) from None
    except KeyboardInterrupt:
        click.echo("Stopped: what was finished is kept; the same command goes on from there.")
        raise click.exceptions.Exit(130) from None
