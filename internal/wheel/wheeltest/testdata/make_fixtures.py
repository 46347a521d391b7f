"""Makes the binary files of this directory: see README.md.

Wants the PyPI packages nvidia-cuda-nvrtc-cu12, nvidia-nvfatbin-cu12 and ziglang. With the argument "cuda13" it
wants nvidia-cuda-nvrtc 13 and nvidia-cuda-nvcc 13.5, and makes what these alone can. With "foreign" it wants ziglang
alone.
"""

import ctypes
import pathlib
import site
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
PACKAGES = pathlib.Path(site.getsitepackages()[0])
SOURCE = (HERE / "fixtures.cu").read_bytes()
TARGETS = ["70", "80", "90a", "100f", "121"]


def load(pattern):
    return ctypes.CDLL(str(next(PACKAGES.glob(pattern))))


if sys.argv[1:] == ["foreign"]:
    pass
elif sys.argv[1:] == ["cuda13"]:
    load("nvidia/cu13/lib/libnvrtc-builtins.so.*")
    NVRTC = load("nvidia/cu13/lib/libnvrtc.so.*")
else:
    NVRTC = load("nvidia/cuda_nvrtc/lib/libnvrtc.so.*")
    NVFATBIN = load("nvidia/nvfatbin/lib/libnvfatbin.so.*")


def check(status):
    if status:
        raise SystemExit(f"status {status}")


def options(texts):
    return (ctypes.c_char_p * len(texts))(*[text.encode() for text in texts])


def fetch(size_of, bytes_of, handle):
    size = ctypes.c_size_t()
    check(size_of(handle, ctypes.byref(size)))
    data = ctypes.create_string_buffer(size.value)
    check(bytes_of(handle, data))
    return data.raw


def compile_source(target):
    """Returns cubin (for sm_…) or PTX (for compute_…)."""
    program = ctypes.c_void_p()
    check(NVRTC.nvrtcCreateProgram(ctypes.byref(program), SOURCE, b"fixtures.cu", 0, None, None))
    check(NVRTC.nvrtcCompileProgram(program, 1, options([f"-arch={target}"])))
    if target.startswith("sm_"):
        return fetch(NVRTC.nvrtcGetCUBINSize, NVRTC.nvrtcGetCUBIN, program)
    return fetch(NVRTC.nvrtcGetPTXSize, NVRTC.nvrtcGetPTX, program)


def fatbin(cubins, ptx, settings):
    handle = ctypes.c_void_p()
    check(NVFATBIN.nvFatbinCreate(ctypes.byref(handle), options(settings), len(settings)))
    for target, cubin in cubins.items():
        check(NVFATBIN.nvFatbinAddCubin(handle, cubin, ctypes.c_size_t(len(cubin)), target.encode(), b"fixtures"))
    for target, text in ptx.items():
        check(NVFATBIN.nvFatbinAddPTX(handle, text, ctypes.c_size_t(len(text)), target.encode(), b"fixtures", b""))
    return fetch(NVFATBIN.nvFatbinSize, NVFATBIN.nvFatbinGet, handle)


def concatenated():
    """A fatbin whose cubins are one compressed entry, as fatbinary makes it from CUDA 13.5 on."""
    with tempfile.TemporaryDirectory() as folder:
        program = next(PACKAGES.glob("nvidia/cu13/bin/fatbinary"))
        command = [program, "--64", "--concat", f"--create={folder}/concat.fatbin"]
        for kind, sm, target in (("elf", "80", "sm_80"), ("elf", "90a", "sm_90a"), ("ptx", "121", "compute_121")):
            path = pathlib.Path(folder, target)
            path.write_bytes(compile_source(target))
            command.append(f"--image3=kind={kind},sm={sm},file={path}")
        subprocess.run(command, check=True)
        return pathlib.Path(folder, "concat.fatbin").read_bytes()


def foreign():
    """Libraries that the readers know by their first bytes alone."""
    def build(output, target, *arguments):
        command = [sys.executable, "-m", "ziglang", "cc", "-target", target, "-O2", "-o", output, *arguments]
        subprocess.run(command, check=True, cwd=HERE)

    build("macos.dylib", "x86_64-macos", "-shared", "-g0", "-s", "answer.c")
    build("i686.so", "x86-linux-gnu.2.17", "-shared", "-fPIC", "-g0", "-s", "answer.c")
    build("module.wasm", "wasm32-freestanding", "-nostdlib", "-g0", "-Wl,--no-entry", "-Wl,--export=answer", "answer.c")
    build("i686.dll", "x86-windows-gnu", "-shared", "-nostdlib", "-fno-stack-protector", "-g0", "-s", "answer.c")
    (HERE / "answer.lib").unlink(missing_ok=True)
    # Nothing of the machine that makes it: no start files of zig, whose debug information names their folder.
    here = "-fdebug-compilation-dir=."
    build("symbols.tmp", "x86_64-linux-gnu.2.17", "-shared", "-fPIC", "-nostdlib", "-g", here, "answer.c")
    subprocess.run(["objcopy", "--only-keep-debug", "symbols.tmp", "debug.so"], check=True, cwd=HERE)
    (HERE / "symbols.tmp").unlink()


def zig(output, target, *arguments):
    subprocess.run(
        [sys.executable, "-m", "ziglang", "cc", "-target", target, "-shared", "-fPIC", "-O2", "-g0",
         "-o", output, *arguments],
        check=True, cwd=HERE)


def windows(output, *arguments):
    zig(output, "x86_64-windows-gnu", "-nostdlib", "-fno-stack-protector", *arguments,
        "-lkernel32", "-lapi-ms-win-crt-convert-l1-1-0")
    for beside in (pathlib.Path(output).stem + ".pdb", "windows.lib"):
        (HERE / beside).unlink(missing_ok=True)


def main():
    if sys.argv[1:] == ["foreign"]:
        foreign()
        return
    if sys.argv[1:] == ["cuda13"]:
        (HERE / "concat.fatbin").write_bytes(concatenated())
        (HERE / "sm_90a_cuda13.cubin").write_bytes(compile_source("sm_90a"))
        return
    cubins = {target: compile_source("sm_" + target) for target in TARGETS}
    ptx = {"121": compile_source("compute_121")}
    (HERE / "plain.fatbin").write_bytes(fatbin(cubins, ptx, ["-compress=false"]))
    (HERE / "speed.fatbin").write_bytes(fatbin(cubins, ptx, ["-compress-mode=speed", "-compress-all"]))
    (HERE / "size.fatbin").write_bytes(fatbin(cubins, ptx, ["-compress-mode=size", "-compress-all"]))
    (HERE / "sm_90a.cubin").write_bytes(cubins["90a"])
    zig("good.so", "x86_64-linux-gnu.2.17", "-s", "host.c")
    zig("new_glibc.so", "x86_64-linux-gnu.2.34", "-s", "host.c")
    zig("symbols.so", "x86_64-linux-gnu.2.17", "host.c", "-Wl,-rpath,/opt/somewhere", "-lrt")
    zig("device.so", "x86_64-linux-gnu.2.17", "-s", "host.c", "device.S")
    zig("aarch64.so", "aarch64-linux-gnu.2.17", "-s", "host.c")
    windows("good.dll", "-s", "windows.c")
    windows("symbols.dll", "-g", "windows.c")
    windows("device.dll", "-s", "windows.c", "device_windows.S")


main()
