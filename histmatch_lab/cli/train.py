"""`histmatch-lab train`: one training."""

from __future__ import annotations

from pathlib import Path

import click

from histmatch_lab.cli.types import OUT


@click.command()
@click.argument("data", metavar="EXPERT|FOLDER")
@click.argument("out", type=OUT)
@click.option("--loss", "name", default="l2+histmatch", show_default=True, help="Terms, with +.")
@click.option("--lam", type=float, default=1.0, show_default=True, help="Weight of the last term.")
@click.option("--bins", type=int, help="Of the histogram.  [default: 256]")
@click.option("--alpha", type=float, help="Slope of its kernel.  [default: 1000]")
@click.option(
    "--units",
    type=click.Choice(["bins", "intensity"]),
    help="Of its distance: Eq. 5's, or comparable between numbers of bins.  [default: bins]",
)
@click.option(
    "--network",
    "kind",
    type=click.Choice(["compact", "paper"]),
    default="compact",
    show_default=True,
)
@click.option(
    "--preset",
    type=click.Choice(["quick", "classroom", "paper"]),
    default="quick",
    show_default=True,
)
@click.option("--crop", type=click.IntRange(min=16), default=256, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
def train(
    data: str,
    out: Path,
    name: str,
    lam: float,
    kind: str,
    preset: str,
    crop: int,
    seed: int,
    **histogram: object,
) -> None:
    """Train an HDRNet, alone or as one of several processes, and write it to OUT.

    EXPERT is one of the retouchers of the shipped photographs, FOLDER what `prepare` wrote. On
    several GPUs or machines, `torchrun` or `fabric run` starts the processes; each takes its part
    of every batch, and the result is the same up to rounding.

    May be stopped at any moment: the same command goes on where it was. Exits with 1 if training
    cannot go on, with 2 if nothing was begun, with 130 after Ctrl-C.
    """
    import signal

    from rich.console import Console

    from histmatch_lab.data.sources import open_pairs
    from histmatch_lab.hdrnet import HDRNet
    from histmatch_lab.losses import EnhancementLoss
    from histmatch_lab.recipe import PRESETS
    from histmatch_lab.training import loop, progress
    from histmatch_lab.training.distributed import fabric_as_launched
    from histmatch_lab.training.seeding import seed_everything

    options = {option: value for option, value in histogram.items() if value is not None}
    try:
        pairs = open_pairs(data, crop)
        loss = EnhancementLoss(name, lam=lam, **options)
    except (ValueError, TypeError, FileNotFoundError) as problem:
        raise click.UsageError(str(problem)) from None
    seed_everything(seed)
    network = HDRNet.compact() if kind == "compact" else HDRNet.paper()
    fabric = fabric_as_launched()
    first = fabric.is_global_zero
    if not first:  # an interrupt is the first process's, which has the state to write
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    steps = loop.train(network, pairs, loss, PRESETS[preset], seed=seed, folder=out, fabric=fabric)
    try:
        history = progress.run(steps, Console(stderr=True, quiet=not first))
    except loop.TrainingError as problem:
        raise click.ClickException(str(problem)) from None
    except ValueError as problem:  # another run's folder, a batch that cannot be shared
        raise click.UsageError(str(problem)) from None
    if history and history[-1].number < history[-1].of:
        raise click.exceptions.Exit(130)
    if first:
        click.echo(f"Weights in {out / 'weights.safetensors'}")
