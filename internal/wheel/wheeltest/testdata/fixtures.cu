/* Small kernels whose names, registers, shared memory and stack the tests know. */

/* No shared memory, no stack. */
extern "C" __global__ void scale(float *values, float factor)
{
    values[threadIdx.x] *= factor;
}

/* 1,024 bytes of static shared memory. */
extern "C" __global__ void reverse(float *values)
{
    __shared__ float tile[256];
    tile[threadIdx.x] = values[threadIdx.x];
    __syncthreads();
    values[threadIdx.x] = tile[255 - threadIdx.x];
}

/* An array indexed at run time lies in local memory: a stack of 512 bytes. */
extern "C" __global__ void permute(float *values, const int *order)
{
    float local[128];
#pragma unroll 1
    for (int i = 0; i < 128; i++)
        local[order[i] & 127] = values[i];
#pragma unroll 1
    for (int i = 0; i < 128; i++)
        values[i] = local[order[i + 128] & 127];
}
