"""The operators of _qattn_sm89 under the name that 2.2 gives their torch.compile wrappers, and their fakes."""

from . import _qattn

globals().update(_qattn.functions(_qattn.SM89))
globals().update(_qattn.fakes(_qattn.SM89))
