"""Makes the pairs of the study in data_samples/ from packages of Debian and npm.

    python -m tools.make_pairs [tonemap] [retouch] [--root / --root node_modules] [--out FOLDER]

- tonemap: views of HDR panoramas (hdr_scenes.csv), and what an operator of pfstools makes of them;
  tonemap_reinhard02 has the same inputs and another operator's targets.
- retouch: photographs (photographs.csv), and what RawTherapee makes of them with
  rawtherapee_expert.pp3.

The same bytes come out each time. Pictures that are there are kept, so it can be interrupted;
delete them to have them made anew. Only making the pictures needs these packages and programs.
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
import imagecodecs
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from histmatch_lab._files import write_whole
from histmatch_lab.color import nits_to_pq
from tools import hdr, retouch
from tools.packages import MissingError, Packages

TOOLS, ROOT = Path(__file__).parent, Path(__file__).parents[1]
SIZE = (192, 256)  # height and width
PITCHES = (0.0, 0.15, -0.15, 0.08)  # of a scene's views, in radians; they are a quarter turn apart
STEP = 2**6  # between levels of PQ: 10 of the 16 bits, as films have them
OPERATORS = {
    "tonemap": (("pfstmo_mantiuk08", "--quiet", "-d", "pd=lcd_office"),),
    "tonemap_reinhard02": (("pfstmo_reinhard02",), ("pfsgamma", "--gamma", "2.2")),
}
# A view with hardly anything to see in the first operator's picture is left out.
LEAST_CONTRAST = 0.06  # standard deviation of all its values
MOST_CLIPPED = 0.35  # share of values that are 0 or 255
LEAST_PSNR = 10.0  # dB, of a target to its input; below, the automatic exposure failed
LAMP = 100.0  # nits; some panoramas have lost two colours where the sun was too bright
MOST_DAMAGED = 10  # such pixels in a view
LICENCES = {
    "CC0 1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "CC BY 2.0": "https://creativecommons.org/licenses/by/2.0/",
    "CC BY 4.0": "https://creativecommons.org/licenses/by/4.0/",
    "CC BY-SA 3.0": "https://creativecommons.org/licenses/by-sa/3.0/",
    "CC BY-SA 4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
}  # public domain: its source says so

Row = dict[str, str]
Levels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
T = TypeVar("T")


def catalogue(name: str) -> list[Row]:
    """The rows of a table beside this file."""
    with (TOOLS / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def make_tonemap(out: Path, packages: Packages) -> None:
    """The folders of both operators below `out`."""
    sides: dict[str, str] = {}
    skipped: list[Row] = []
    for row in _progress(catalogue("hdr_scenes.csv"), "tonemap"):
        exr = packages.read(row["package"], row["path"], row["sha256"])
        panorama = hdr.read_panorama(exr)
        for number, pitch in enumerate(PITCHES):
            name, yaw = f"{row['name']}-{number}", number * 2 * np.pi / len(PITCHES)
            angle = float(row["degrees"])
            view = hdr.perspective(panorama, yaw=yaw, pitch=pitch, degrees=angle, size=SIZE)
            why = make_view(out, name, view)
            if why:
                skipped.append({"name": name, "why": why})
            else:
                sides[name] = row["split"]
    for folder, operator in OPERATORS.items():
        facts = {
            "expert": " | ".join(" ".join(command) for command in operator),
            "encoding": "PQ BT.2020 to sRGB",
            "skipped": skipped,
        }
        inputs = "../tonemap/input/{name}.png" if folder != "tonemap" else "input/{name}.png"
        write_manifest(out / folder, inputs, sides, facts)
    write_table(out / "tonemap", catalogue("hdr_scenes.csv"))


def make_view(out: Path, name: str, nits: hdr.Floats) -> str:
    """One view's input and targets, unless they are there; else why it is left out, or ""."""
    source = out / "tonemap" / "input" / f"{name}.png"
    targets = {key: out / key / "target" / f"{name}.webp" for key in OPERATORS}
    if all(path.exists() for path in (source, *targets.values())):
        return ""
    pictures = {key: hdr.tone_map(nits, operator) for key, operator in OPERATORS.items()}
    why = damaged(nits) or nothing_to_see(pictures["tonemap"])
    if why:
        return why
    write(source, png(to_pq(nits)))
    for key, path in targets.items():
        write(path, webp(pictures[key]))
    return ""


def damaged(nits: hdr.Floats) -> str:
    """Why a view is left out that shows a lamp or sun of one colour only, or ""."""
    _, middle, brightest = np.moveaxis(np.sort(nits, -1), -1, 0)
    count = int(((brightest > LAMP) & (middle < brightest / 100)).sum())
    return f"{count} bright pixels have only one colour" if count > MOST_DAMAGED else ""


def nothing_to_see(picture: retouch.Pixels) -> str:
    """Why a tone-mapped view is left out, or ""."""
    contrast = (picture / 255).std()
    if contrast < LEAST_CONTRAST:
        return f"its standard deviation is {contrast:.3f}, below {LEAST_CONTRAST}"
    clipped = ((picture == 0) | (picture == 255)).mean()
    if clipped > MOST_CLIPPED:
        return f"{clipped:.0%} of its values are 0 or 255, more than {MOST_CLIPPED:.0%}"
    return ""


def make_retouch(out: Path, packages: Packages) -> None:
    """The folder retouch below `out`."""
    folder, rows = out / "retouch", catalogue("photographs.csv")
    sides = {row["name"]: row["split"] for row in rows}
    paths = {
        name: (folder / "input" / f"{name}.jpg", folder / "target" / f"{name}.webp")
        for name in sides
    }
    new: dict[str, bytes] = {}
    for row in _progress(rows, "retouch"):
        if not all(path.exists() for path in paths[row["name"]]):
            photograph = packages.read(row["package"], row["path"], row["sha256"])
            pixels = retouch.crop_and_scale(photograph, SIZE, row["keep"])
            new[row["name"]] = retouch.jpeg(pixels)
    inputs = {name: retouch.pixels(file) for name, file in new.items()}  # as training will see them
    skipped: list[Row] = []
    for name, target in retouch.rawtherapee(inputs).items():
        why = gone_wrong(inputs[name], target)
        if why:
            skipped.append({"name": name, "why": why})
            del sides[name]
            continue
        for path, file in zip(paths[name], (new[name], webp(target)), strict=True):
            write(path, file)
    expert = f"RawTherapee, {retouch.PROFILE.name}"
    facts = {"expert": expert, "encoding": "sRGB", "skipped": skipped}
    write_manifest(folder, "input/{name}.jpg", sides, facts)
    write_table(folder, rows)


def gone_wrong(photograph: retouch.Pixels, target: retouch.Pixels) -> str:
    """Why a retouched photograph is left out, or ""."""
    error = ((photograph / 255 - target / 255) ** 2).mean()
    psnr = -10 * np.log10(max(error, 1e-10))
    return (
        f"its PSNR to the input is {psnr:.1f} dB, below {LEAST_PSNR:g}" if psnr < LEAST_PSNR else ""
    )


def write_manifest(
    folder: Path, inputs: str, sides: Mapping[str, str], facts: Mapping[str, Any]
) -> None:
    """manifest.json and split.csv, as `histmatch_lab.data.own.prepared` reads them."""
    files = {"input": inputs, "target": "target/{name}.webp"}
    height, width = SIZE
    pairs = [
        {
            "name": name,
            "split": side,
            "height": height,
            "width": width,
            "sha256": [_sha256(folder / file.format(name=name)) for file in files.values()],
        }
        for name, side in sides.items()
    ]
    manifest = {"source": "tools/make_pairs.py", **facts, "files": files, "pairs": pairs}
    write(folder / "manifest.json", json.dumps(manifest, indent=1, ensure_ascii=False).encode())
    lines = [f"{name},{side}\n" for name, side in (("name", "split"), *sides.items())]
    write(folder / "split.csv", "".join(lines).encode())


def write_table(folder: Path, rows: Sequence[Row]) -> None:
    """The table of sources in the folder's README.md, behind what is written there by hand."""
    readme = folder / "README.md"
    written = readme.read_text(encoding="utf-8") if readme.exists() else ""
    prose, _, _ = written.partition("| Name |")
    lines = [
        "| Name | Shows | Split | Author | Licence | Source | SHA-256 of the source |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        author, path = row["author"].replace("|", "/"), row["path"].split("/")[-1]
        source = f"[{path}]({row['url']}), through {row['package']}"
        cells = (row["name"], row["shows"], row["split"], author, _licence(row), source)
        lines.append(f"| {' | '.join(cells)} | `{row['sha256']}` |")
    write(readme, f"{prose}{chr(10).join(lines)}\n".encode())


def to_pq(nits: hdr.Floats) -> npt.NDArray[np.uint16]:
    """Light with BT.709's primaries as PQ with BT.2020's, in steps of 64 of 65535."""
    values = nits_to_pq(torch.from_numpy(hdr.to_bt2020(nits))).numpy()
    return (np.round(values * 65535 / STEP) * STEP).clip(0, 65535).astype(np.uint16)


def png(pixels: npt.NDArray[np.uint16]) -> bytes:
    return bytes(imagecodecs.png_encode(pixels, level=9, filter=imagecodecs.PNG.FILTER.SUB))


def webp(pixels: retouch.Pixels) -> bytes:
    """Without loss."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", lossless=True, quality=90, method=5)
    return buffer.getvalue()


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, data)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _licence(row: Row) -> str:
    url = LICENCES.get(row["licence"], row["url"])
    return f"[{row['licence']}]({url})"


def _progress(rows: Sequence[T], label: str) -> Iterator[T]:
    with click.progressbar(rows, label=label) as bar:
        yield from bar


TASKS = {"tonemap": make_tonemap, "retouch": make_retouch}


@click.command(help=__doc__)
@click.argument("tasks", nargs=-1, type=click.Choice(list(TASKS)))
@click.option("--out", type=click.Path(path_type=Path), default=ROOT / "data_samples")
@click.option(
    "--root",
    "roots",
    multiple=True,
    default=["/"],
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where packages are unpacked; may be given several times.",
)
def main(tasks: Sequence[str], out: Path, roots: Sequence[Path]) -> None:
    packages = Packages((*map(Path, roots), ROOT))
    try:
        for task in tasks or TASKS:
            TASKS[task](out, packages)
    except (MissingError, RuntimeError) as problem:
        raise click.ClickException(str(problem)) from problem


if __name__ == "__main__":
    main()
