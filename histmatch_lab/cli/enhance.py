"""`histmatch-lab enhance`: a trained network on one's own pictures, from file to file."""

from collections.abc import Iterable
from pathlib import Path

import click
import torch
from rich.console import Console
from rich.progress import track

from histmatch_lab.cli.shared import FILE, OUT, exit_codes
from histmatch_lab.data.images import ImageError, decode_image, read_bytes, save_image
from histmatch_lab.hdrnet import Network, load_network

WRITTEN = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
READ = (*WRITTEN, ".webp", ".bmp", ".gif")


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
def enhance(weights: Path, images: tuple[Path, ...], output: Path) -> None:
    """Enhance pictures of any size with a trained network.

    WEIGHTS is a file that training wrote, IMAGE a picture or a folder of them. Orientation and
    colour profile are respected, 16 bits are kept. Exits with 1 if a picture could not be read or
    written, with 2 if nothing was begun.
    """
    with exit_codes():
        network = load_network(weights).eval()
        places = _places([picture for path in images for picture in _pictures(path)], output)
    console, failed = Console(stderr=True), 0
    for source, place in track(places.items(), "Enhancing", console=console):
        try:
            output.mkdir(parents=True, exist_ok=True)
            _enhance(network, source, place)
        except (ImageError, OSError) as problem:
            failed += 1
            console.out(f"{source}: {problem}", highlight=False)
    click.echo(f"{len(places) - failed} of {len(places)} pictures written to {output}")
    if failed:
        raise click.exceptions.Exit(1)


def _pictures(path: Path) -> list[Path]:
    """A file as it is, a folder as the pictures in it."""
    if not path.is_dir():
        return [path]
    inside = sorted(p for p in path.iterdir() if p.suffix.lower() in READ and p.is_file())
    if not inside:
        raise ValueError(f"{path} holds no pictures ({', '.join(READ)})")
    return inside


def _places(pictures: Iterable[Path], folder: Path) -> dict[Path, Path]:
    """Where each picture's result goes: its name, as PNG where its own format is not written."""
    places: dict[Path, Path] = {}
    for source in pictures:
        written = source.suffix.lower() in WRITTEN
        place = folder / (source.name if written else f"{source.stem}.png")
        if place.resolve() == source.resolve():
            raise ValueError(f"{place} would replace the picture itself; choose another folder")
        if place in places.values():
            raise ValueError(f"two of the pictures would become {place}; enhance them one by one")
        places[source] = place
    return places


@torch.no_grad()
def _enhance(network: Network, source: Path, place: Path) -> None:
    """From what a viewer shows to sRGB, with 16 bits where the source has more than 8."""
    image, bits = decode_image(source, read_bytes(source))
    save_image(network(image[None])[0], place, bits=bits)
