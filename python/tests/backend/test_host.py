"""The C library, built by the real zig, as far as it works without a GPU."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from build_backend import __main__ as command_line

HOST = Path(__file__).parents[3] / "csrc" / "host"
_DRIVER = HOST.parent / "tests" / "host" / "fake_driver.c"
MOST = {
    name: int(number)
    for name, number in re.findall(r"(SAGEATTN_MAX_\w+) = (\d+)", (HOST / "fatbin.h").read_text())
}

if importlib.util.find_spec("ziglang") is None:
    pytest.skip("zig is not installed: pip install ziglang", allow_module_level=True)
if not sys.platform.startswith("linux"):
    pytest.skip("loads a Linux library", allow_module_level=True)


def build(output: Path, sources: Path) -> int:
    command = ["host", "--target", "x86_64-linux-gnu.2.17", "--output", str(output)]
    return command_line.main([*command, *map(str, sources.glob("*.c"))])


@pytest.fixture(scope="session")
def library_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("host") / "libsageattn.so"
    assert build(output, HOST) == 0
    return output


@pytest.fixture
def library(library_path: Path, tmp_path: Path) -> ctypes.CDLL:
    """A fresh copy each time: the library keeps what it loaded."""
    copy = tmp_path / "libsageattn.so"
    shutil.copy(library_path, copy)
    loaded = ctypes.CDLL(str(copy))
    loaded.sageattn_last_error.restype = ctypes.c_char_p
    return loaded


FLAGS = {"": 0, "a": 0x100000, "f": 0x200000}


def entry(
    kind: int, sm: int, payload: bytes = b"\x7fELF....", name: bytes = b"mean", suffix: str = ""
) -> bytes:
    place = (64, len(name), FLAGS[suffix])
    head = struct.pack("<HHIQIIIIIIQ", kind, 0x101, 96, len(payload), 0, 0, 0, sm, *place)
    return (head.ljust(64, b"\0") + name).ljust(96, b"\0") + payload


def container(*entries: bytes) -> bytes:
    body = b"".join(entries)
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(body)) + body


def load(library: ctypes.CDLL, tmp_path: Path, data: bytes) -> tuple[int, str]:
    path = tmp_path / "some.fatbin"
    path.write_bytes(data)
    return library.sageattn_load(str(path).encode()), library.sageattn_last_error().decode()


def test_same_bytes_from_another_directory(library_path: Path, tmp_path: Path) -> None:
    shutil.copytree(HOST.parent, tmp_path / "elsewhere", ignore=shutil.ignore_patterns("tests"))
    again = tmp_path / "libsageattn.so"
    assert build(again, tmp_path / "elsewhere" / "host") == 0
    assert again.read_bytes() == library_path.read_bytes()
    assert str(HOST).encode() not in library_path.read_bytes()


def test_well_formed_fatbins_load(library: ctypes.CDLL, tmp_path: Path) -> None:
    two = container(entry(2, 90), entry(1, 121)) + bytes(12) + container(entry(2, 75))
    assert load(library, tmp_path, two)[0] == 0


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "it is empty"),
        (b"short", "it is cut off"),
        (b"not a fatbin, but long enough", "it is no fatbin"),
        (container(entry(2, 90))[:-1], "it is cut off"),
        (container(entry(2, 90)[:-1]), "an entry is larger than its container"),
        (container(entry(2, 90)[:30]), "an entry is cut off"),
        (container(entry(2, 90, name=b"")), "an image has no name"),
        (container(entry(2, 90, name=b"n" * 32)), "the name of an image is too long"),
        (container(*[entry(2, 90)] * (MOST["SAGEATTN_MAX_IMAGES"] + 1)), "too many images"),
        (container(entry(2, 90)) * (MOST["SAGEATTN_MAX_CONTAINERS"] + 1), "too many containers"),
        (
            container(struct.pack("<HHIQ", 2, 1, 64, 2**64 - 32) + bytes(60)),
            "larger than its container",
        ),
    ],
)
def test_malformed_fatbins_are_refused(
    library: ctypes.CDLL, tmp_path: Path, data: bytes, text: str
) -> None:
    status, message = load(library, tmp_path, data)
    assert status == 3 and text in message


def test_what_is_no_regular_file_is_named(library: ctypes.CDLL, tmp_path: Path) -> None:
    """A folder was "Cannot allocate memory", and a FIFO was waited for."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to(tmp_path)
    for path in tmp_path, tmp_path / "fifo", tmp_path / "link", Path("/dev/zero"):
        assert library.sageattn_load(bytes(path)) == 3
        assert f"{path}: it is no regular file" in library.sageattn_last_error().decode()


def test_every_truncation_is_refused_or_loads(library: ctypes.CDLL, tmp_path: Path) -> None:
    """Only what ends with a whole container loads."""
    whole = container(entry(2, 90), entry(1, 90)) + container(entry(2, 75))
    first = len(container(entry(2, 90), entry(1, 90)))
    for size in range(len(whole)):
        (tmp_path / str(size)).mkdir()  # a path that is loaded already is not read again
        status, _ = load(library, tmp_path / str(size), whole[:size])
        assert status == (0 if size == first else 3), size


_FIRST_CALL = """
import ctypes, runpy, sys
abi = runpy.run_path(sys.argv[2])
library = ctypes.CDLL(sys.argv[1])
assert library.sageattn_load(sys.argv[3].encode()) == 0
some = ctypes.create_string_buffer(64)
params = abi["MeanParams"](
    size=ctypes.sizeof(abi["MeanParams"]), mean=ctypes.addressof(some), batch=1, heads=1, rows=1, head_dim=64,
    input=abi["Tensor"](data=ctypes.addressof(some), batch_stride=64, head_stride=64, row_stride=64),
)
assert library.sageattn_mean(ctypes.byref(params), 0, None) == 0
attention = abi["AttentionParams"](
    size=ctypes.sizeof(abi["AttentionParams"]), batch=1, query_heads=1, key_heads=1, query_rows=1, key_rows=1,
    head_dim=72, sm_scale=1.0, granularity=3, kind=0,
    query=abi["Tensor"](ctypes.addressof(some)), key=abi["Tensor"](ctypes.addressof(some)),
    value=abi["Tensor"](ctypes.addressof(some)), output=abi["Tensor"](ctypes.addressof(some)),
    query_scale=ctypes.addressof(some), key_scale=ctypes.addressof(some),
)
assert library.sageattn_attention(ctypes.byref(attention), 0, None) == 0
assert library.sageattn_attention(ctypes.byref(attention), 0, None) == 0
attention.kind, attention.value_dtype, attention.value_scale = 3, abi["FLOAT8_E4M3"], ctypes.addressof(some)
assert library.sageattn_attention(ctypes.byref(attention), 0, None) == abi["NO_IMAGE"]
has = ctypes.c_int32()
assert library.sageattn_has(0, ctypes.c_int64(72), 0, ctypes.byref(has)) == 0 and has.value == 1
assert library.sageattn_has(3, ctypes.c_int64(72), 0, ctypes.byref(has)) == 0 and has.value == 0
"""


def test_each_container_is_asked_for_its_own_kernels(library_path: Path, tmp_path: Path) -> None:
    """Asking in vain would be an error of the driver's interface, which debuggers report: a container without an
    image for the device is passed over, and a kind that has no other is not there: nothing else serves."""
    driver = ["-shared", "-w", "-fPIC", "-o", str(tmp_path / "libcuda.so.1")]
    zig = [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-linux-gnu.2.17"]
    subprocess.run([*zig, *driver, str(_DRIVER)], check=True)
    (tmp_path / "some.fatbin").write_bytes(
        container(entry(2, 90, name=b"attention_fp16_sm80"), entry(2, 75, name=b"attention_fp16_sm75"))
        + container(entry(2, 75, name=b"attention_fp8_sm89"))
        + container(entry(2, 90, name=b"quantize"))
    )
    arguments = (
        library_path,
        HOST.parents[1] / "python/sageattention/_abi.py",
        tmp_path / "some.fatbin",
    )
    result = subprocess.run(
        [sys.executable, "-c", _FIRST_CALL, *map(str, arguments)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path)},
    )
    lines = [
        line for line in result.stdout.splitlines() if not line.startswith(("host ", "launch "))
    ]
    assert lines == [
        "quantize mean",
        "attention_fp16_sm80 attention_fp16_hd96",
        "quantize quantize",
    ]


class ImageInfo(ctypes.Structure):
    """sageattn_image_info, whose mirror in the package needs torch."""

    _fields_ = [
        ("operation", ctypes.c_char * 32),
        ("sm_major", ctypes.c_int32),
        ("sm_minor", ctypes.c_int32),
        ("ptx", ctypes.c_int32),
        ("way", ctypes.c_int32),
        ("suffix", ctypes.c_char * 4),
    ]


LOADS = HOST.parents[1] / "kernels/testdata/loads.txt"
WAYS = ("no", "JIT", "same-major", "native")


def images_of(text: str, name: bytes) -> bytes:
    """A container of the images that a line of loads.txt lists: "8.0,PTX9.0a"."""
    entries = []
    for image in text.split(","):
        match = re.fullmatch(r"(PTX)?(\d+)\.(\d)([af]?)", image)
        assert match, image
        sm = int(match[2] + match[3])
        entries.append(entry(1 if match[1] else 2, sm, name=name, suffix=match[4]))
    return container(*entries)


@pytest.mark.parametrize("reverse", [False, True], ids=["in order", "reversed"])
def test_an_sm_loads_what_the_table_says(
    library: ctypes.CDLL, tmp_path: Path, reverse: bool
) -> None:
    """The rule of csrc/host/fatbin.c, by the table that the Go rule and the build backend are tested with."""
    lines = [line.split() for line in LOADS.read_text().splitlines() if line[:1] not in ("", "#")]
    assert len(lines) > 40
    for number, (images, sm, way, taken) in enumerate(lines):
        listed = ",".join(images.split(",")[::-1]) if reverse else images
        path = tmp_path / f"{number}.fatbin"
        path.write_bytes(images_of(listed, b"attention_fp16_sm80") + images_of(listed, b"quantize"))
        assert library.sageattn_load(str(path).encode()) == 0
        info = ImageInfo()
        numbers = 0, ctypes.c_int64(64), int(sm.replace(".", ""))
        assert library.sageattn_image(*numbers, ctypes.byref(info)) == 0
        name = f"{'PTX' * info.ptx}{info.sm_major}.{info.sm_minor}{info.suffix.decode()}"
        assert (WAYS[info.way], name if info.way else "-") == (way, taken), (listed, sm)


def test_missing_file_names_it(library: ctypes.CDLL) -> None:
    assert library.sageattn_load(b"/no/such.fatbin") == 3
    assert b"/no/such.fatbin: No such file" in library.sageattn_last_error()


def test_scale_counts(library: ctypes.CDLL) -> None:
    library.sageattn_scale_count.restype = ctypes.c_int64
    library.sageattn_scale_count.argtypes = [ctypes.c_int32, ctypes.c_int32, ctypes.c_int64]
    count = library.sageattn_scale_count
    assert [count(0, g, 129) for g in (1, 2, 3)] == [2, 8, 64]
    assert [count(1, g, 129) for g in (1, 2, 3)] == [3, 3, 12]
    assert [count(0, 3, 0), count(2, 1, 1), count(0, 4, 1), count(0, 1, -1)] == [0, -1, -1, -1]


def test_errors_belong_to_a_thread(library: ctypes.CDLL) -> None:
    import threading

    library.sageattn_load(b"/first")
    texts: list[bytes] = []

    def other() -> None:
        texts.append(library.sageattn_last_error())
        library.sageattn_load(b"/second")
        texts.append(library.sageattn_last_error())

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert texts[0] == b"" and b"/second" in texts[1]
    assert b"/first" in library.sageattn_last_error()
