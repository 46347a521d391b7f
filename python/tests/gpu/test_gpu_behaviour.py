"""Memory, streams, graphs and compilation: what a kernel may touch, and when."""

from __future__ import annotations

import shutil
import threading
from typing import Any

import pytest
import torch
from support import gpu, kinds
from support.accuracy import compare
from support.cases import Case, inputs, nhd

from sageattention import _abi, _describe, _launch, reference, sageattn
from sageattention._kinds import KINDS

gpu.require()

ODD = Case(2, 6, 3, 77, 133, 64)
CASES = [ODD, ODD._replace(head_dim=128, dtype=torch.bfloat16, is_causal=True)]
cases = pytest.mark.parametrize("case", CASES, ids=str)


def attend(case: Case, tensors: Any, **options: Any) -> tuple[torch.Tensor, torch.Tensor]:
    result = sageattn(*tensors, is_causal=case.is_causal, return_lse=True, **options)
    assert isinstance(result, tuple)
    return result


def same(first: tuple[torch.Tensor, ...], second: tuple[torch.Tensor, ...]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second))


def poisoned(tensor: torch.Tensor, front: int, columns: int, rows: int) -> torch.Tensor:
    """The same values as a view into NaN: front elements before, columns and rows after."""
    batch, heads, length, head_dim = tensor.shape
    row = head_dim + columns
    base = torch.full(
        (front + batch * heads * (length + rows) * row,),
        float("nan"),
        dtype=tensor.dtype,
        device="cuda",
    )
    strides = (heads * (length + rows) * row, (length + rows) * row, row, 1)
    view = base.as_strided(tensor.shape, strides, front)
    view.copy_(tensor)
    return view


@cases
@pytest.mark.parametrize(("front", "columns"), [(0, 0), (8, 8), (1, 0), (1, 3), (4, 2)], ids=str)
def test_any_alignment_and_nan_around(case: Case, front: int, columns: int) -> None:
    tensors = inputs(case)
    expected = attend(case, tensors)
    views = tuple(poisoned(x, front, columns, rows=5) for x in tensors)
    assert same(attend(case, views), expected)


@cases
def test_views_of_one_fused_tensor(case: Case) -> None:
    fused = torch.randn(2, 50, 3, 6, case.head_dim, device="cuda").to(case.dtype)
    views = fused.unbind(2)
    expected = attend(case, tuple(x.contiguous() for x in views), tensor_layout="NHD")
    assert same(attend(case, views, tensor_layout="NHD"), expected)
    transposed = tuple(x.transpose(1, 2) for x in views)
    output, lse = attend(case, transposed)
    assert output.is_contiguous()
    assert same((nhd(output), lse), expected)


@cases
def test_expanded_batches(case: Case) -> None:
    tensors = tuple(x[:1].expand(2, -1, -1, -1) for x in inputs(case))
    assert same(attend(case, tensors), attend(case, tuple(x.contiguous() for x in tensors)))


@cases
def test_inputs_are_not_written(case: Case) -> None:
    tensors = inputs(case)
    copies = tuple(x.clone() for x in tensors)
    attend(case, tensors)
    assert same(tensors, copies)


@cases
def test_nothing_is_written_outside_of_the_outputs(case: Case) -> None:
    q, k, v = inputs(case)
    operators, thread = torch.ops.sageattention, _abi.PER_THREAD
    q_int8, q_scale, _ = operators.quantize_query(q, None, False, thread)
    k_int8, k_scale = operators.quantize_key(k, None, False, thread)
    guarded = [Guarded(q.shape, q.dtype), Guarded(q.shape[:3], torch.float32)]
    _launch.attention(
        KINDS["fp16"], q_int8, k_int8, v, q_scale, k_scale, guarded[0].tensor, lse=guarded[1].tensor,
        nhd=False, granularity=thread, sm_scale=0.125, causal=int(case.is_causal),
    )  # fmt: skip
    quantised = [Guarded(k.shape, torch.int8), Guarded(k_scale.shape, torch.float32)]
    tensors = (quantised[0].tensor, quantised[1].tensor)
    _launch.quantize(k, *tensors, None, None, False, _abi.KEY, thread)
    assert same(tensors, (k_int8, k_scale))
    assert all(guard.intact() for guard in guarded + quantised)


class Guarded:
    """A contiguous tensor between two pages of a known byte."""

    SIZE, BYTE = 4096, 0x5A

    def __init__(self, shape: Any, dtype: torch.dtype) -> None:
        count = torch.Size(shape).numel() * dtype.itemsize
        self.bytes = torch.full(
            (count + 2 * self.SIZE,), self.BYTE, dtype=torch.uint8, device="cuda"
        )
        self.tensor = self.bytes[self.SIZE : self.SIZE + count].view(dtype).view(shape)

    def intact(self) -> bool:
        edges = torch.cat((self.bytes[: self.SIZE], self.bytes[-self.SIZE :]))
        return bool((edges == self.BYTE).all())


@cases
def test_same_bits_every_time(case: Case) -> None:
    tensors = inputs(case)
    expected = attend(case, tensors)
    assert all(same(attend(case, tensors), expected) for _ in range(5))


@cases
def test_runs_on_the_current_stream(case: Case) -> None:
    old, new = inputs(case, seed=1), inputs(case, seed=2)
    expected = attend(case, new)
    torch.cuda.synchronize()
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(100_000_000)
        for target, source in zip(old, new):
            target.copy_(source)
        found = attend(case, old)
    stream.synchronize()
    assert same(found, expected)


def test_does_not_synchronise() -> None:
    tensors = inputs(ODD)
    attend(ODD, tensors)
    torch.cuda.synchronize()
    torch.cuda._sleep(2_000_000_000)
    attend(ODD, tensors)
    busy = not torch.cuda.current_stream().query()
    torch.cuda.synchronize()
    assert busy


@cases
def test_graph_capture_and_replay(case: Case) -> None:
    tensors = inputs(case, seed=1)
    attend(case, tensors)  # loads the kernels, which a capture cannot
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        output = attend(case, tensors)
    for seed in (2, 3):
        fresh = inputs(case, seed=seed)
        for target, source in zip(tensors, fresh):
            target.copy_(source)
        graph.replay()
        torch.cuda.synchronize()
        assert same(output, attend(case, fresh))


@pytest.mark.parametrize("backend", ["eager", "aot_eager", "inductor"])
@pytest.mark.parametrize("layout", ["HND", "NHD"])
@pytest.mark.parametrize("head_dim", [64, 80])
def test_compile(backend: str, layout: str, head_dim: int) -> None:
    if backend == "inductor" and not (shutil.which("cc") or shutil.which("gcc")):
        pytest.skip("inductor needs a C compiler")
    torch._dynamo.reset()
    tensors = inputs(Case(1, 4, 2, 64, 64, head_dim))

    def function(
        q: torch.Tensor, k: torch.Tensor, v: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        output, lse = sageattn(q * 2, k, v, tensor_layout=layout, return_lse=True)
        return output + 1, lse

    if layout == "NHD":
        tensors = tuple(nhd(x) for x in tensors)
    compiled = torch.compile(function, fullgraph=True, backend=backend)
    with torch.no_grad():
        for found, expected in zip(compiled(*tensors), function(*tensors)):
            torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_operators_pass_opcheck() -> None:
    q, k, v = inputs(ODD)
    operators = torch.ops.sageattention
    utilities = ("test_schema", "test_faketensor", "test_aot_dispatch_dynamic")
    mean = operators.mean(k, False)
    key = operators.quantize_key(k, mean, False, 3)
    query = operators.quantize_query(q, mean, False, 3)
    attention = (query[0], key[0], v, query[1], key[1], query[2], False, 3, 0.1, 1, True)
    for operator, arguments in (
        (operators.mean, (k, False)),
        (operators.quantize_key, (k, mean, False, 3)),
        (operators.quantize_query, (q, mean, False, 3)),
        (operators.attention, attention),
        (operators.forward, (q, k, v, None, False, 1, 0.1, "fp16", 3, True, True)),
    ):
        torch.library.opcheck(operator.default, arguments, test_utils=utilities)


@cases
def test_pieces_make_the_whole(case: Case) -> None:
    q, k, v = inputs(case)
    operators = torch.ops.sageattention
    mean = operators.mean(k, False)
    key, key_scale = operators.quantize_key(k, mean, False, 3)
    query, query_scale, dot = operators.quantize_query(q, mean, False, 3)
    scale = case.head_dim**-0.5
    pieces = operators.attention(
        query, key, v, query_scale, key_scale, dot, False, 3, scale, int(case.is_causal), True
    )
    causal = int(case.is_causal)
    whole = operators.forward(q, k, v, None, False, causal, scale, "fp16", 3, True, True)
    assert same(pieces, whole)


@pytest.mark.parametrize("return_lse", [False, True])
def test_lse_changes_nothing(return_lse: bool) -> None:
    """But for the wgmma kernels, which round queries otherwise for the LSE: not better, not worse."""
    tensors = inputs(ODD)
    result = sageattn(*tensors, return_lse=return_lse)
    output, with_lse = result[0] if return_lse else result, attend(ODD, tensors)[0]
    kind = kinds.kind_of("auto", tensors[0])
    if return_lse or not kind.startswith("fp8_wgmma"):
        assert torch.equal(output, with_lse)
    else:
        assert compare(output, with_lse).good(kinds.FP8_BOUND)


@pytest.mark.parametrize(("batch", "rows", "keys"), [(0, 5, 5), (1, 0, 5), (1, 5, 0), (1, 0, 0)])
def test_empty(batch: int, rows: int, keys: int) -> None:
    case = Case(batch, 2, 2, rows, keys)
    output, lse = attend(case, inputs(case))
    assert output.shape == (batch, 2, rows, 64)
    assert not output.any()
    assert bool((lse == float("-inf")).all())


def test_many_batches() -> None:
    case = Case(70_000, 1, 1, 2, 3)
    tensors = inputs(case)
    output, lse = attend(case, tensors)
    picked = torch.tensor([0, 1, 65_535, 65_536, 69_999], device="cuda")
    expected, expected_lse = reference.attention(*(x[picked] for x in tensors))
    assert compare(output[picked], expected).good(0.06)
    assert (lse[picked].double() - expected_lse).abs().mean() < 0.07


def test_offsets_beyond_32_bits() -> None:
    case = Case(1, 1, 1, 17_000, 17_000, 64)
    stride = 160_000
    if torch.cuda.mem_get_info()[0] < 3 * 2 * stride * case.rows // 2:
        pytest.skip("needs 8 GB of free GPU memory")
    base = torch.empty(stride * case.rows, dtype=torch.float16, device="cuda")
    assert base.numel() > 2**31
    tensors = inputs(case)
    views = []
    for index, tensor in enumerate(tensors):
        view = base.as_strided(tensor.shape, (0, 0, stride, 1), index * 128)
        view.copy_(tensor)
        views.append(view)
    assert same(attend(case, views), attend(case, tensors))


def test_calls_from_several_threads() -> None:
    expected = {seed: attend(ODD, inputs(ODD, seed)) for seed in range(4)}
    torch.cuda.synchronize()
    wrong: list[int] = []

    def work(seed: int) -> None:
        with torch.cuda.stream(torch.cuda.Stream()):
            tensors = inputs(ODD, seed)
            for _ in range(50):
                if not same(attend(ODD, tensors), expected[seed]):
                    wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in expected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_current_device_stays() -> None:
    if torch.cuda.device_count() < 2:
        pytest.skip("one GPU only")
    tensors = inputs(ODD)
    expected = attend(ODD, tensors)
    assert torch.cuda.current_device() == 0
    found = attend(ODD, tuple(x.to("cuda:1") for x in tensors))
    assert torch.cuda.current_device() == 0
    assert found[0].device == torch.device("cuda:1")
    assert same(tuple(x.to("cuda:0") for x in found), expected)


def test_autocast() -> None:
    tensors = inputs(ODD)
    with torch.autocast("cuda", dtype=torch.bfloat16):
        output = sageattn(*(x.float() for x in tensors))
        assert output.dtype == torch.bfloat16
        assert torch.equal(output, sageattn(*(x.float().bfloat16() for x in tensors)))
        assert sageattn(*tensors).dtype == torch.float16


def test_a_gradient_is_refused_and_no_grad_is_not() -> None:
    q, k, v = inputs(ODD)
    q.requires_grad_()
    with pytest.raises(NotImplementedError, match="no_grad"):
        sageattn(q, k, v)
    with torch.no_grad():
        assert sageattn(q, k, v).shape == q.shape  # type: ignore[union-attr]
    with torch.inference_mode():
        assert sageattn(q, k, v).shape == q.shape  # type: ignore[union-attr]


def test_the_report_names_the_kernels_that_run() -> None:
    found = _describe.collect()
    assert len(found["gpus"]) == torch.cuda.device_count()
    for gpu_found in found["gpus"]:
        for function, rows in gpu_found["choices"].items():
            assert all(row["kernel"] != "none" for row in rows), (function, rows)


def test_cpu_tensors_are_told_where_to_go() -> None:
    with pytest.raises(AssertionError, match=r"q is on cpu.*q.cuda\(\)"):
        sageattn(*(x.cpu() for x in inputs(ODD)))
