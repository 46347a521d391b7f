"""`python -m sagebuild`: runs the program that was installed with this package, wherever the PATH leads."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

NAME = "sagebuild.exe" if os.name == "nt" else "sagebuild"


def find() -> Path:
    """The installed program. An installation for one user, or by --target, has a folder of its own for programs."""
    schemes = [name for name in sysconfig.get_scheme_names() if name.endswith("_user")]
    folders = [sysconfig.get_path("scripts"), *(sysconfig.get_path("scripts", name) for name in schemes)]
    folders += [str(Path(__file__).parents[1] / "bin"), str(Path(__file__).parents[1] / "Scripts")]
    for folder in folders:
        program = Path(folder) / NAME
        if program.is_file():
            return program
    raise SystemExit(f"sagebuild: error: {NAME} is in none of {', '.join(folders)}\n"
                     f"sagebuild: hint: {sys.executable} -m pip install --force-reinstall sagebuild")


def main() -> None:
    """Gives this process to the program; Windows has no such call, so there the program runs below."""
    program = str(find())
    if os.name == "nt":
        raise SystemExit(subprocess.run([program, *sys.argv[1:]], check=False).returncode)
    os.execv(program, [program, *sys.argv[1:]])


if __name__ == "__main__":
    main()
