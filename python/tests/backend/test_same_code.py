"""SMs that run the code of an older one, or share its PTX.

`make same-code` compares all sources and CUDAs, which takes minutes.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from support import same_code

from build_backend.nvrtc import Nvrtc


@pytest.mark.parametrize(("sm", "of", "sources"), same_code.pairs())
def test_the_smallest_source_has_the_same_code(compiler: Nvrtc, sm: str, of: str, sources: list[Path]) -> None:
    if int(sm.replace(".", "")) not in compiler.supported():
        pytest.skip(f"this NVRTC cannot target SM {sm}")
    smallest = min(sources, key=lambda source: source.name != "quantize_value.cu")
    same = same_code.compare(compiler, smallest, sm, of)
    assert same.keys() == {"value_statistics", "value_quantize", "value_finish"}
    assert all(same.values()), f"the code of {sm} is no longer that of {of}: take the row from csrc/kernels.toml"


def test_a_difference_is_seen(compiler: Nvrtc) -> None:
    """SM 9.0 has other code than 8.9: a comparison that always agreed would not see it."""
    source = same_code.DEVICE / "quantize" / "quantize_value.cu"
    assert not all(same_code.compare(compiler, source, "9.0", "8.9").values())


def test_the_smallest_sources_have_the_same_ptx(compiler: Nvrtc) -> None:
    """Every list of SMs of a quantiser's source."""
    small = [(source, group) for source, group in same_code.groups() if source.parent.name == "quantize"]
    known = compiler.supported()
    assert len(small) >= 4
    for source, group in small:
        sms = [sm for sm in group if int(sm.replace(".", "")) in known]
        assert not same_code.other_ptx(compiler, source, sms), f"{source.name}: mend its ptx in csrc/kernels.toml"


def test_other_ptx_is_seen(compiler: Nvrtc) -> None:
    """SM 10.0 has other PTX than 9.0."""
    source = same_code.DEVICE / "quantize" / "quantize_value.cu"
    assert same_code.other_ptx(compiler, source, ["8.9", "9.0", "10.0"]) == ["10.0"]


def test_sms_that_a_source_tells_apart_have_the_same_ptx(compiler: Nvrtc) -> None:
    """A condition on the SM would silently be decided for the first of them; some in headers do not matter."""
    told = {(source.name, *group): same_code.conditions(source, group) for source, group in same_code.groups()}
    assert told["attention_fp16_accum_f16_sm80.cu", "8.6", "8.9"] == {"SM >= 890"}
    assert not told["attention_fp16_sm80.cu", "10.0", "11.0", "12.0"]
    known = compiler.supported()
    for source, group in same_code.groups():
        sms = [sm for sm in group if int(sm.replace(".", "")) in known]
        if told[(source.name, *group)] and len(sms) > 1:
            assert not same_code.other_ptx(compiler, source, sms), f"{source.name}: mend its ptx in csrc/kernels.toml"
