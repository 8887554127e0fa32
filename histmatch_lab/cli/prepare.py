"""`histmatch-lab prepare`: pairs from data as people hold it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import track

from histmatch_lab.cli.shared import FILE, FOLDER, OUT, exit_codes
from histmatch_lab.data.own.fivek import FIVEK_EXPERTS, fivek_source
from histmatch_lab.data.own.folders import folder_source
from histmatch_lab.data.own.movie_file import Encoding
from histmatch_lab.data.own.movies import EVERY, movie_source
from histmatch_lab.data.own.prepare import Existing, Made, Skipped, Source
from histmatch_lab.data.own.prepare import prepare as fill
from histmatch_lab.data.own.prepared import MANIFEST
from histmatch_lab.data.own.splits import SPLITS, Split, read_split


@click.group()
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
    """Pairs of pictures with the same names, 8 or 16 bits, in two folders.

    Raw photographs are developed: the camera's white balance, nothing brightened, sRGB.
    """
    _prepare(out, split, lambda: folder_source(inputs, targets, short_side=short_side))


@prepare.command("fivek")
@click.argument("root", type=FOLDER)
@click.argument("out", type=OUT)
@click.option("--expert", type=click.Choice(FIVEK_EXPERTS), default="c", show_default=True)
@split_option
def prepare_fivek(root: Path, out: Path, expert: str, split: str | None) -> None:
    """A copy of MIT-Adobe FiveK, in any of five layouts, at 480p.

    Without --split, the one that comes with the copy, or else the paper's.
    """
    _prepare(out, split, lambda: fivek_source(root, expert=expert))


@prepare.command("movies")
@click.argument("hdr", type=FILE)
@click.argument("sdr", type=FILE)
@click.argument("out", type=OUT)
@click.option(
    "--every", type=click.IntRange(min=1), default=EVERY, show_default=True, help="Of the frames."
)
@click.option("--size", default="960x540", show_default=True, metavar="WxH")
@click.option("--hdr-as", metavar="MATRIX,RANGE", help="For an untagged movie, as bt2020,limited.")
@click.option("--sdr-as", metavar="MATRIX,RANGE", help="For an untagged movie, as bt709,limited.")
@click.option("--offset", type=int, help="SDR frame minus HDR frame, instead of looking for it.")
def prepare_movies(out: Path, size: str, **options: Any) -> None:
    """Every n-th frame of an HDR movie (PQ, BT.2020) and its twin in the SDR movie (BT.709)."""

    def make() -> Source:
        width, _, height = size.partition("x")
        if not (width.isdigit() and height.isdigit()):
            raise ValueError(f"size must be WIDTHxHEIGHT, such as 960x540, got {size!r}")
        for name in ("hdr_as", "sdr_as"):
            options[name] = Encoding.parse(options[name]) if options[name] else None
        return movie_source(size=(int(width), int(height)), **options)

    _prepare(out, None, make)


def _split(name: str) -> Split:
    if name in SPLITS:
        return SPLITS[name]
    if not Path(name).is_file():
        raise ValueError(f"split must be one of {', '.join(SPLITS)} or a file, got {name!r}")
    return read_split(Path(name))


def _prepare(out: Path, split: str | None, make: Callable[[], Source]) -> None:
    """Prepare under a progress bar, and say at the end what was skipped and why."""
    skipped: list[Skipped] = []
    fitted: list[str] = []
    pairs = existing = 0
    with exit_codes():
        source = make()
        results = fill(source, out, _split(split) if split else None)
        click.echo("\n".join(source.found))
        console = Console(stderr=True)
        try:
            for result in track(results, "Preparing", total=source.total, console=console):
                if isinstance(result, Skipped):
                    skipped.append(result)
                    continue
                pairs += 1
                existing += isinstance(result, Existing)
                if isinstance(result, Made) and "fitted" in result.facts:
                    fitted.append(f"  {result.name}: {result.facts['fitted']}; made to fit")
        except OSError as problem:
            done = f"; {pairs} pairs are done, the same command goes on from there" if pairs else ""
            said = f"{problem.filename or out}: {problem.strerror}{done}"
            raise click.ClickException(said) from None
        finally:
            for lines in (fitted, [f"  {one.name}: {one.why}" for one in skipped]):
                click.echo("\n".join(lines[:20]), nl=bool(lines))
                if len(lines) > 20:
                    click.echo(f"  and {len(lines) - 20} more")
    already = f", {existing} of them already there" if existing else ""
    click.echo(f"{pairs} pairs in {out}{already}; {len(skipped)} skipped")
    if skipped:
        click.echo(f"All that was skipped is in {out / MANIFEST}")
        raise click.exceptions.Exit(1)
