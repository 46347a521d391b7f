"""The error that commands raise for what a user can mend."""


class BuildError(Exception):
    """Printed without a traceback; hint, if any, is a command to type."""

    def __init__(self, message, hint=None):
        super().__init__(message)
        self.hint = hint
