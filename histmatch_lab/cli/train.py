"""`histmatch-lab train`: one training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from histmatch_lab.cli.types import OUT

if TYPE_CHECKING:
    from histmatch_lab.training.harness import Training

_HELP = {
    "loss": "Terms, joined by +.",
    "lam": "Weight of the last term.",
    "bins": "Of the histogram.",
    "alpha": "Slope of its kernel.",
    "bandwidth": "Width of its kernel.",
    "units": "Of its distance: intensity, or bins as in Eq. 5.",
    "outside": "Where what leaves [0, 1] counts: clamp, reflect, or drop as in the paper.",
    "network": "compact or paper.",
    "crop": "Side of the training crops in pixels.",
    "preset": "The schedule: quick, classroom or paper.",
    "epochs": "In place of the preset's; 0 for the preset's.",
    "seed": "Of the first weights and the batches.",
}


class _RecipeOptions(click.Command):
    """With an option for each field of Recipe, looked up when needed: its import takes seconds."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        from histmatch_lab.recipe import Recipe

        usual = vars(Recipe())
        options = [
            click.Option([f"--{name}"], default=usual[name], show_default=True, help=text)
            for name, text in _HELP.items()
        ]
        return [*options, *super().get_params(ctx)]


@click.command(cls=_RecipeOptions)
@click.argument("data", metavar="EXPERT|FOLDER")
@click.argument("out", type=OUT)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="Of this process.  [default: one on a CPU, where more only wait for each other]",
)
def train(data: str, out: Path, threads: int | None, **options: Any) -> None:
    """Train an HDRNet, alone or as one of several processes; weights and scores go to OUT.

    EXPERT is one of the retouchers of the shipped photographs, FOLDER what `prepare` wrote. On
    several GPUs or machines, `torchrun` or `fabric run` starts the processes; each takes its part
    of every batch, and the result is the same up to rounding.

    May be stopped at any moment: the same command goes on where it was. Exits with 1 if training
    cannot go on, with 2 if nothing was begun, with 130 after Ctrl-C.
    """
    import signal

    from rich.console import Console

    from histmatch_lab.recipe import Recipe
    from histmatch_lab.training import progress
    from histmatch_lab.training.distributed import fabric_as_launched
    from histmatch_lab.training.harness import Training
    from histmatch_lab.training.loop import TrainingError

    try:
        recipe = Recipe(data=data, **options)
        _refuse_unused(recipe.options)
        fabric = fabric_as_launched()
        training = Training(recipe, out, fabric=fabric, threads=threads)
    except (ValueError, TypeError, FileNotFoundError, ModuleNotFoundError) as problem:
        raise click.UsageError(str(problem)) from None
    first = fabric.is_global_zero
    if not first:  # an interrupt is the first process's, which has the state to write
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        progress.run(training.steps(), Console(stderr=True, quiet=not first))
    except TrainingError as problem:
        raise click.ClickException(str(problem)) from None
    except ValueError as problem:  # another run's folder, a batch that cannot be shared
        raise click.UsageError(str(problem)) from None
    if not training.finished:
        raise click.exceptions.Exit(130)
    if first:
        _score(training, out)


def _score(training: Training, out: Path) -> None:
    click.echo(f"Weights in {out / 'weights.safetensors'}")
    if training.pairs.test_pairs():
        result = training.result()
        result.write(out)
        score = f"PSNR {result.summary.psnr:.2f} dB"
        click.echo(f"{score} on the test pictures; more in {out / 'result.json'}")


def _refuse_unused(options: dict[str, Any]) -> None:
    """Raises ValueError for an option of the histogram that was given to a loss without one."""
    context = click.get_current_context()
    for name in ("lam", "bins", "alpha", "bandwidth", "units", "outside"):
        given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if given and name not in options:
            raise ValueError(f"--{name} must be left out: this loss has none")
