"""Files out of Debian's and npm's packages, wherever these are unpacked, checked by their hash."""

import base64
import hashlib
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# What makes each package's files appear.
HOW_TO_GET = {
    "gcompris-qt-data": "apt-get install gcompris-qt-data (Debian 12 has 3.1)",
    "palapeli-data": "apt-get install palapeli-data (Debian 12 has 22.12.3)",
    "lomiri-wallpapers-16.04": "apt-get install lomiri-wallpapers-16.04 (Debian 12 has 20.04.0)",
    "lomiri-wallpapers-20.04": "apt-get install lomiri-wallpapers-20.04 (Debian 12 has 20.04.0)",
    "libjxl-testdata": "apt-get install libjxl-testdata (Debian 12 has 0.0~git20230110)",
    "blender-data": "apt-get install --no-install-recommends blender-data (Debian 12 has 3.4.1)",
    "budgie-backgrounds": (
        "apt-get install budgie-backgrounds (Debian 13 has 3.0; on Debian 12 unpack its .deb with "
        "dpkg-deb -x, and give the folder as another --root)"
    ),
    "@pmndrs/assets": "npm install @pmndrs/assets@1.7.0, and give its node_modules as a --root",
    "data_samples": "a whole clone of this project",
}
COMPRESSED, FOLDER = 1, 2  # flags of an entry in a Qt resource file


class MissingError(Exception):
    """A package or a program is not there; the message says how to get it."""


@dataclass(frozen=True)
class Packages:
    """Where packages are unpacked: "/" for what is installed, or other folders.

    Attributes:
        roots: folders to look in, the first that has a file wins.
    """

    roots: tuple[Path, ...]

    def read(self, package: str, path: str, sha256: str) -> bytes:
        """The bytes of one file of a package.

        Args:
            package: a key of `HOW_TO_GET`.
            path: below a root; behind a "!", what to take out of a Qt resource file (.rcc). Of a
                JavaScript module, the base64 in it is decoded.
            sha256: what the bytes must have.

        Raises:
            MissingError: no root has the file, or it is another version's.
        """
        outer, _, inner = path.partition("!")
        data = self._find(package, outer)
        if inner:
            data = _resources(data).get(inner, b"")
        elif outer.endswith(".js"):
            data = _base64_in(data)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise MissingError(
                f"{path} is not the file that was catalogued: another version of {package}? "
                f"{HOW_TO_GET[package]}"
            )
        return data

    def _find(self, package: str, path: str) -> bytes:
        for root in self.roots:
            if (root / path).is_file():
                return (root / path).read_bytes()
        places = ", ".join(map(str, self.roots))
        raise MissingError(f"{path} is not below {places}: {HOW_TO_GET[package]}")


def _base64_in(module: bytes) -> bytes:
    match = re.search(rb"base64,([A-Za-z0-9+/=]+)", module)
    return base64.b64decode(match[1]) if match else b""


@cache  # an archive holds many of the pictures
def _resources(data: bytes) -> dict[str, bytes]:
    """What a Qt resource file holds, by path; {} for anything else."""
    if data[:4] != b"qres":
        return {}
    version, tree, files, names = struct.unpack(">4I", data[4:20])
    size = 22 if version >= 2 else 14

    def name_at(offset: int) -> str:
        (length,) = struct.unpack_from(">H", data, names + offset)
        start = names + offset + 6
        return data[start : start + 2 * length].decode("utf-16-be")

    def walk(entry: int, above: str) -> Iterator[tuple[str, bytes]]:
        at = tree + entry * size
        name, flags = struct.unpack_from(">IH", data, at)
        path = f"{above}/{name_at(name)}" if entry else ""
        if flags & FOLDER:
            count, first = struct.unpack_from(">2I", data, at + 6)
            for child in range(first, first + count):
                yield from walk(child, path)
            return
        (offset,) = struct.unpack_from(">I", data, at + 10)
        (length,) = struct.unpack_from(">I", data, files + offset)
        content = data[files + offset + 4 : files + offset + 4 + length]
        yield path, zlib.decompress(content[4:]) if flags & COMPRESSED else content

    return dict(walk(0, ""))
