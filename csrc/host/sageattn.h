/* The C interface of libsageattn: quantised attention on NVIDIA GPUs.
 *
 * The library links nothing but libc: it opens the CUDA driver at first use, loads the fatbin that
 * sageattn_load names, and launches on the caller's stream. It allocates no device memory, never
 * synchronises, and writes no input. Every call is safe from several threads.
 *
 * Each function returns a sageattn_status; sageattn_last_error() says more about the last failure of the
 * calling thread. Parameter structs begin with their own size, so that a caller built against an older
 * header is refused instead of misread. Strides count elements, not bytes; the head dim is contiguous.
 */
#ifndef SAGEATTN_H
#define SAGEATTN_H

#include <stdint.h>

#if defined(_WIN32)
#define SAGEATTN_API __declspec(dllexport)
#else
#define SAGEATTN_API __attribute__((visibility("default")))
#endif

#define SAGEATTN_ABI_VERSION 1

enum sageattn_status {
    SAGEATTN_OK = 0,
    SAGEATTN_INVALID_ARGUMENT = 1, /* shapes, dtypes or strides that no kernel takes */
    SAGEATTN_NO_DRIVER = 2,        /* libcuda could not be opened or is too old */
    SAGEATTN_NO_IMAGE = 3,         /* the fatbin is missing, unreadable or holds nothing for this GPU */
    SAGEATTN_CUDA_ERROR = 4        /* the driver refused a call; the text carries its name */
};

enum sageattn_dtype { SAGEATTN_FLOAT16 = 0, SAGEATTN_BFLOAT16 = 1 };

/* How many rows share a scale; the numbers are those of the SageAttention 2.2 operators. */
enum sageattn_granularity { SAGEATTN_PER_BLOCK = 1, SAGEATTN_PER_WARP = 2, SAGEATTN_PER_THREAD = 3 };

enum sageattn_operand { SAGEATTN_QUERY = 0, SAGEATTN_KEY = 1 };

/* Rows per scale group: a query block has 128 rows in warps of 32, a key block 64 rows.
 * Per block: one scale a block. Per warp: one scale a warp of 32 query rows; keys as per block.
 * Per thread: query row r of a warp uses scale r mod 8 of that warp's 8; key row c of a block uses
 * scale (c mod 8) / 2 of that block's 4. */
#define SAGEATTN_QUERY_BLOCK 128
#define SAGEATTN_QUERY_WARP 32
#define SAGEATTN_KEY_BLOCK 64

/* A [batch, heads, rows, head_dim] view. */
typedef struct sageattn_tensor {
    void *data; /* device pointer, aligned to its element */
    int64_t batch_stride, head_stride, row_stride;
} sageattn_tensor;

/* mean[b, h, d] = mean over rows of input[b, h, :, d], in float32. */
typedef struct sageattn_mean_params {
    uint64_t size;
    sageattn_tensor input;
    float *mean; /* [batch, heads, head_dim], contiguous */
    int64_t batch, heads, rows, head_dim;
    int32_t dtype; /* sageattn_dtype */
    int32_t reserved;
} sageattn_mean_params;

/* In float32, each operation rounded once, so that the same expression elsewhere gives the same bits:
 *   x = input - mean (keys, if a mean is given); largest = max(1e-7, max|x|) over the scale group;
 *   scale = largest * (1 / 127); output = round-to-nearest-even(x * ((1 / largest) * 127)).
 * Rows past the end of the sequence do not count and are not written; the scale of a group without rows
 * is that of largest = 1e-7. head_dim is 64 or 128. */
typedef struct sageattn_quantize_params {
    uint64_t size;
    sageattn_tensor input;  /* float16 or bfloat16 */
    sageattn_tensor output; /* int8 */
    float *scale;           /* [batch, heads, scales per head], contiguous; see sageattn_scale_count */
    const float *mean;      /* keys: subtracted from each row; queries: see mean_dot; or NULL */
    float *mean_dot;        /* queries: [batch, heads, rows] = query . mean of its key head; or NULL */
    int64_t batch, heads, key_heads, rows, head_dim;
    int32_t dtype, operand, granularity, reserved;
} sageattn_quantize_params;

/* output = softmax(sm_scale * dequantised(query) . dequantised(key)^T [causal, top-left]) . value,
 * lse[b, h, i] = log sum_j exp(...) + sm_scale * mean_dot[b, h, i], natural logarithm.
 * A row that sees no key gives output 0 and lse -infinity. Query head h reads key head
 * h / (query_heads / key_heads). */
typedef struct sageattn_attention_params {
    uint64_t size;
    sageattn_tensor query, key;        /* int8 */
    sageattn_tensor value, output;     /* float16 or bfloat16 */
    const float *query_scale, *key_scale; /* as sageattn_quantize wrote them */
    const float *mean_dot;             /* [batch, query_heads, query_rows], or NULL */
    float *lse;                        /* [batch, query_heads, query_rows], or NULL */
    int64_t batch, query_heads, key_heads, query_rows, key_rows, head_dim; /* head_dim 64 or 128 */
    float sm_scale;                    /* above 0 and finite */
    int32_t is_causal, granularity;
    int32_t value_dtype, output_dtype; /* sageattn_dtype */
    int32_t reserved;
} sageattn_attention_params;

typedef struct sageattn_device_info {
    uint64_t size;
    int32_t sm_major, sm_minor; /* compute capability of the device */
    int32_t usable;             /* 1 if the loaded fatbin holds kernels that this device runs */
    int32_t reserved;
    char name[96];              /* as the driver gives it */
} sageattn_device_info;

SAGEATTN_API int sageattn_abi_version(void);
SAGEATTN_API const char *sageattn_last_error(void);

/* Names the fatbin to use, reading it into memory; the driver is not touched. A second call with another
 * path is refused once kernels have been launched. */
SAGEATTN_API int sageattn_load(const char *fatbin_path);

/* Opens the driver and counts devices. */
SAGEATTN_API int sageattn_device_count(int32_t *count);
SAGEATTN_API int sageattn_device(int32_t device, sageattn_device_info *info);

/* Scales per head for an operand of so many rows, or -1 for an unknown granularity or operand. */
SAGEATTN_API int64_t sageattn_scale_count(int32_t operand, int32_t granularity, int64_t rows);

/* device: ordinal of the device that owns the pointers; stream: a CUstream of that device, or NULL. */
SAGEATTN_API int sageattn_mean(const sageattn_mean_params *params, int32_t device, void *stream);
SAGEATTN_API int sageattn_quantize(const sageattn_quantize_params *params, int32_t device, void *stream);
SAGEATTN_API int sageattn_attention(const sageattn_attention_params *params, int32_t device, void *stream);

#endif
