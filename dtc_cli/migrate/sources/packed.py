"""Shapefiles that come together: in an archive or in a folder; where they lie, and their attribute tables."""

import shutil
import zipfile
from pathlib import Path, PurePosixPath

from dtc_cli.migrate.trouble import source_error

HEAD_BYTES = 8 * 1024 * 1024
"""Of a table in an archive only the beginning is unpacked, to find its encoding."""


def inside(place: Path, suffixes: tuple[str, ...]) -> str:
    """The path within an archive at which the data lies: a folder of shapefiles, or one file.

    Raises:
        DtcError: `migration-source` where there are several, since one of them would be lost.
    """
    names = _data(place)
    shapes = [name for name in names if name.lower().endswith(".shp")]
    if shapes:
        folders = sorted({str(PurePosixPath(name).parent) for name in shapes})
        if len(folders) > 1:
            raise _several(place, folders)
        return "" if folders[0] == "." else folders[0]
    found = [name for name in names if name.lower().endswith(suffixes)]
    if len(found) > 1 and len({name.rpartition(".")[0].lower() for name in found}) > 1:
        raise _several(place, sorted(found))
    return found[0] if found else ""


def database(place: Path) -> str:
    """The path of the geodatabase within an archive; nothing where its files lie in no folder of that name.

    Raises:
        DtcError: `migration-source` where there are several.
    """
    found = set()
    for name in _data(place):
        parts = PurePosixPath(name).parts
        depth = next((at for at, one in enumerate(parts) if one.lower().endswith(".gdb")), None)
        if depth is not None:
            found.add("/".join(parts[: depth + 1]))
    if len(found) > 1:
        raise _several(place, sorted(found))
    return found.pop() if found else ""


def without_index(place: Path, folder: str) -> bool:
    """Whether one of the shapefiles of a folder, or of one in an archive, lacks its index."""
    names = [one.name for one in place.iterdir()] if place.is_dir() else _inner(place, folder)
    shapes, indices = (
        {name[:-4].lower() for name in names if name.lower().endswith(suffix)} for suffix in (".shp", ".shx")
    )
    return bool(shapes - indices)


def unpack(place: Path, folder: str, out: Path) -> None:
    """Put the files of a folder in an archive, and of none below it, into a folder."""
    with zipfile.ZipFile(place) as archive:
        for name in _data(place):
            path = PurePosixPath(name)
            if str(path.parent) == (folder or "."):
                with archive.open(name) as stream, (out / path.name).open("wb") as file:
                    shutil.copyfileobj(stream, file, 1 << 20)


def _inner(place: Path, folder: str) -> list[str]:
    paths = (PurePosixPath(name) for name in _data(place))
    return [path.name for path in paths if str(path.parent) == (folder or ".")]


def tables(place: Path, folder: str, heads: Path) -> dict[str, Path]:
    """Name of a layer to its attribute table; of an archive the beginnings, unpacked to `heads`."""
    if place.is_dir():
        return {one.stem: one for one in sorted(place.iterdir()) if one.suffix.lower() == ".dbf"}
    found: dict[str, Path] = {}
    with zipfile.ZipFile(place) as archive:
        for name in _data(place):
            path = PurePosixPath(name)
            if str(path.parent) != (folder or "."):
                continue
            if path.suffix.lower() not in (".dbf", ".cpg", ".cst"):
                continue
            out = heads / f"{path.stem}{path.suffix.lower()}"
            with archive.open(name) as stream:
                out.write_bytes(stream.read(HEAD_BYTES))
            if out.suffix == ".dbf":
                found[path.stem] = out
    return found


def _data(place: Path) -> list[str]:
    """The files of an archive, without what macOS adds."""
    with zipfile.ZipFile(place) as archive:
        return [
            one.filename
            for one in archive.infolist()
            if not one.is_dir()
            and not one.filename.startswith("__MACOSX/")
            and "/._" not in f"/{one.filename}"
        ]


def _several(place: Path, found: list[str]) -> Exception:
    return source_error(
        f"{place.name} holds data in several places",
        where=str(place),
        why=", ".join(found[:8]) + (", ..." if len(found) > 8 else ""),
        hint="unpack it and migrate each; a plan may have several sources",
    )
