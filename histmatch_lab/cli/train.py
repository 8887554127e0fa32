"""`histmatch-lab train`: one training."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from rich.console import Console

from histmatch_lab.cli.shared import OUT, exit_codes
from histmatch_lab.recipe import Recipe
from histmatch_lab.training import progress
from histmatch_lab.training.distributed import fabric_as_launched
from histmatch_lab.training.harness import Training
from histmatch_lab.training.loop import TrainingError

_HELP = {
    "loss": "Terms, joined by +.",
    "lam": "Weight of the last term.",
    "bins": "Of the histogram.",
    "alpha": "Slope of its kernel.",
    "bandwidth": "Width of its kernel.",
    "units": "Of its distance: intensity, or bins as in Eq. 5.",
    "outside": "Where what leaves [0, 1] counts: clamp, reflect, or drop as in the paper.",
    "range": "Of its bins: unit, or centred on the 8-bit levels.",
    "network": "compact or paper, both HDRNet, or lut, with the preset study-lut or paper.",
    "crop": "Side of the training crops in pixels; 0 for whole pictures.",
    "preset": "The schedule: quick, study, study-lut or paper.",
    "epochs": "In place of the preset's; 0 for the preset's.",
    "seed": "Of the first weights and the batches.",
}


def _recipe_options(command: Callable[..., None]) -> Callable[..., None]:
    for name, text in reversed(_HELP.items()):
        default = getattr(Recipe(), name)
        command = click.option(f"--{name}", default=default, show_default=True, help=text)(command)
    return command


@click.command()
@click.argument("data", metavar="TASK|FOLDER")
@click.argument("out", type=OUT)
@_recipe_options
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="Of this process.  [default: one on a CPU, where more only wait for each other]",
)
def train(data: str, out: Path, threads: int | None, **options: Any) -> None:
    """Train a network, alone or as one of several processes; weights and scores go to OUT.

    TASK is one of the study's, such as tonemap or retouch, to be trained on whole pictures; FOLDER
    what `prepare` wrote. On several GPUs or machines, `torchrun` or `fabric run` starts the
    processes; each takes its part of every batch, and the result is the same up to rounding.

    May be stopped at any moment: the same command goes on where it was. Exits with 1 if training
    cannot go on, with 2 if nothing was begun, with 130 after Ctrl-C.
    """
    with exit_codes():
        recipe = Recipe(data=data, **options)
        _refuse_unused(recipe.options)
        fabric = fabric_as_launched()
        training = Training(recipe, out, fabric=fabric, threads=threads)
    first = fabric.is_global_zero
    if not first:  # an interrupt is the first process's, which has the state to write
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    with exit_codes(TrainingError):  # also another run's folder, a batch that cannot be shared
        progress.run(training.steps(), Console(stderr=True, quiet=not first))
    if not training.finished:
        raise click.exceptions.Exit(130)
    if not first:
        return
    click.echo(f"Weights in {out / 'weights.safetensors'}")
    if training.pairs.test_pairs():
        result = training.result()
        result.write(out)
        score = f"PSNR {result.summary.psnr:.2f} dB"
        click.echo(f"{score} on the test pictures; more in {out / 'result.json'}")


def _refuse_unused(options: dict[str, Any]) -> None:
    """Raises ValueError for an option of the histogram that was given to a loss without one."""
    context = click.get_current_context()
    for name in ("lam", "bins", "alpha", "bandwidth", "units", "outside", "range"):
        given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if given and name not in options:
            raise ValueError(f"--{name} must be left out: this loss has none")
