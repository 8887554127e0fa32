"""What a sweep found, as text: each recipe's means over its seeds."""

from collections.abc import Sequence
from statistics import fmean

AROUND = ("data", "crop", "network", "preset", "steps", "device")  # what is not of the loss
Rows = Sequence[dict[str, str]]


def describe(rows: Rows) -> str:
    """What the rows of a sweep's table (`read_table`) share; ValueError if there are none."""
    if not rows:
        raise ValueError("rows is empty; wanted is at least one")
    shared = [f"{name} {_values(rows, name)}" for name in (*AROUND, "seed", "torch")]
    minutes = sum(float(row["seconds"]) for row in rows) / 60
    return f"{len(rows)} runs, {minutes:.0f} minutes of training in all\n{'; '.join(shared)}"


def means(rows: Rows) -> str:
    """A line for each recipe: its means over the seeds, and half the range of its PSNR.

    Where rows differ in more than the loss and the seed, the lines say in what.
    """
    differ = [name for name in AROUND if len({row[name] for row in rows}) > 1]
    groups: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        name = " ".join([row["recipe"], *(row[name] for name in differ)])
        groups.setdefault(name, []).append(row)
    width = max(map(len, groups), default=0)
    head = f"{'PSNR':>6} {'seeds ±':>7} {'5th':>6} {'SSIM':>6} {'dE2000':>6} {'EMD':>6} {'MB':>5}"
    lines = [f"{'':{width}} {head}"]
    for name, group in groups.items():
        decibels = [float(row["psnr"]) for row in group]
        spread = f"{(max(decibels) - min(decibels)) / 2:7.2f}" if len(group) > 1 else f"{'-':>7}"
        psnr_p5, ssim, colour, distance = (
            fmean(float(row[measure]) for row in group)
            for measure in ("psnr_p5", "ssim", "ciede2000", "emd")
        )
        lines.append(
            f"{name:{width}} {fmean(decibels):6.2f} {spread} {psnr_p5:6.2f} {ssim:6.3f} "
            f"{colour:6.2f} {distance:6.3f} {max(int(row['peak_mb']) for row in group):5}"
        )
    return "\n".join(lines)


def _values(rows: Rows, name: str) -> str:
    return ", ".join(dict.fromkeys(row[name] for row in rows))
