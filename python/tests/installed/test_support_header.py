"""The C header reader, on a header made here."""

from __future__ import annotations

from support import header

TEXT = """
#define LIMIT 7
#define NOTE "8"
enum kind { FIRST = 0, /* comment */ SECOND = 5 };
typedef struct inner { void *data; int64_t a, b; } inner; // { }
typedef struct outer {
    uint64_t size;
    int32_t first;
    inner pair;      /* aligned to 8 */
    const float *mean;
    float scale;
    char name[5];
    int32_t last;
} outer;
SAGEATTN_API int f(void);
SAGEATTN_API const char *g(const inner *p, int32_t device, void *stream);
"""


def test_structs_are_laid_out_as_c_does() -> None:
    layouts = header.structs(TEXT)
    assert layouts["inner"] == header.Layout(24, 8, {"data": (0, 8), "a": (8, 8), "b": (16, 8)})
    assert layouts["outer"].size == 64
    assert layouts["outer"].fields == {
        "size": (0, 8),
        "first": (8, 4),
        "pair": (16, 24),
        "mean": (40, 8),
        "scale": (48, 4),
        "name": (52, 5),
        "last": (60, 4),
    }


def test_constants_and_functions() -> None:
    assert header.constants(TEXT) == {"LIMIT": 7, "FIRST": 0, "SECOND": 5}
    assert header.functions(TEXT) == {"f": 0, "g": 3}
