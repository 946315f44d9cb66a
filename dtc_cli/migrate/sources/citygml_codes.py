"""Code lists that a CityGML file refers to: dictionaries beside it, never addresses on the network."""

import re
from pathlib import Path
from typing import Any

from dtc_cli.errors import DtcError
from dtc_cli.migrate.sources import markup
from dtc_cli.migrate.trouble import need

LARGEST_LIST = 20 * 1024 * 1024


class Codes:
    """Words for codes. A list is read once; what cannot be read is named in `absent`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lists: dict[str, dict[str, str]] = {}
        self.absent: set[str] = set()

    def word(self, space: str, code: str) -> str | None:
        """The word for a code in the list that `codeSpace` names, or None."""
        words = self._lists.get(space)
        if words is None:
            words = self._lists[space] = self._load(space)
        return words.get(code)

    def _load(self, space: str) -> dict[str, str]:
        name = re.split(r"[/\\]", space)[-1][:80]
        # A list is a relative path to an XML file. Anything else could make us read what is not ours to read.
        if "://" in space or space.startswith(("/", "\\", "urn:")) or not name.lower().endswith(".xml"):
            self.absent.add(name)
            return {}
        for place in (self._folder / space, self._folder / "codelists" / name):
            try:
                if place.is_file() and place.stat().st_size <= LARGEST_LIST:
                    return self._read(place)
            except (OSError, ValueError, DtcError):
                continue
        self.absent.add(name)
        return {}

    def _read(self, place: Path) -> dict[str, str]:
        markup.guard_file(place)
        etree = need("lxml.etree", what="reading code lists")
        words: dict[str, str] = {}
        try:
            with place.open("rb") as stream:
                for _, entry in markup.elements(stream, "{*}Definition"):
                    code, word = _text(entry, "name"), _text(entry, "description")
                    if code and word:
                        words[code] = word
                    entry.clear()
        except etree.XMLSyntaxError as problem:
            raise ValueError(str(problem)) from problem
        return words


def _text(entry: Any, name: str) -> str | None:
    found = entry.find(f"{{*}}{name}")
    return found.text.strip() if found is not None and found.text else None
