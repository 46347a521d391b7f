"""host: the C library by zig, for any target from any machine."""

import pathlib
import shutil
import subprocess
import sys
import tempfile

from .errors import BuildError

OPTIONS = [
    "-shared", "-O2", "-std=c11", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden", "-fPIC",
    "-g0", "-s", "-Wl,--build-id=none",
]  # fmt: skip


def add_arguments(parser):
    parser.add_argument("--target", required=True, help="zig target, such as x86_64-linux-gnu.2.17")
    parser.add_argument(
        "--output", required=True, type=pathlib.Path, help="shared library to write"
    )
    parser.add_argument("sources", nargs="+", type=pathlib.Path, metavar="SOURCE.c")


def run(arguments):
    """Compiles and links the sources; the same sources give the same bytes wherever they lie."""
    with tempfile.TemporaryDirectory() as directory:
        output = pathlib.Path(directory, arguments.output.name)
        command = command_line(arguments.target, output, sorted(arguments.sources))
        result = subprocess.run(command, check=False, capture_output=True, text=True)
        if result.returncode or not output.exists():
            _explain(command, result)
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(
            output, temporary := arguments.output.with_name(arguments.output.name + ".part")
        )
    temporary.chmod(0o755)
    temporary.replace(arguments.output)
    print(f"{arguments.output.name}: {arguments.target}, {arguments.output.stat().st_size} bytes")


def command_line(target, output, sources):
    """The zig command. Paths of this machine are mapped away."""
    command = [
        sys.executable,
        "-m",
        "ziglang",
        "cc",
        "-target",
        target,
        *OPTIONS,
        "-o",
        str(output),
    ]
    for directory in {source.resolve().parent for source in sources}:
        command.append(f"-ffile-prefix-map={directory}=.")
    command += [str(source.resolve()) for source in sources]
    if "linux" in target:
        command += [f"-Wl,-soname,{output.name}", "-ldl", "-lpthread", "-lm"]
    return command


def _explain(command, result):
    output = result.stdout + result.stderr
    if "No module named ziglang" in output:
        raise BuildError("zig not found on the Python path", "pip install ziglang")
    raise BuildError(f"{' '.join(command)}\n{output}")
