"""Reads what the compiler made: instructions by nvdisasm, their registers, and those that have no value."""
