"""The layouts of FP4 fragments and scales, by a description that others have written: what packs them
(csrc/device/fp4/records.cuh) and what multiplies them (csrc/device/ptx/fp4.cuh) must mean the same lanes, registers,
nibbles and bytes. In NumPy alone; test_fp4_cpu.py runs the kernels themselves.

Sources: NVIDIA's CUTLASS at f5c7903, include/cute/atom/mma_traits_sm120.hpp, MMA_Traits of SM120_16x8x64_TN_VS (shapes
and strides of ALayout, BLayout, SFALayout, SFBLayout), and mma_traits_sm80.hpp, SM80_16x8_Row. They leave open which of
the lanes with equal scales count; that is in the PTX ISA, 8.7 and later, "Block Scaling for mma.sync".
"""

import itertools

import pytest

np = pytest.importorskip("numpy")

import fp4_reference as reference

LANES = np.arange(32)
G, T = LANES // 4, LANES % 4


def offsets(shape, stride):
    """A layout of CUTLASS as the list of its offsets: the first mode counts fastest."""
    modes = list(zip(shape, stride))[::-1]
    counts = itertools.product(*(range(size) for size, _ in modes))
    return [sum(number * step for number, (_, step) in zip(count, modes)) for count in counts]


def thread_values(shape, stride, rows):
    """A thread-value layout -> the rows and the k of [32 lanes, values], of a matrix stored column by column."""
    threads, values = (np.array(offsets(*both)) for both in zip(shape, stride))
    index = threads[:, None] + values
    return index % rows, index // rows


A = thread_values(((4, 8), (8, 2, 2)), ((128, 1), (16, 8, 512)), 16)
B = thread_values(((4, 8), (8, 2)), ((64, 1), (8, 256)), 8)
SUMS = thread_values(((4, 8), (2, 2)), ((32, 1), (16, 8)), 16)
SCALES_A = thread_values(((2, 2, 8), (64,)), ((8, 0, 1), (16,)), 16)
SCALES_B = thread_values(((4, 8), (64,)), ((0, 1), (8,)), 8)


def test_fragments_of_a():
    register, nibble = np.divmod(np.arange(32), 8)
    assert (A[0] == G[:, None] + 8 * (register % 2)).all()
    assert (A[1] == 32 * (register // 2) + 8 * T[:, None] + nibble).all()


def test_fragments_of_b():
    register, nibble = np.divmod(np.arange(16), 8)
    assert (B[0] == G[:, None]).all()
    assert (B[1] == 32 * register + 8 * T[:, None] + nibble).all()


def test_sums():
    number = np.arange(4)
    assert (SUMS[0] == G[:, None] + 8 * (number // 2)).all() and (SUMS[1] == 2 * T[:, None] + number % 2).all()


def test_scales():
    """A lane's word has the scales of one row or column, a byte for each 16 k."""
    assert (SCALES_A[0] == (G + 8 * (T % 2))[:, None]).all() and (SCALES_A[1] == np.arange(64)).all()
    assert (SCALES_B[0] == G[:, None]).all() and (SCALES_B[1] == np.arange(64)).all()


def numbers(words):
    """[..] of words -> [.., 8] E2M1 numbers, the first in the low nibble."""
    values = np.array([*reference.E2M1, *(-value for value in reference.E2M1)])
    return values[words[..., None] >> 4 * np.arange(8) & 15]


def scale_numbers(words):
    """[..] of words -> [.., 64]: the E4M3 scale of each k."""
    values = np.array([reference.e4m3_value(code) for code in range(256)])
    return np.repeat(values[words[..., None] >> 8 * np.arange(4) & 255], 16, -1)


def product(a, b, scale_a, scale_b, select_a, select_b):
    """The instruction by CUTLASS's layouts alone: registers a [32, 4], b [32, 2] and words of scales [32] -> [16, 8].

    Of four lanes with the same g, the pair that select_a names has the scales of rows, and the lane select_b columns.
    """
    left, right = np.zeros((16, 64)), np.zeros((8, 64))
    left[A] = numbers(a).reshape(32, 32)
    right[B] = numbers(b).reshape(32, 16)
    given = select_a == T // 2
    left[SCALES_A[0][given], SCALES_A[1][given]] *= scale_numbers(scale_a[given])
    given = select_b == T
    right[SCALES_B[0][given], SCALES_B[1][given]] *= scale_numbers(scale_b[given])
    return left @ right.T


@pytest.mark.parametrize("select_a", range(2))
@pytest.mark.parametrize("select_b", range(4))
def test_the_reference_is_that_product(select_a, select_b):
    """What the kernels on the CPU, and --check on a GPU, are compared with."""
    random = np.random.default_rng(4 * select_a + select_b)
    words = random.integers(0, 1 << 32, (32, 8))
    words[:, 6:] = random.integers(0x20, 0x50, (32, 8), np.uint8).view(np.uint32)
    sums = np.array(reference.product(words, select_a, select_b))
    expected = product(words[:, :4], words[:, 4:6], words[:, 6], words[:, 7], select_a, select_b)
    assert np.allclose(sums, expected[SUMS], rtol=1e-12)


class Block:
    """Random codes and scales of 128 rows, in a record as the quantiser makes it; words as kernels read."""

    def __init__(self, role, columns, seed):
        random = np.random.default_rng(seed)
        places, scales_at = (np.array(i) for i in reference.places(role, columns))
        codes = random.integers(0, 16, places.shape)
        scales = random.integers(0x20, 0x50, (len(places), places.shape[1] // 16))
        record = np.zeros(72 * columns, np.uint8)
        np.bitwise_or.at(record, places // 2, (codes << 4 * (places & 1)).astype(np.uint8))
        record[scales_at[:, ::16]] = scales
        self.words = record.view(np.uint32).astype(np.int64)
        values = np.array([*reference.E2M1, *(-value for value in reference.E2M1)])[codes]
        grid = np.array([reference.e4m3_value(code) for code in range(256)])
        self.values = values * np.repeat(grid[scales], 16, 1)


def test_position_makes_scores_the_next_operand():
    """The scores that a lane gets for 32 keys, columns 2 t and 2 t + 1 of four products, are its next fragment."""
    columns = np.array([reference.position(key) for key in range(32)])
    assert sorted(columns) == list(range(32))
    for key, column in enumerate(columns):
        lane_of_score, place_of_score = column % 8 // 2, 2 * (column // 8) + column % 2
        assert (lane_of_score, place_of_score) == (key // 8, key % 8)
        assert (A[1][lane_of_score, place_of_score]) == key


@pytest.mark.parametrize("columns", [64, 128])
def test_records_of_queries_and_keys(columns):
    """Records through the loads of csrc/device/fp4/attention.cuh: load_queries, multiply_keys."""
    steps = columns // 64
    queries, keys = Block("query", columns, 1), Block("key", columns, 2)
    order = [reference.position(key) for key in range(128)]
    for warp in range(8):
        words = queries.words[warp * 9 * columns // 4 :]
        scale_a = words[2 * columns :][LANES if steps == 2 else 2 * G + T % 2]
        scores = np.zeros((16, 128))
        for tile, step in itertools.product(range(16), range(steps)):
            a = words[(step * 32 + LANES)[:, None] * 4 + np.arange(4)]
            vector = (tile * 32 + LANES) * 4 + 2 * step if steps == 2 else ((tile // 2 * 32 + LANES) * 2 + tile % 2) * 2
            scale_b = keys.words[16 * columns :][(step * 32 + LANES) * 4 + tile // 4]
            b = keys.words[vector[:, None] + np.arange(2)]
            scores[:, 8 * tile : 8 * tile + 8] += product(a, b, scale_a, scale_b, step, tile % 4)
        expected = queries.values[16 * warp : 16 * warp + 16] @ keys.values.T
        assert np.allclose(scores[:, order], expected, rtol=1e-12)


@pytest.mark.parametrize("columns", [64, 128])
def test_records_of_values(columns):
    """Probabilities in A fragments times values, as multiply_values does; lanes whose scales do not count hold NaN."""
    random = np.random.default_rng(3)
    codes, scales = random.integers(0, 16, (16, 128)), random.integers(0x20, 0x50, (16, 8))
    values = Block("value", columns, 4)
    output = np.zeros((16, columns))
    for half in range(2):
        part = codes[:, 64 * half : 64 * half + 64]
        a = (part[A].reshape(32, 4, 8) << 4 * np.arange(8)).sum(-1)
        bytes_of_row = scales[:, 4 * half : 4 * half + 4][SCALES_A[0][:, 0]]
        scale_a = np.where(T < 2, (bytes_of_row << 8 * np.arange(4)).sum(-1), 0x7F7F7F7F)
        for tile in range(columns // 8):
            vector = ((half * (columns // 16) + tile // 2) * 32 + LANES) * 4 + tile % 2 * 2
            scale_b = values.words[16 * columns :][(half * 32 + LANES) * (columns // 32) + tile // 4]
            b = values.words[vector[:, None] + np.arange(2)]
            output[:, 8 * tile : 8 * tile + 8] += product(a, b, scale_a, scale_b, 0, tile % 4)
    numbers_of_codes = np.array([*reference.E2M1, *(-value for value in reference.E2M1)])[codes]
    grid = np.array([reference.e4m3_value(code) for code in range(256)])
    order = [reference.position(channel) for channel in range(columns)]
    expected = (numbers_of_codes * np.repeat(grid[scales], 16, 1)) @ values.values.T
    assert np.allclose(output[:, order], expected, rtol=1e-12)
