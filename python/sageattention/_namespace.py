"""The namespace of this package's operators. A copy of the package under another name has one of its own."""

from __future__ import annotations

import torch

# "sageattention". A package inside another has dots in its name, which a namespace cannot have.
NAMESPACE = __name__.rpartition(".")[0].replace(".", "_")
OPERATORS = getattr(torch.ops, NAMESPACE)
