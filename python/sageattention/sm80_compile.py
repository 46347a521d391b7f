"""2.2's module of torch.compile wrappers: the operators of _qattn_sm80 and their fakes."""

from . import _qattn

globals().update(_qattn.functions(_qattn.SM80))
globals().update(_qattn.fakes(_qattn.SM80))
