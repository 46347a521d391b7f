"""Hugging Face's `kernels`, the real one, loads this package from a directory: what `sagebuild export` writes.

The layout is its documentation's: build/torch-cuda/{metadata.json,__init__.py,…}, for every torch and platform.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sageattention
from sageattention import _library

pytest.importorskip("kernels", reason="one runtime has it: EQUIPPED in scripts/lock.py")

METADATA = {
    "id": "sage_attention_cuda_0123",
    "name": "sage-attention",
    "version": 3,
    "license": "Apache-2.0",
    "backend": {"type": "cuda"},
    "python-depends": [],
}
FAKE = """
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

def tensors():
    return [torch.empty(2, 100, 4, 64, dtype=torch.float16, device="cuda") for _ in "qkv"]
"""
ALONE = """
import sys
from kernels import get_local_kernel
kernel = get_local_kernel(Path(sys.argv[1]))
with FakeTensorMode():
    print(tuple(kernel.sageattn(*tensors(), tensor_layout="NHD").shape))
print([name for name in sys.modules if name.split(".")[0] == "sageattention"])
print(kernel.__name__, kernel._library.library_path().relative_to(sys.argv[1]))
print(len(kernel._kernels.images()) > 0)
"""
BESIDE = """
import sageattention
from support.recorded import recorded
from diffusers.models import attention_dispatch as dispatch
with FakeTensorMode(), dispatch.attention_backend("sage_hub"):
    with recorded() as operators:
        print(tuple(dispatch.dispatch_attention_fn(*tensors()).shape))
    sageattention.sageattn(*tensors())
print(operators)
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as a kernel, its library where one for several platforms lies."""
    if not _library.library_path().exists():
        pytest.skip("a source tree has no library")
    root = tmp_path_factory.mktemp("kernel")
    folder = root / "build/torch-cuda"
    source = Path(str(sageattention.__file__)).parent
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("__pycache__"))
    library = _library.library_path().name
    shared = folder / "lib" / _library._platform()
    shared.mkdir()
    (folder / "lib" / library).rename(shared / library)
    (folder / "metadata.json").write_text(json.dumps(METADATA))
    return root


def run(code: str, directory: Path, **variables: str) -> list[str]:
    paths = [str(Path(__file__).parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    result = subprocess.run(
        [sys.executable, "-c", "from pathlib import Path\n" + FAKE + code, str(directory)],
        check=False, capture_output=True, text=True, cwd="/",
        env={
            **os.environ, "PYTHONPATH": os.pathsep.join(paths), "HF_HUB_OFFLINE": "1", **variables
        },
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def test_alone(directory: Path) -> None:
    """With operators of its own, the library of its platform, and no other copy of the package."""
    platform = _library._platform()
    library = f"build/torch-cuda/lib/{platform}/{_library.library_path().name}"
    assert run(ALONE, directory) == [
        "(2, 100, 4, 64)",
        "[]",
        f"{METADATA['id']} {library}",
        "True",
    ]


def test_sage_hub_of_diffusers_beside_an_installed_wheel(directory: Path) -> None:
    override = f"SageAttention/sage-attention={directory}"
    assert run(BESIDE, directory, LOCAL_KERNELS=override) == [
        "(2, 100, 4, 64)",
        f"['{METADATA['id']}.forward']",
    ]
