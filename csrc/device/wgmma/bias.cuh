// An additive mask, as the lanes that hold the scores read it.
#pragma once

#include "arguments.h"
#include "ptx/base.cuh"
#include "ptx/number.cuh"

// The biases of a lane's two rows, of its 32 neighbouring keys of a tile.
class WgmmaBias {
    const sageattn_wgmma_attention_arguments& p;
    const char* first;  // of the first row and key
    const int rows;     // from the first row to the second: none beyond the last
    const int keys;     // that are there, from the first on

  public:
    DEVICE WgmmaBias(const sageattn_wgmma_attention_arguments& arguments, int batch, int head, int first_row,
                     int tile)
        : p(arguments), rows(min(8, max(0, p.query_rows - 1 - first_row))), keys(p.key_rows - first_key(tile)) {
        first = static_cast<const char*>(p.bias.data) + batch * p.bias.batch_stride + head * p.bias.head_stride +
                min(first_row, p.query_rows - 1) * p.bias.row_stride + first_key(tile) * (wide() ? 4ll : 2ll);
    }

    // A row of biases for all queries serves both rows.
    DEVICE bool rows_differ() const { return p.bias.row_stride != 0; }

    // log2(e) times the biases of keys 4 c … 4 c + 3 of a row: all four are there, or none. The product rounds
    // towards zero, so that the most negative finite numbers do not become -infinity.
    DEVICE void load(float (&x)[4], int r, int c) const {
        // Registers are scarce: the second row's address is computed anew each time.
        const char* const row = r == 0 ? first : advance(first, static_cast<int>(opaque(rows)) * p.bias.row_stride);
        x[0] = x[1] = x[2] = x[3] = minus_infinity();  // keys beyond the last are no maximum
        if (4 * c < keys) load_four(x, row, c);
#pragma unroll
        for (int j = 0; j < 4; ++j) x[j] = __fmul_rz(x[j], SAGEATTN_LOG2_E);
    }

  private:
    DEVICE static int first_key(int tile) { return tile * SAGEATTN_WGMMA_KEY_TILE + lane_index() % 4 * 32; }
    DEVICE bool wide() const { return p.bias_dtype == 2; }

    DEVICE void load_four(float (&x)[4], const char* source, int c) const {
        if (wide()) {
            const float4 four = __ldg(reinterpret_cast<const float4*>(source) + c);
            x[0] = four.x, x[1] = four.y, x[2] = four.z, x[3] = four.w;
        } else {
            const uint2 four = __ldg(reinterpret_cast<const uint2*>(source) + c);
            x[0] = to_float(static_cast<u16>(four.x), p.bias.bfloat16);
            x[1] = to_float(static_cast<u16>(four.x >> 16), p.bias.bfloat16);
            x[2] = to_float(static_cast<u16>(four.y), p.bias.bfloat16);
            x[3] = to_float(static_cast<u16>(four.y >> 16), p.bias.bfloat16);
        }
    }
};
