// A head's rows as the quantisers read them. A block has 2 * columns threads, a thread reads kWords 32-bit words of a
// row, and what lies outside the tensor is zeros.
#pragma once

#include "tiles.cuh"
#include "ptx/number.cuh"

constexpr float kTiny = 1e-20f;  // the smallest maximum of a group: scales stay above 0

template <int kColumns>
constexpr int kPackThreads = 2 * kColumns;

// Two numbers of a word.
template <class Number>
DEVICE float low_number(u32 word) {
    return Number::kIsBfloat16 ? __uint_as_float(word << 16) : float_from_float16(static_cast<u16>(word));
}

template <class Number>
DEVICE float high_number(u32 word) {
    return Number::kIsBfloat16 ? __uint_as_float(word & 0xFFFF0000u)
                               : float_from_float16(static_cast<u16>(word >> 16));
}

template <int kWords>
struct Words {
    u32 word[kWords];
};

// Hides from the compiler that the words were widened before: widening them anew is cheaper than registers for all.
DEVICE Words<4> opaque(const Words<4>& x) {
    return {{opaque(x.word[0]), opaque(x.word[1]), opaque(x.word[2]), opaque(x.word[3])}};
}

// Loads words, or zeros unless they are there. The input is read once, and should not drive the tiles from the L2
// cache (.cs). Loads keep their order (volatile), so that registers hold one address at a time.
DEVICE void load_streamed(Words<4>& x, const char* source, bool there) {
    asm volatile(
        "{\n"
        ".reg .pred there;\n"
        "setp.ne.s32 there, %5, 0;\n"
        "mov.b32 %0, 0;\nmov.b32 %1, 0;\nmov.b32 %2, 0;\nmov.b32 %3, 0;\n"
        "@there ld.global.cs.v4.b32 {%0, %1, %2, %3}, [%4];\n"
        "}"
        : "=&r"(x.word[0]), "=&r"(x.word[1]), "=&r"(x.word[2]), "=&r"(x.word[3])
        : "l"(source), "r"(static_cast<int>(there)));
}

DEVICE void load_streamed(Words<2>& x, const char* source, bool there) {
    asm volatile(
        "{\n"
        ".reg .pred there;\n"
        "setp.ne.s32 there, %3, 0;\n"
        "mov.b32 %0, 0;\nmov.b32 %1, 0;\n"
        "@there ld.global.cs.v2.b32 {%0, %1}, [%2];\n"
        "}"
        : "=&r"(x.word[0]), "=&r"(x.word[1])
        : "l"(source), "r"(static_cast<int>(there)));
}

DEVICE u32 load_number(const char* source, bool there) {
    u32 result;
    asm volatile(
        "{\n"
        ".reg .pred there;\n"
        ".reg .b16 number;\n"
        "setp.ne.s32 there, %2, 0;\n"
        "mov.b16 number, 0;\n"
        "@there ld.global.b16 number, [%1];\n"
        "cvt.u32.u16 %0, number;\n"
        "}"
        : "=r"(result)
        : "l"(source), "r"(static_cast<int>(there)));
    return result;
}

// Columns column … column + 2 * kWords - 1 of a head's rows. All threads of a block branch alike.
template <int kWords>
struct WgmmaRows {
    const char* source;  // of row 0, which is row `start` of the view
    long long stride;    // bytes
    int rows, columns;   // rows of the head; columns from the thread's first on
    bool vectors;

    DEVICE WgmmaRows(const sageattn_view& view, int batch, int head, int start, int row_count, int head_dim,
                     int column)
        : source(static_cast<const char*>(view.data) + batch * view.batch_stride + head * view.head_stride +
                 start * view.row_stride + column * 2),
          stride(view.row_stride),
          rows(row_count),
          columns(head_dim - column),
          vectors(view.vectors && head_dim % (2 * kWords) == 0) {}

    // Rows row(0) … row(kCount - 1), all loads under way at once.
    template <int kCount, class Row>
    DEVICE void fetch(Words<kWords> (&x)[kCount], Row row) const {
        fetch<0, kCount>(x, row);
    }

    // Rows row(kFrom) … row(kTo - 1) alone.
    template <int kFrom, int kTo, int kCount, class Row>
    DEVICE void fetch(Words<kWords> (&x)[kCount], Row row) const {
        if (vectors) {
#pragma unroll
            for (int i = kFrom; i < kTo; ++i) {
                const int index = static_cast<int>(opaque(row(i)));
                load_streamed(x[i], at(index), index < rows && columns > 0);
            }
        } else {
#pragma unroll
            for (int i = kFrom; i < kTo; ++i) {
                const int index = static_cast<int>(opaque(row(i)));
                load_some(x[i], at(index), index < rows ? columns : 0);
            }
        }
    }

  private:
    DEVICE const char* at(int row) const { return advance(source, row * stride); }

    DEVICE static void load_some(Words<kWords>& x, const char* row, int columns) {
#pragma unroll
        for (int w = 0; w < kWords; ++w)
            x.word[w] = load_number(row + 4 * w, 2 * w < columns) | load_number(row + 4 * w + 2, 2 * w + 1 < columns)
                                                                        << 16;
    }
};

// kCount float32 that an earlier launch wrote; aligned to 16 bytes.
template <int kCount>
DEVICE void load_numbers(float (&x)[kCount], const float* source) {
#pragma unroll
    for (int i = 0; i < kCount; i += 4) {
        const float4 v = *reinterpret_cast<const float4*>(source + i);
        x[i] = v.x, x[i + 1] = v.y, x[i + 2] = v.z, x[i + 3] = v.w;
    }
}

template <class Number>
DEVICE void widen(float (&x)[8], const Words<4>& words) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        x[2 * i] = low_number<Number>(words.word[i]);
        x[2 * i + 1] = high_number<Number>(words.word[i]);
    }
}

DEVICE float largest_of(const float (&x)[8]) {
    float largest = 0.0f;
#pragma unroll
    for (int c = 0; c < 8; ++c) largest = fmaxf(largest, fabsf(x[c]));
    return largest;
}

// The larger of each of two pairs; the number, if the other is NaN.
template <class Number>
DEVICE u32 larger_pair(u32 a, u32 b) {
    u32 result;
    if (Number::kIsBfloat16) asm("max.bf16x2 %0, %1, %2;" : "=r"(result) : "r"(a), "r"(b));
    else asm("max.f16x2 %0, %1, %2;" : "=r"(result) : "r"(a), "r"(b));
    return result;
}

// The largest magnitude among the low and among the high numbers of the words.
template <class Number>
DEVICE u32 largest_pair(const Words<4>& words) {
    constexpr u32 kMagnitude = 0x7FFF7FFFu;
    return larger_pair<Number>(larger_pair<Number>(words.word[0] & kMagnitude, words.word[1] & kMagnitude),
                               larger_pair<Number>(words.word[2] & kMagnitude, words.word[3] & kMagnitude));
}

constexpr float kInteger = 12582912.0f;  // 1.5 * 2^23: adding it rounds a number to an integer, nearest even

// The integer that round_int8 makes of x.
DEVICE float integer_of(float x, float inverse) { return __fsub_rn(__fmaf_rn(x, inverse, kInteger), kInteger); }

// Eight INT8, the first in the lowest byte. Adding the constant leaves an integer's two's complement in the lowest
// byte: a conversion would be slower.
DEVICE uint2 round_int8(const float (&x)[8], float inverse) {
    u32 bits[8];
#pragma unroll
    for (int c = 0; c < 8; ++c) bits[c] = __float_as_uint(__fmaf_rn(x[c], inverse, kInteger));
    u32 word[2];
#pragma unroll
    for (int i = 0; i < 2; ++i)
        word[i] = __byte_perm(__byte_perm(bits[4 * i], bits[4 * i + 1], 0x0040),
                              __byte_perm(bits[4 * i + 2], bits[4 * i + 3], 0x0040), 0x5410);
    return make_uint2(word[0], word[1]);
}
