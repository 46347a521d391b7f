"""The attention operators of 2.2's extension of this name; see _qattn."""

from . import _qattn

globals().update(_qattn.functions(_qattn.SM90))
