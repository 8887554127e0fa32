"""`histmatch-lab enhance`: a trained network on one's own pictures, from file to file."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from os.path import realpath  # which ends where links go round
from pathlib import Path

import click
import torch
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from torch import Tensor

from histmatch_lab.cli.shared import FILE, OUT, exit_codes
from histmatch_lab.data.images import (
    ENCODERS,
    ImageError,
    is_picture,
    open_image,
    passed_over,
    read_bytes,
    refuse_several,
    save_image,
)
from histmatch_lab.hdrnet import Network, load_network, network_facts
from histmatch_lab.lut import ImageAdaptiveLUT, apply_lut

ROWS = 128  # looked up at a time, since eight neighbours of each pixel are held


@click.command()
@click.argument("weights", type=FILE)
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
    type=OUT,
    required=True,
    help="Folder for the enhanced pictures; made if it is not there.",
)
@click.option("--white", type=float, help="The value that is white in floating-point TIFFs.")
@click.option(
    "--as-stored",
    is_flag=True,
    help="The files hold values in the encoding that the weights are for, such as PQ BT.2020.",
)
def enhance(
    weights: Path, images: tuple[Path, ...], output: Path, white: float | None, as_stored: bool
) -> None:
    """Enhance pictures of any size with a trained network.

    WEIGHTS is a file that training wrote, IMAGE a picture or a folder of them. JPEG, PNG and TIFF
    stay what they are, all others become PNG. The result is upright, in sRGB, with the 16 bits, the
    transparency (but in JPEG), the resolution and the EXIF of its source; not its thumbnail and
    the maker's notes. Raw photographs are developed first, with the camera's white balance and
    nothing brightened. A file with several pages is refused. 100 megapixels take 4 GB.

    Exits with 1 if a picture could not be read or written, with 2 if nothing was begun.
    """
    with exit_codes():
        if white is not None and not white > 0:
            raise ValueError(f"white must be above 0, got {white}")
        network = load_network(weights).eval()
        wanted, *_ = network_facts(weights).get("encoding", "sRGB").split(" to ")
        if wanted != "sRGB" and not as_stored:
            raise ValueError(
                f"WEIGHTS must be for pictures in sRGB, got {wanted}; with --as-stored the files' "
                "values are taken for such"
            )
        pictures, others = _pictures(images)
        places = _places(pictures, output)
    failed = _enhance_all(network, places, white)
    click.echo(f"{len(places) - failed} of {len(places)} pictures written to {output}")
    if others:
        click.echo(passed_over(others))
    if failed:
        raise click.exceptions.Exit(1)


def _enhance_all(network: Network, places: Mapping[Path, Path], white: float | None) -> int:
    """Under a bar that names picture and stage; how many failed, with the reason said."""
    console, failed = Console(stderr=True), 0
    with Progress(console=console) as progress:
        bar = progress.add_task("", total=len(places))
        for number, (source, place) in enumerate(places.items()):
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                for part, stage in enumerate(_enhance(network, source, place, white, console)):
                    text = f"{stage} {escape(source.name)}"
                    progress.update(bar, completed=number + part / 3, description=text)
            except (ImageError, OSError) as problem:
                failed += 1
                named = isinstance(problem, ImageError)
                console.out(problem if named else f"{source}: {problem}", highlight=False)
        progress.update(bar, completed=len(places), description="done")
    return failed


def _pictures(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Files as they are, folders as the pictures in them; and what else is in those."""
    pictures: list[Path] = []
    others: list[Path] = []
    for path in paths:
        inside = sorted(path.iterdir()) if path.is_dir() else []
        found = [p for p in inside if is_picture(p) and not p.is_dir()]
        if path.is_dir() and not found:
            raise ValueError(f"{path} holds no pictures")
        pictures += found or [path]
        others += [p for p in inside if p not in found]
    return pictures, others


def _places(pictures: Sequence[Path], folder: Path) -> dict[Path, Path]:
    """Where each picture's result goes: its name, as PNG where its own format is not written."""
    places: dict[Path, Path] = {}
    stems = Counter(source.stem for source in pictures)
    for source in pictures:
        written = source.suffix.lower() in ENCODERS
        stem = source.name if written or stems[source.stem] > 1 else source.stem
        place = folder / (stem if written else f"{stem}.png")
        if realpath(place) == realpath(source):
            raise ValueError(f"{place} would replace the picture itself; choose another folder")
        if place in places.values():
            raise ValueError(f"two of the pictures would become {place}; enhance them one by one")
        places[source] = place
    return places


def _enhance(
    network: Network,
    source: Path,
    place: Path,
    white: float | None,
    console: Console,
) -> Iterator[str]:
    """From file to file, stage by stage, whose names it gives; says what else is in the source."""
    yield "reading"
    picture = open_image(source, read_bytes(source), white=white)
    refuse_several(source, picture.facts)
    yield "enhancing"
    result = _apply(network, torch.from_numpy(picture.rgb)[None])[0]
    yield "writing"
    save_image(result, place, bits=picture.facts.bits, like=picture)
    if note := picture.facts.note:
        console.out(f"{source} holds {note}, too, which is left out", highlight=False)


@torch.no_grad()
def _apply(network: Network, image: Tensor) -> Tensor:
    if not isinstance(network, ImageAdaptiveLUT):
        return network(image)
    lut = network.lut(image)
    for rows in image.split(ROWS, dim=2):
        rows.copy_(apply_lut(lut, rows))  # in place of the picture, which may take a gigabyte
    return image
