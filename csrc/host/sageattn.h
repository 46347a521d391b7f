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

#include "kinds.h"

#if defined(_WIN32)
#define SAGEATTN_API __declspec(dllexport)
#else
#define SAGEATTN_API __attribute__((visibility("default")))
#endif

#define SAGEATTN_ABI_VERSION 6

enum sageattn_status {
    SAGEATTN_OK = 0,
    SAGEATTN_INVALID_ARGUMENT = 1, /* shapes, dtypes or strides that no kernel takes */
    SAGEATTN_NO_DRIVER = 2,        /* the CUDA driver could not be opened or is too old */
    SAGEATTN_NO_IMAGE = 3,         /* the fatbin is missing, unreadable or holds nothing for this GPU */
    SAGEATTN_CUDA_ERROR = 4        /* the driver refused a call; the text carries its name */
};

/* Each field of a dtype says which of these it takes. */
enum sageattn_dtype {
    SAGEATTN_FLOAT16 = 0,
    SAGEATTN_BFLOAT16 = 1,
    SAGEATTN_FLOAT32 = 2,
    SAGEATTN_BOOL = 3,       /* a byte: 0 or not */
    SAGEATTN_FLOAT8_E4M3 = 4 /* torch.float8_e4m3fn */
};

/* How many rows share a scale; the numbers are those of the SageAttention 2.2 operators. */
enum sageattn_granularity { SAGEATTN_PER_BLOCK = 1, SAGEATTN_PER_WARP = 2, SAGEATTN_PER_THREAD = 3 };

enum sageattn_operand { SAGEATTN_QUERY = 0, SAGEATTN_KEY = 1 };

/* Top left: query i sees keys 0 to i. Bottom right: keys up to i + key rows - query rows, of its own sequence. */
enum sageattn_causal { SAGEATTN_NOT_CAUSAL = 0, SAGEATTN_CAUSAL_TOP_LEFT = 1, SAGEATTN_CAUSAL_BOTTOM_RIGHT = 2 };

/* How a GPU gets code to run from an image, from worst to best. */
enum sageattn_way {
    SAGEATTN_NO_WAY = 0,     /* it does not load the image */
    SAGEATTN_JIT = 1,        /* the driver compiles the image's PTX at its first use */
    SAGEATTN_SAME_MAJOR = 2, /* machine code for an older SM of the same major */
    SAGEATTN_NATIVE = 3      /* machine code for exactly this SM */
};

/* Rows per scale group: by default a query block has 128 rows in warps of 32, a key block 64 rows.
 * Per block: one scale a block. Per warp: one scale a warp of query rows; keys as per block.
 * Per thread: query row r of a warp uses scale r mod 8 of that warp's 8; key row c of a block uses
 * scale (c mod 8) / 2 of that block's 4. */
#define SAGEATTN_QUERY_BLOCK 128
#define SAGEATTN_QUERY_WARP 32
#define SAGEATTN_KEY_BLOCK 64

/* A [batch, heads, rows, head_dim] view. Where address and strides are multiples of 16 bytes, kernels read units of
 * 16: the last one of a row may reach beyond its head_dim elements, and what lies there is not used. */
typedef struct sageattn_tensor {
    void* data; /* device pointer, aligned to its element */
    int64_t batch_stride, head_stride, row_stride;
} sageattn_tensor;

/* Sequences of different lengths, which the fields named starts describe: int32 [batch + 1] on the device, not
 * falling; sequence b has rows starts[b] to starts[b + 1] - 1 of views whose batch stride is then ignored. rows is
 * the largest length, which sets the grid: shorter sequences end early, rows beyond it are left out. total_rows is
 * starts[batch]. What a call writes for all rows of a head is laid out without any prefix sum of blocks:
 *   scales    [heads, scales of (total_rows / block_rows + batch) blocks], sequence b from block
 *             starts[b] / block_rows + b on
 *   mean_dot  [heads, total_rows]
 *   lse       [heads, total_rows]
 *   mean      [batch, heads, head_dim], as ever
 * starts NULL: all sequences have `rows` rows, and total_rows is ignored. */

/* mean[b, h, d] = mean over rows of input[b, h, :, d], in float32; 0 for a sequence without rows. */
typedef struct sageattn_mean_params {
    uint64_t size;
    sageattn_tensor input;
    float* mean;                          /* [batch, heads, head_dim], contiguous */
    const int32_t* starts;                /* or NULL */
    int64_t batch, heads, rows, head_dim; /* head_dim 1 to 256 */
    int32_t dtype;                        /* SAGEATTN_FLOAT16 or SAGEATTN_BFLOAT16 */
    int32_t reserved;
} sageattn_mean_params;

/* In float32, each operation rounded once, so that the same expression elsewhere gives the same bits:
 *   x = input - mean (keys, if a mean is given); largest = max(1e-7, max|x|) over the scale group;
 *   scale = largest * (1 / 127); output = round-to-nearest-even(x * ((1 / largest) * 127)).
 * Rows past the end of the sequence do not count and are not written; the scale of a group without rows
 * is that of largest = 1e-7, or with starts perhaps not written. */
typedef struct sageattn_quantize_params {
    uint64_t size;
    sageattn_tensor input;  /* float16 or bfloat16 */
    sageattn_tensor output; /* int8 */
    float* scale;           /* [batch, heads, scales per head], contiguous; see sageattn_scale_count */
    const float* mean;      /* keys: subtracted from each row; queries: see mean_dot; or NULL */
    float* mean_dot;        /* queries: [batch, heads, rows] = query . mean of its key head; or NULL */
    const int32_t* starts;  /* or NULL */
    int64_t batch, heads, key_heads, rows, total_rows, head_dim; /* head_dim 1 to 256 */
    int32_t dtype, operand, granularity;
    int32_t block_rows; /* queries: 128 or 64, keys: 64 or 128; 0 is the default of the operand */
    int32_t warp_rows;  /* queries: 32 or 16, 0 is 32; keys: 0 */
    int32_t reserved;
} sageattn_quantize_params;

/* Values to E4M3, transposed: output[b, h, d, position(j)] for key j, of padded_rows keys (a multiple of 64); keys
 * past the end are zeros. Inside each 16 keys the positions hold keys 0,1,8,9,2,3,10,11,4,5,12,13,6,7,14,15, as in
 * SageAttention 2.2. Per channel (b, h, d):
 *   mean = 0, or the mean over rows if smooth is set; largest = max over rows |value - mean|
 *   scale = largest / scale_max, or 1 if that is below the smallest normal float32
 *   output = e4m3((value - mean) * (1 / scale)), to nearest even, saturating
 *   mean as returned = mean + mean over rows of (value - mean - output * scale), so that rounding leaves no offset */
typedef struct sageattn_quantize_value_params {
    uint64_t size;
    sageattn_tensor input;                             /* float16 or bfloat16 */
    sageattn_tensor output;                            /* E4M3; row_stride is that between channels */
    float* scale;                                      /* [batch, heads, head_dim] */
    float* mean;                                       /* [batch, heads, head_dim]; NULL unless smooth */
    float* workspace;                                  /* sageattn_value_workspace elements */
    int64_t batch, heads, rows, padded_rows, head_dim; /* head_dim 1 to 256 */
    float scale_max; /* scale_max of the kind that takes the values, in csrc/kernels.toml */
    int32_t dtype, smooth, reserved;
} sageattn_quantize_value_params;

/* output = softmax(sm_scale * dequantised(query) . dequantised(key)^T + mask) . value,
 * lse[b, h, i] = log sum_j exp(...) + sm_scale * mean_dot[b, h, i], natural logarithm.
 * Keys that causal, a bool mask (0) or a float mask (-infinity) hides are not in the sums; causal and a mask may be
 * combined. A bool mask is packed into bits first, in a workspace. A row that sees no key gives output 0 and lse
 * -infinity. Query head h reads key head h / (query_heads / key_heads). With E4M3 values the sums are of
 * probabilities as rounded to E4M3, which helps the output; the lse of a row that sees few keys may then be off by up
 * to 1/16. */
typedef struct sageattn_attention_params {
    uint64_t size;
    sageattn_tensor query, key; /* int8 */
    sageattn_tensor value;      /* float16 or bfloat16; or E4M3 as sageattn_quantize_value wrote it:
                                   [batch, key_heads, head_dim, padded rows], row_stride is that between channels */
    sageattn_tensor output;     /* float16 or bfloat16 */
    sageattn_tensor mask;       /* [batch, query_heads, query_rows, key_rows], strides may be 0; data NULL: none.
                                   Floats are added to sm_scale * query . key. */
    int64_t mask_column_stride;
    void* workspace;                          /* device memory, aligned to 128 bytes; or NULL if no byte is needed */
    int64_t workspace_size;                   /* at least sageattn_attention_workspace(params) bytes */
    const float *query_scale, *key_scale;     /* as sageattn_quantize wrote them */
    const float* mean_dot;                    /* [batch, query_heads, query_rows], or NULL */
    const float* value_scale;                 /* [batch, key_heads, head_dim]: with E4M3 values, else NULL */
    const float* value_mean;                  /* the same; or NULL */
    const int32_t *query_starts, *key_starts; /* both or neither */
    float* lse;                               /* [batch, query_heads, query_rows], or NULL */
    int64_t batch, query_heads, key_heads, query_rows, key_rows;
    int64_t total_query_rows, total_key_rows; /* with starts */
    int64_t head_dim;                         /* 1 to 256 */
    float sm_scale;                           /* above 0 and finite */
    int32_t causal;                           /* sageattn_causal */
    int32_t granularity;
    int32_t kind; /* sageattn_kind: must take what is given, and be there for the device */
    int32_t value_dtype, output_dtype;
    int32_t mask_dtype; /* SAGEATTN_BOOL, SAGEATTN_FLOAT16, SAGEATTN_BFLOAT16 or SAGEATTN_FLOAT32 */
    int32_t query_block_rows, query_warp_rows, key_block_rows; /* of the scales; 0 is 128, 32, 64 */
    int32_t reserved;
} sageattn_attention_params;

typedef struct sageattn_device_info {
    uint64_t size;
    int32_t sm_major, sm_minor; /* compute capability of the device */
    int32_t usable;             /* 1 if the loaded fatbin holds kernels that this device runs */
    int32_t reserved;
    char name[96]; /* as the driver gives it */
} sageattn_device_info;

/* Device code for one SM in the fatbin. */
typedef struct sageattn_image_info {
    char operation[32];         /* what the image computes: "attention_fp8", "quantize" */
    int32_t sm_major, sm_minor; /* the SM that it is compiled for */
    int32_t ptx;                /* 1: PTX; 0: machine code */
    int32_t way;                /* sageattn_way */
    char suffix[4];             /* "a": it runs on its SM alone; "f": on its family; else empty */
} sageattn_image_info;

SAGEATTN_API int sageattn_abi_version(void);
SAGEATTN_API const char* sageattn_last_error(void);

/* Names the fatbin to use, reading it into memory; the driver is not touched. A second call with another
 * path is refused once kernels have been launched. */
SAGEATTN_API int sageattn_load(const char* fatbin_path);

/* Opens the driver and counts devices. */
SAGEATTN_API int sageattn_device_count(int32_t* count);
SAGEATTN_API int sageattn_device(int32_t device, sageattn_device_info* info);

/* Scales per head for an operand of so many rows in default blocks, or -1 for an unknown granularity or operand. */
SAGEATTN_API int64_t sageattn_scale_count(int32_t operand, int32_t granularity, int64_t rows);

/* Elements of float32 that sageattn_quantize_value needs as its workspace, or -1 for sizes it does not take. */
SAGEATTN_API int64_t sageattn_value_workspace(int64_t batch, int64_t heads, int64_t rows, int64_t head_dim);

/* *has: 1 if a device has the kernel of a kind (sageattn_kind) for a head dim and the quantisers that it needs, which
 * are loaded then; else 0. INVALID_ARGUMENT for a head dim that the kind does not take. */
SAGEATTN_API int sageattn_has(int32_t kind, int64_t head_dim, int32_t device, int32_t* has);

/* The image of a kind that a GPU of an SM (90 for 9.0) would load, whether or not such a GPU is here. The way is
 * NO_WAY if the fatbin has no image of the kind, or of a quantiser that it needs, for the SM. */
SAGEATTN_API int sageattn_image(int32_t kind, int64_t head_dim, int32_t sm, sageattn_image_info* image);

/* The images in the loaded fatbin, as many as capacity holds; *count is how many there are. The way of each is
 * NO_WAY: no SM is asked for. */
SAGEATTN_API int sageattn_images(sageattn_image_info* images, int64_t capacity, int64_t* count);

/* Bytes of workspace for these parameters (their counts, head_dim, and the mask's and starts' fields are read), or -1
 * if they are refused. Only a bool mask needs any: an eighth of what its strides distinguish. */
SAGEATTN_API int64_t sageattn_attention_workspace(const sageattn_attention_params* params);

/* device: ordinal of the device that owns the pointers; stream: a CUstream of that device, or NULL. */
SAGEATTN_API int sageattn_mean(const sageattn_mean_params* params, int32_t device, void* stream);
SAGEATTN_API int sageattn_quantize(const sageattn_quantize_params* params, int32_t device, void* stream);
SAGEATTN_API int sageattn_quantize_value(const sageattn_quantize_value_params* params, int32_t device, void* stream);
SAGEATTN_API int sageattn_attention(const sageattn_attention_params* params, int32_t device, void* stream);

/* The functions that launch, by number. */
enum sageattn_function {
    SAGEATTN_RUN_MEAN = 0,
    SAGEATTN_RUN_QUANTIZE = 1,
    SAGEATTN_RUN_QUANTIZE_VALUE = 2,
    SAGEATTN_RUN_ATTENTION = 3,
    SAGEATTN_RUN_WGMMA_ATTENTION = 4,
    SAGEATTN_RUN_FP4_ATTENTION = 5
};

/* A call of such a function whose pointers are not known yet. Its struct holds a symbol in the place of each: the
 * number of a source above SAGEATTN_SOURCE_SHIFT, and bytes from there on below. A pointer that is NULL stays NULL.
 */
#define SAGEATTN_SOURCE_SHIFT 56
typedef struct sageattn_step {
    const void* params;   /* the struct of the function */
    const int32_t* words; /* which 8-byte words of the struct hold symbols */
    int32_t word_count;
    int32_t function; /* sageattn_function */
} sageattn_step;

/* Runs steps in turn with the addresses of their sources: addresses[n] is that of source n. The steps are only read,
 * so that threads may share them. Ends at the first step that fails, with its status; what was launched before stays.
 */
SAGEATTN_API int sageattn_run_steps(const sageattn_step* steps, int64_t step_count, const uint64_t* addresses,
                                    int64_t address_count, int32_t device, void* stream);

#endif
