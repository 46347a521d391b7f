// FP4 in the emulated form.
#pragma once

#include "../../../../device/ptx/fp4_emulated.cuh"
