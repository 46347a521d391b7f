// Rows of 16-bit tensors, as words of two numbers. What lies outside the tensor is zeros.
#pragma once

#include "arguments.h"
#include "infinite.cuh"
#include "ptx/number.cuh"

// A head's rows.
struct Fp4Rows {
    const char* source;  // of row 0
    long long stride;    // bytes
    int rows, columns;
    bool vectors;  // units of 16 bytes may be read
    bool is_bfloat16;

    DEVICE Fp4Rows(const sageattn_view& view, int batch, int head, int row_count, int head_dim)
        : source(static_cast<const char*>(view.data) + batch * view.batch_stride + head * view.head_stride),
          stride(view.row_stride),
          rows(row_count),
          columns(head_dim),
          vectors(view.vectors != 0),
          is_bfloat16(view.bfloat16 != 0) {}

    // Columns column … column + 2 * kWords - 1 of a row; kWords is 1 or 4.
    template <int kWords>
    DEVICE void load(u32 (&word)[kWords], int row, int column) const {
        const int there = row < rows ? columns - column : 0;
        const char* address = source + row * stride + column * 2;
        if (vectors && there >= 2 * kWords) return load_vector(word, address);
#pragma unroll
        for (int i = 0; i < kWords; ++i) word[i] = load_two(address + 4 * i, there - 2 * i);
    }

    DEVICE void widen(float& low, float& high, u32 word) const {
        low = to_float(static_cast<u16>(word), is_bfloat16);
        high = to_float(static_cast<u16>(word >> 16), is_bfloat16);
    }

  private:
    DEVICE static void load_vector(u32 (&word)[1], const char* address) {
        word[0] = *reinterpret_cast<const u32*>(address);
    }

    DEVICE static void load_vector(u32 (&word)[4], const char* address) {
        const uint4 v = *reinterpret_cast<const uint4*>(address);
        word[0] = v.x, word[1] = v.y, word[2] = v.z, word[3] = v.w;
    }

    DEVICE static u32 load_two(const char* address, int there) {
        const u16* numbers = reinterpret_cast<const u16*>(address);
        const u32 low = there > 0 ? numbers[0] : 0u, high = there > 1 ? numbers[1] : 0u;
        return low | high << 16;
    }
};

// What means count of a number: infinity and NaN are kept out, so that they harm no other row.
DEVICE float finite_or_zero(float x) { return is_finite(x) ? x : 0.0f; }
