"""A trained network on one's own pictures, from file to file."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import click
import torch
from rich.console import Console
from rich.progress import track

from histmatch_lab.data.images import ImageError, decode_image, read_bytes, save_image
from histmatch_lab.hdrnet import HDRNet, load_network

WRITTEN = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
READ = (*WRITTEN, ".webp", ".bmp", ".gif")


def pictures_in(paths: Iterable[Path]) -> list[Path]:
    """Files as they are, folders as the pictures in them, by name.

    Raises ValueError for a folder without pictures.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(p for p in path.iterdir() if p.suffix.lower() in READ and p.is_file())
        if not inside:
            raise ValueError(f"{path} holds no pictures ({', '.join(READ)})")
        found += inside
    return found


def plan(pictures: Sequence[Path], folder: Path) -> dict[Path, Path]:
    """Where each picture's result goes: its name, as PNG where its own format is not written.

    Raises ValueError where two results would have one name, or a result would replace its source.
    """
    places: dict[Path, Path] = {}
    for source in pictures:
        ending = source.suffix.lower()
        name = source.name if ending in WRITTEN else f"{source.stem}.png"
        place = folder / name
        if place.resolve() == source.resolve():
            raise ValueError(f"{place} would replace the picture itself; choose another folder")
        if place in places.values():
            raise ValueError(f"two of the pictures would become {place}; enhance them one by one")
        places[source] = place
    return places


@torch.no_grad()
def enhance_file(network: HDRNet, source: Path, place: Path) -> None:
    """Run the network on one picture of any size and write the result, whole or not at all.

    What a viewer shows goes in (see `load_image`: orientation and ICC profile applied) and sRGB
    comes out, with 16 bits where the source has more than 8. Raises ImageError for a picture that
    cannot be read or written.
    """
    image, bits = decode_image(source, read_bytes(source))
    save_image(network(image[None])[0], place, bits=bits)


def enhance_files(network: HDRNet, places: dict[Path, Path]) -> Iterable[tuple[Path, str | None]]:
    """Enhance one after the other; yields each source with None, or what was wrong with it."""
    for source, place in places.items():
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            enhance_file(network, source, place)
        except (ImageError, OSError) as problem:
            yield source, str(problem)
        else:
            yield source, None


@click.command()
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
