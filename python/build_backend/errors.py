"""The error that commands raise for what a user can mend."""

from __future__ import annotations


class BuildError(Exception):
    """Printed without a traceback; hint, if any, is a command to type."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint

    def __reduce__(self) -> tuple[type[BuildError], tuple[str, str | None]]:
        """Another process gets the hint as well."""
        return type(self), (str(self), self.hint)
