"""The wgmma path of SM 9.0 on inputs made to mislead its quantiser, beside what its formats lose on them.

SAGEATTN_LIBRARY=libsageattn.so SAGEATTN_FATBIN=sageattn.fatbin python3 -m pytest csrc/tests/test_wgmma_adversarial.py
"""

import os

import pytest
import torch

if not torch.cuda.is_available() or torch.cuda.get_device_capability() != (9, 0):
    pytest.skip("needs a GPU of SM 9.0", allow_module_level=True)
if "SAGEATTN_LIBRARY" not in os.environ:
    pytest.skip("set SAGEATTN_LIBRARY and SAGEATTN_FATBIN", allow_module_level=True)

import adversarial
from test_wgmma import library, reference, relative  # noqa: F401


@pytest.mark.parametrize("rows", [77, 1000, 4096, 9000])
@pytest.mark.parametrize("dim", [64, 128])
@pytest.mark.parametrize("name", adversarial.CASES)
def test_hardly_worse_than_the_formats(library, name, dim, rows):  # noqa: F811
    q, k, v = adversarial.operands(name, rows, dim)
    expected, _ = reference(q, k, v)
    least = relative(adversarial.formats(q, k, v), expected)
    output, _ = library.wgmma(q, k, v)
    assert relative(output, expected) < 1.15 * least + 2e-3  # bfloat16 itself rounds by as much as the second term
    assert torch.equal(library.wgmma(q, k, v)[0], output)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["fp16", "bf16"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dim", [64, 128])
def test_what_is_not_finite_stays_in_its_channel(library, dim, bad, dtype):  # noqa: F811
    q, k, v = adversarial.operands("offset", 1000, dim, dtype)
    v[0, 1, 517, 5] = bad
    output, _ = library.wgmma(q, k, v)
    assert not output[0, 1, :, 5].isfinite().any()
    output[0, 1, :, 5] = v[0, 1, :, 5] = 0
    assert relative(output, reference(q, k, v)[0]) < 0.045


@pytest.mark.parametrize("rows", [8192 + 77, 16384, 40000])
def test_heads_of_more_tiles_than_parts(library, rows):  # noqa: F811
    q, k, v = adversarial.operands("outlier-channels", rows, 128)
    k = torch.randn_like(k)
    output, _ = library.wgmma(q, k, v)
    expected, _ = reference(q, k, v)
    assert relative(output, expected) < 1.15 * relative(adversarial.formats(q, k, v), expected) + 2e-3
