"""The `histmatch-lab` command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from histmatch_lab.data.own.prepare import Source, Split

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
OUT = click.Path(file_okay=False, path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="histmatch-lab", prog_name="histmatch-lab")
def app() -> None:
    """The histogram as a loss: a course and its library."""


@app.command()
@click.argument("notebooks", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-p",
    "--parameter",
    "parameters",
    type=(str, str),
    metavar="NAME VALUE",
    multiple=True,
    help="A parameter that each of the notebooks must have; may be repeated.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default="report",
    show_default=True,
    help="Folder for the pages.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="How many notebooks run at a time.",
)
def report(
    notebooks: tuple[Path, ...], parameters: tuple[tuple[str, str], ...], output: Path, jobs: int
) -> None:
    """Run NOTEBOOKS (all of ./notebooks if none is named), write a page of each and an index.

    Exits with 1 if a cell, a widget or a page failed, with 2 if it was asked for something that
    cannot be, with 130 after Ctrl-C.
    """
    with _report_extra():
        from histmatch_lab.publish import batch
    paths = _all_if_none(notebooks)
    try:
        runs = batch.report(paths, output, parameters=dict(parameters), jobs=jobs)
    except ValueError as problem:
        raise click.UsageError(str(problem)) from None
    states = {run.status for run in runs}
    if states & {"interrupted", "not run"}:
        raise click.exceptions.Exit(130)
    if states != {"passed"}:
        raise click.exceptions.Exit(1)


@app.command()
@click.argument("notebooks", nargs=-1, type=FILE)
@click.option("-o", "--output", type=OUT, default="site", show_default=True, help="Its folder.")
def site(notebooks: tuple[Path, ...], output: Path) -> None:
    """Write the course as a site that opens from a file: NOTEBOOKS as they were run.

    Without NOTEBOOKS all of ./notebooks. Nothing is run again; `report` does that.
    """
    with _report_extra():
        from histmatch_lab.publish import write_site
    try:
        write_site(_all_if_none(notebooks), output)
    except ValueError as problem:
        raise click.UsageError(str(problem)) from None
    click.echo(output / "index.html")


@app.command()
@click.argument("notebooks", nargs=-1, type=FILE)
@click.option("-o", "--output", type=OUT, default="lecturer", show_default=True, help="Its folder.")
def lecturer(notebooks: tuple[Path, ...], output: Path) -> None:
    """Write the lecturer's version of NOTEBOOKS (all of ./notebooks if none is named), with slides.

    Beside it lie learner/ (nothing run) and solved/ (solutions filled in). Figures are those that
    the notebooks have stored. The slides need a network: they fetch reveal.js and MathJax.
    """
    with _report_extra():
        from histmatch_lab.course import lessons
    paths = _all_if_none(notebooks)
    try:
        lessons.publish(paths, output)
    except ValueError as problem:
        raise click.UsageError(str(problem)) from None
    click.echo(f"Lessons written to {output}: {len(paths)}")


@contextmanager
def _report_extra() -> Iterator[None]:
    """Where the block imports what the extra brings: say how to get it if it is not there."""
    try:
        yield
    except ModuleNotFoundError as missing:
        command = "pip install 'histmatch-lab[report]'"
        raise click.UsageError(f"{missing.name} is missing; to get it: {command}") from None


def _all_if_none(notebooks: tuple[Path, ...]) -> tuple[Path, ...]:
    paths = notebooks or tuple(sorted(Path("notebooks").glob("*.ipynb")))
    if not paths:
        raise click.UsageError("no notebooks in ./notebooks; name some, or go to the course")
    return paths


@app.command()
@click.argument("weights", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument(
    "images",
    nargs=-1,
    required=True,
    metavar="IMAGE...",
    type=click.Path(exists=True, path_type=Path),
)
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder for the enhanced pictures; made if it is not there.",
)
def enhance(weights: Path, images: tuple[Path, ...], output: Path) -> None:
    """Enhance pictures of any size with a trained network.

    WEIGHTS is a file that training wrote, IMAGE a picture or a folder of them. Orientation and
    colour profile are respected, 16 bits are kept. Exits with 1 if a picture could not be read or
    written, with 2 if nothing was begun.
    """
    from rich.console import Console
    from rich.progress import track

    from histmatch_lab.cli.enhance import enhance_files, pictures_in, plan
    from histmatch_lab.hdrnet import load_network

    try:
        network = load_network(weights)
        places = plan(pictures_in(images), output)
    except ValueError as problem:
        raise click.UsageError(str(problem)) from None
    console, failed = Console(stderr=True), 0
    files = enhance_files(network, places)
    for source, wrong in track(files, "Enhancing", total=len(places), console=console):
        if wrong:
            failed += 1
            console.out(f"{source}: {wrong}", highlight=False)
    click.echo(f"{len(places) - failed} of {len(places)} pictures written to {output}")
    if failed:
        raise click.exceptions.Exit(1)


@app.command()
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
    "--preset", type=click.Choice(["quick", "class", "paper"]), default="quick", show_default=True
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
    from histmatch_lab.training import loop as training
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
    steps = training.train(
        network, pairs, loss, training.PRESETS[preset], seed=seed, folder=out, fabric=fabric
    )
    try:
        history = training.run(steps, Console(stderr=True, quiet=not first))
    except training.TrainingError as problem:
        raise click.ClickException(str(problem)) from None
    except ValueError as problem:  # another run's folder, a batch that cannot be shared
        raise click.UsageError(str(problem)) from None
    if history and history[-1].number < history[-1].of:
        raise click.exceptions.Exit(130)
    if first:
        click.echo(f"Weights in {out / 'weights.safetensors'}")


@app.command()
@click.argument("file", metavar="SWEEP.yaml", type=FILE)
@click.option("--scheduler", metavar="tcp://...", help="Of a Dask cluster that is there already.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="How many runs at a time on this machine; by default one for each GPU, else each core.",
)
@click.option(
    "-o",
    "--output",
    type=OUT,
    default="runs",
    show_default=True,
    help="Folder for the table, SWEEP.csv, and what belongs to each run.",
)
def sweep(file: Path, scheduler: str | None, workers: int | None, output: Path) -> None:
    """Train and score every combination of the parameters in SWEEP.yaml.

    May be stopped at any moment: the same command goes on where it was. Exits with 1 if a run
    failed, with 2 if nothing was begun, with 130 after Ctrl-C.
    """
    from rich.console import Console

    if scheduler and workers:
        raise click.UsageError("--workers are made on this machine, --scheduler brings its own")
    table = output / f"{file.stem}.csv"
    try:
        from histmatch_lab.sweep import cluster, view
        from histmatch_lab.sweep.plan import read_sweep

        runs = read_sweep(file)
        output.mkdir(parents=True, exist_ok=True)
        with cluster.connect(scheduler, workers) as client:
            status = view.in_terminal(cluster.sweep(runs, table, client), Console())
    except (ValueError, ModuleNotFoundError) as problem:
        raise click.UsageError(str(problem)) from None
    except KeyboardInterrupt:
        click.echo("Stopped: what was finished is kept; the same command goes on from there.")
        raise click.exceptions.Exit(130) from None
    except (OSError, cluster.SweepError) as problem:
        raise click.ClickException(str(problem)) from None
    click.echo(f"{len(status.rows)} runs in {table}; {len(status.failures)} failed")
    for failure in status.failures:
        click.echo(f"  {output / failure.key / 'error.txt'}")
    if status.failures:
        raise click.exceptions.Exit(1)


@app.group()
def prepare() -> None:
    """Turn data as you hold it into pairs that training reads fast.

    May be stopped at any moment: the same command goes on where it was. Exits with 1 if something
    had to be skipped or could not be written, with 2 if nothing was begun, with 130 after Ctrl-C.
    """


split_option = click.option(
    "--split",
    metavar="paper|4500-500|FILE",
    help="A fifth or a tenth of the pairs at random for testing, or a file of NAME,train|test.",
)


@prepare.command("folder")
@click.argument("inputs", metavar="INPUT", type=FOLDER)
@click.argument("targets", metavar="TARGET", type=FOLDER)
@click.argument("out", type=OUT)
@click.option(
    "--short-side",
    type=click.IntRange(min=16),
    help="Make larger pictures smaller to this short side, in pixels.",
)
@split_option
def prepare_folder(
    inputs: Path, targets: Path, out: Path, short_side: int | None, split: str | None
) -> None:
    """Pairs of pictures with the same names, 8 or 16 bits, in two folders."""
    from histmatch_lab.data.own.folders import folder_source

    def make() -> tuple[Source, Split]:
        return folder_source(inputs, targets, short_side=short_side), _split(split or "paper")

    _prepare(make, out)


@prepare.command("fivek")
@click.argument("root", type=FOLDER)
@click.argument("out", type=OUT)
@click.option("--expert", type=click.Choice(list("abcde")), default="c", show_default=True)
@split_option
def prepare_fivek(root: Path, out: Path, expert: str, split: str | None) -> None:
    """A copy of MIT-Adobe FiveK, in any of five layouts, at 480p.

    Without --split, the one that comes with the copy, or else the paper's.
    """
    from histmatch_lab.data.own.fivek import fivek_source

    def make() -> tuple[Source, Split]:
        source, its_own = fivek_source(root, expert=expert)
        return source, _split(split) if split else its_own

    _prepare(make, out)


@prepare.command("movies")
@click.argument("hdr", type=FILE)
@click.argument("sdr", type=FILE)
@click.argument("out", type=OUT)
@click.option(
    "--every", type=click.IntRange(min=1), default=120, show_default=True, help="Of the frames."
)
@click.option("--size", default="960x540", show_default=True, metavar="WxH")
@click.option("--hdr-as", metavar="MATRIX,RANGE", help="For an untagged film, as bt2020,limited.")
@click.option("--sdr-as", metavar="MATRIX,RANGE", help="For an untagged film, as bt709,limited.")
@click.option("--offset", type=int, help="SDR frame less HDR frame, instead of looking for it.")
def prepare_movies(
    hdr: Path,
    sdr: Path,
    out: Path,
    every: int,
    size: str,
    hdr_as: str | None,
    sdr_as: str | None,
    offset: int | None,
) -> None:
    """Every n-th frame of an HDR film (PQ, BT.2020) and its twin in the SDR film (BT.709)."""
    from histmatch_lab.data.own.movies import Encoding, movie_source
    from histmatch_lab.data.own.prepare import chronological_split

    def make() -> tuple[Source, Split]:
        width, _, height = size.partition("x")
        if not (width.isdigit() and height.isdigit()):
            raise ValueError(f"size is {size!r}; wanted is WIDTHxHEIGHT, such as 960x540")
        source = movie_source(
            hdr,
            sdr,
            every=every,
            size=(int(width), int(height)),
            hdr_as=Encoding.parse(hdr_as) if hdr_as else None,
            sdr_as=Encoding.parse(sdr_as) if sdr_as else None,
            offset=offset,
        )
        return source, chronological_split

    _prepare(make, out)


def _split(name: str) -> Split:
    from histmatch_lab.data.own.fivek import SPLITS
    from histmatch_lab.data.own.prepare import read_split

    if name in SPLITS:
        return SPLITS[name]
    if not Path(name).is_file():
        raise ValueError(f"split is {name!r}; wanted is {', '.join(SPLITS)} or a file")
    return read_split(Path(name))


def _prepare(make: Callable[[], tuple[Source, Split]], out: Path) -> None:
    """Prepare under a progress bar, and say at the end what was skipped and why."""
    from rich.console import Console
    from rich.progress import track

    from histmatch_lab.data.own.prepare import Kept, Skipped
    from histmatch_lab.data.own.prepare import prepare as fill

    console = Console(stderr=True)
    skipped, kept, made = [], 0, 0
    try:
        source, split = make()
        for line in source.found:
            click.echo(line)
        results = fill(source, out, split)
        for result in track(results, "Preparing", total=source.total, console=console):
            if isinstance(result, Skipped):
                skipped.append(result)
            elif isinstance(result, Kept):
                kept += 1
            else:
                made += 1
    except (ValueError, ModuleNotFoundError) as problem:
        for one in skipped:
            click.echo(f"skipped {one.name}: {one.why}", err=True)
        raise click.UsageError(str(problem)) from None
    except OSError as problem:
        raise click.ClickException(f"{problem.filename or out}: {problem.strerror}") from None
    except KeyboardInterrupt:
        click.echo(f"Stopped after {made + kept} pairs; the same command goes on from there.")
        raise click.exceptions.Exit(130) from None
    already = f", {kept} of them already there" if kept else ""
    click.echo(f"{made + kept} pairs in {out}{already}; {len(skipped)} skipped")
    for one in skipped[:20]:
        click.echo(f"  {one.name}: {one.why}")
    if len(skipped) > 20:
        click.echo(f"  and {len(skipped) - 20} more, in {out / 'manifest.json'}")
    if skipped:
        raise click.exceptions.Exit(1)
