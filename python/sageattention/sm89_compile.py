"""The operators of _qattn_sm89 under the name that 2.2 gives their torch.compile wrappers."""

from . import _qattn

globals().update(_qattn.functions(_qattn.SM89))
