"""Tables that come with the package: each is for the card, torch and cuDNN alone that it was measured with.

scripts/ship-table.py writes the data from what `tune --json` printed on such a card. A row is head dim, causal, masked,
varlen, queries, keys, heads of all sequences together, kernel, whether torch is faster, microseconds.
"""

from __future__ import annotations

from typing import Any

from ._table import Cell, Machine, Shape, Table

# tables, by scripts/ship-table.py
_DATA: Any = [(('NVIDIA H100 80GB HBM3', '580.159.04', '2.11.0+cu130', '9.19', '2.2.0 280.129 25538352'),
  [(128, False, False, False, 4096, 4096, 64, 'fp8_wgmma', False, {'fp8_wgmma': 727.76, 'torch': 876.45}),
   (128, False, False, False, 4096, 4096, 16, 'fp8_wgmma', False, {'fp8_wgmma': 209.53, 'torch': 214.41}),
   (128, False, False, False, 2048, 2048, 64, 'fp8_wgmma', True, {'fp8_wgmma': 235.96, 'torch': 221.68}),
   (128, False, False, False, 2048, 2048, 16, 'fp8_wgmma', False, {'fp8_wgmma': 82.42, 'torch': 88.21}),
   (128, False, False, False, 1024, 1024, 64, 'fp8_wgmma', True, {'fp8_wgmma': 93.11, 'torch': 62.54}),
   (128, False, False, False, 1024, 1024, 16, 'fp8_wgmma', True, {'fp8_wgmma': 46.98, 'torch': 37.48}),
   (128, False, False, False, 512, 512, 64, 'fp8_wgmma', True, {'fp8_wgmma': 41.34, 'torch': 38.68}),
   (128, False, False, False, 512, 512, 16, 'fp8_wgmma', False, {'fp8_wgmma': 31.42, 'torch': 38.7}),
   (128, False, False, False, 256, 256, 64, 'fp8_wgmma', False, {'fp8_wgmma': 31.07, 'torch': 42.35}),
   (128, False, False, False, 256, 256, 16, 'fp8_wgmma', False, {'fp8_wgmma': 31.75, 'torch': 46.58}),
   (128, False, False, False, 4096, 112, 64, 'fp8_wgmma', True, {'fp8_wgmma': 93.87, 'torch': 57.87}),
   (128, False, False, False, 4096, 112, 16, 'fp8_wgmma', False, {'fp8_wgmma': 33.5, 'torch': 39.32}),
   (128, False, False, False, 64, 4096, 64, 'fp8_wgmma', True, {'fp8_wgmma': 127.01, 'torch': 57.13}),
   (128, False, False, False, 64, 4096, 16, 'fp8_wgmma', True, {'fp8_wgmma': 65.37, 'torch': 54.85}),
   (128, True, False, False, 4096, 4096, 64, 'fp8_wgmma', False, {'fp8_wgmma': 436.44, 'torch': 487.5}),
   (128, True, False, False, 4096, 4096, 16, 'fp8_wgmma', False, {'fp8_wgmma': 134.38, 'torch': 163.49}),
   (128, True, False, False, 2048, 2048, 64, 'fp8_wgmma', True, {'fp8_wgmma': 164.99, 'torch': 151.4}),
   (128, True, False, False, 2048, 2048, 16, 'fp8_wgmma', False, {'fp8_wgmma': 51.22, 'torch': 58.81}),
   (128, True, False, False, 1024, 1024, 64, 'fp8_wgmma', True, {'fp8_wgmma': 73.55, 'torch': 54.06}),
   (128, True, False, False, 1024, 1024, 16, 'fp8_wgmma', False, {'fp8_wgmma': 31.95, 'torch': 40.15}),
   (128, True, False, False, 512, 512, 64, 'fp8_wgmma', False, {'fp8_wgmma': 36.37, 'torch': 53.88}),
   (128, True, False, False, 512, 512, 16, 'fp8_wgmma', False, {'fp8_wgmma': 34.38, 'torch': 63.98}),
   (128, True, False, False, 256, 256, 64, 'fp8_wgmma', False, {'fp8_wgmma': 37.81, 'torch': 52.53}),
   (128, True, False, False, 256, 256, 16, 'fp8_wgmma', False, {'fp8_wgmma': 37.09, 'torch': 42.9}),
   (64, False, False, False, 4096, 4096, 64, 'fp8_wgmma', False, {'fp8_wgmma': 577.51, 'torch': 602.13}),
   (64, False, False, False, 4096, 4096, 16, 'fp8_wgmma', True, {'fp8_wgmma': 164.48, 'torch': 154.88}),
   (64, False, False, False, 2048, 2048, 64, 'fp8_wgmma', True, {'fp8_wgmma': 179.92, 'torch': 164.31}),
   (64, False, False, False, 2048, 2048, 16, 'fp8_wgmma', True, {'fp8_wgmma': 230.92, 'torch': 60.67}),
   (64, False, False, False, 1024, 1024, 64, 'fp8_wgmma', False, {'fp8_wgmma': 61.6, 'torch': 64.39}),
   (64, False, False, False, 1024, 1024, 16, 'fp8_wgmma', False, {'fp8_wgmma': 50.49, 'torch': 62.65}),
   (64, False, False, False, 512, 512, 64, 'fp8_wgmma', False, {'fp8_wgmma': 51.02, 'torch': 64.89}),
   (64, False, False, False, 512, 512, 16, 'fp8_wgmma', False, {'fp8_wgmma': 49.35, 'torch': 59.88}),
   (64, False, False, False, 256, 256, 64, 'fp8_wgmma', False, {'fp8_wgmma': 49.88, 'torch': 65.17}),
   (64, False, False, False, 256, 256, 16, 'fp8_wgmma', False, {'fp8_wgmma': 51.9, 'torch': 64.23}),
   (64, False, False, False, 4096, 112, 64, 'fp8_wgmma', True, {'fp8_wgmma': 71.52, 'torch': 66.45}),
   (64, False, False, False, 4096, 112, 16, 'fp8_wgmma', False, {'fp8_wgmma': 53.46, 'torch': 64.97}),
   (64, False, False, False, 64, 4096, 64, 'fp8_wgmma', True, {'fp8_wgmma': 85.5, 'torch': 77.56}),
   (64, False, False, False, 64, 4096, 16, 'fp8_wgmma', False, {'fp8_wgmma': 62.84, 'torch': 81.34}),
   (64, True, False, False, 4096, 4096, 64, 'fp8_wgmma', False, {'fp8_wgmma': 335.8, 'torch': 337.61}),
   (64, True, False, False, 4096, 4096, 16, 'fp8_wgmma', False, {'fp8_wgmma': 101.81, 'torch': 106.42}),
   (64, True, False, False, 2048, 2048, 64, 'fp8_wgmma', True, {'fp8_wgmma': 116.03, 'torch': 103.71}),
   (64, True, False, False, 2048, 2048, 16, 'fp8_wgmma', True, {'fp8_wgmma': 50.03, 'torch': 47.23}),
   (64, True, False, False, 1024, 1024, 64, 'fp8_wgmma', False, {'fp8_wgmma': 48.52, 'torch': 59.12}),
   (64, True, False, False, 1024, 1024, 16, 'fp8_wgmma', False, {'fp8_wgmma': 45.02, 'torch': 53.48}),
   (64, True, False, False, 512, 512, 64, 'fp8_wgmma', False, {'fp8_wgmma': 40.04, 'torch': 41.84}),
   (64, True, False, False, 512, 512, 16, 'fp8_wgmma', False, {'fp8_wgmma': 32.95, 'torch': 42.83}),
   (64, True, False, False, 256, 256, 64, 'fp8_wgmma', False, {'fp8_wgmma': 32.4, 'torch': 43.71}),
   (64, True, False, False, 256, 256, 16, 'fp8_wgmma', False, {'fp8_wgmma': 34.68, 'torch': 44.06}),
   (256, False, False, False, 4096, 4096, 64, 'fp16', True, {'fp16': 3109.28, 'torch': 1525.12}),
   (256, False, False, False, 4096, 4096, 16, 'fp16', True, {'fp16': 876.0, 'torch': 388.51}),
   (256, False, False, False, 2048, 2048, 64, 'fp16', True, {'fp16': 884.32, 'torch': 404.68}),
   (256, False, False, False, 2048, 2048, 16, 'fp16', True, {'fp16': 243.67, 'torch': 108.66}),
   (256, False, False, False, 1024, 1024, 64, 'fp16', True, {'fp16': 278.51, 'torch': 120.15}),
   (256, False, False, False, 1024, 1024, 16, 'fp16', True, {'fp16': 79.87, 'torch': 39.78}),
   (256, False, False, False, 512, 512, 64, 'fp16', True, {'fp16': 103.74, 'torch': 43.81}),
   (256, False, False, False, 512, 512, 16, 'fp16', True, {'fp16': 47.52, 'torch': 44.06}),
   (256, False, False, False, 256, 256, 64, 'fp16', True, {'fp16': 46.81, 'torch': 45.15}),
   (256, False, False, False, 256, 256, 16, 'fp16', True, {'fp16': 45.36, 'torch': 42.99}),
   (256, False, False, False, 4096, 112, 64, 'fp16', True, {'fp16': 313.78, 'torch': 123.06}),
   (256, False, False, False, 4096, 112, 16, 'fp16', True, {'fp16': 96.39, 'torch': 46.41}),
   (256, False, False, False, 64, 4096, 64, 'fp16', True, {'fp16': 368.77, 'torch': 103.55}),
   (256, False, False, False, 64, 4096, 16, 'fp16', True, {'fp16': 232.95, 'torch': 95.68}),
   (256, True, False, False, 4096, 4096, 64, 'fp16', True, {'fp16': 1801.74, 'torch': 874.96}),
   (256, True, False, False, 4096, 4096, 16, 'fp16', True, {'fp16': 612.84, 'torch': 275.0}),
   (256, True, False, False, 2048, 2048, 64, 'fp16', True, {'fp16': 610.72, 'torch': 259.67}),
   (256, True, False, False, 2048, 2048, 16, 'fp16', True, {'fp16': 208.18, 'torch': 95.82}),
   (256, True, False, False, 1024, 1024, 64, 'fp16', True, {'fp16': 230.49, 'torch': 93.01}),
   (256, True, False, False, 1024, 1024, 16, 'fp16', True, {'fp16': 82.25, 'torch': 39.3}),
   (256, True, False, False, 512, 512, 64, 'fp16', True, {'fp16': 101.4, 'torch': 41.07}),
   (256, True, False, False, 512, 512, 16, 'fp16', True, {'fp16': 46.64, 'torch': 40.22}),
   (256, True, False, False, 256, 256, 64, 'fp16', True, {'fp16': 45.11, 'torch': 37.55}),
   (256, True, False, False, 256, 256, 16, 'fp16', True, {'fp16': 40.54, 'torch': 38.52})])]
# end of the tables

TABLES = tuple(
    Table(Machine(*machine), tuple(Cell(Shape(*row[:7]), *row[7:]) for row in rows))
    for machine, rows in _DATA
)


def find(here: Machine) -> Table | None:
    """The table for a GPU of this name with this minor of torch and cuDNN, or None. Drivers and wheels may differ."""
    for table in TABLES:
        measured = table.machine
        if (measured.gpu, measured.cudnn) == (here.gpu, here.cudnn) and _minor(measured.torch) == _minor(here.torch):
            return table
    return None


def _minor(torch: str) -> list[str]:
    """ ["2", "11"] of "2.11.0+cu130"."""
    return torch.split(".")[:2]
