"""Writes what pefile says about the DLLs of wheels for Windows, as JSON for the tests.

    python3 dlls.py WHEEL... > dlls.json

For each DLL: when it was linked, the path of its PDB file, how many symbols it imports and exports, and a digest of
them.
"""

import hashlib
import json
import pathlib
import sys
import zipfile

import pefile


def imports(image):
    """Yields a line for each symbol that the DLL takes, at once or at the first call."""
    for kind in ("DIRECTORY_ENTRY_IMPORT", "DIRECTORY_ENTRY_DELAY_IMPORT"):
        for library in getattr(image, kind, []):
            for symbol in library.imports:
                # pefile looks numbers of some DLLs up in a table of its own.
                name = f"#{symbol.ordinal}" if symbol.import_by_ordinal else symbol.name.decode()
                yield f"import {library.dll.decode()} {name}\n"


def exports(image):
    """Yields a line for each name that the DLL gives."""
    directory = getattr(image, "DIRECTORY_ENTRY_EXPORT", None)
    for symbol in directory.symbols if directory else []:
        if symbol.name:
            yield f"export {symbol.name.decode()}\n"


def pdb(image):
    """The path in the debug directory, or nothing."""
    for entry in getattr(image, "DIRECTORY_ENTRY_DEBUG", []):
        if hasattr(entry.entry, "PdbFileName"):
            return entry.entry.PdbFileName.rstrip(b"\0").decode()
    return ""


def describe(data):
    """Reads one DLL. Names of C++ are longer than pefile takes unless it is told so."""
    pefile.MAX_IMPORT_NAME_LENGTH = pefile.MAX_SYMBOL_NAME_LENGTH = 1 << 15
    pefile.MAX_SYMBOL_EXPORT_COUNT = pefile.MAX_IMPORT_SYMBOLS = 1 << 20
    image = pefile.PE(data=data)
    taken, given = list(imports(image)), list(exports(image))
    digest = hashlib.sha256("".join(sorted(taken + given)).encode()).hexdigest()
    return {
        "timestamp": image.FILE_HEADER.TimeDateStamp,
        "pdb": pdb(image),
        "imports": len(taken),
        "exports": len(given),
        "sha256": digest,
    }


def record(wheel):
    """Describes all DLLs of one wheel."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.lower().endswith((".dll", ".pyd"))]
        return {"name": wheel.name, "files": {name: describe(archive.read(name)) for name in sorted(names)}}


if __name__ == "__main__":
    json.dump([record(pathlib.Path(wheel)) for wheel in sys.argv[1:]], sys.stdout, indent=1)
    print()
