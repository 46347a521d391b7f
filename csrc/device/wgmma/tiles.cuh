// Where a key or channel lies in a tile. The orders are those in which the accumulators of the first product are the
// operands of the second without a shuffle, and in which a lane owns neighbouring output channels.
#pragma once

#include "arguments.h"
#include "ptx/base.cuh"

typedef unsigned long long u64;

// Byte of a tile whose rows have so many bytes, in the swizzle of that width.
template <int kRowBytes>
DEVICE int tile_offset(int row, int byte) {
    const int chunk = kRowBytes == 128 ? (byte / 16) ^ (row & 7) : (byte / 16) ^ (row / 2 & 3);
    return row * kRowBytes + chunk * 16 + byte % 16;
}

// Row of a key tile that holds key 0 … 127: accumulator columns 8 i + 2 t + e are keys 32 t + 2 i + e, so that lane t
// of a quad owns 32 neighbouring keys, and one scale.
DEVICE int key_row(int key) { return key % 32 / 2 * 8 + key / 32 * 2 + key % 2; }

// Byte of a value tile's row that holds key 0 … 127: the order of the E4M3 operand that pack_chunk in softmax.cuh
// builds.
DEVICE int value_byte(int key) { return key % 32 / 8 * 32 + key / 4 % 2 * 16 + key / 32 * 4 + key % 4; }

// Row of a value tile that holds a channel: lane t of a quad owns channels 32 c + 8 t … 32 c + 8 t + 7.
DEVICE int value_row(int channel) {
    return channel / 32 * 32 + channel / 2 % 4 * 8 + channel / 8 % 4 * 2 + channel % 2;
}
