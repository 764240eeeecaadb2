"""The one exception that is shown to a user without a traceback."""


class UserError(Exception):
    """What a user can mend: one sentence that says what is wrong, where, and what to do."""
