"""The one exception that is shown to a user without a traceback."""


class UserError(Exception):
    """What a user can mend: one sentence that says what is wrong, where, and what to do."""


def printable(text: str) -> str:
    """A text without what a terminal would obey; lines and tabs stay."""
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else letter.encode("unicode_escape").decode()
        for letter in text
    )
