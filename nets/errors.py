"""The error a person is meant to read: one sentence that says what, where and what to do."""


class UserError(Exception):
    """Bad input. `str(error)` is one plain line, fit for a status bar or standard error."""


class CheckpointError(UserError):
    """A file that cannot be opened as a checkpoint.

    `file`: path or URL as the user gave it; `reason`: what is wrong; `remedy`: what would help (may be empty).
    """

    def __init__(self, file: str, reason: str, remedy: str = ""):
        self.file, self.reason, self.remedy = str(file), reason, remedy
        super().__init__(one_line(f"{file}: {reason}" + (f"; {remedy}" if remedy else "")))


def one_line(text: str, limit: int = 600) -> str:
    """Collapses white space and control characters, so that text from a file cannot break or flood the line.

    What is too long loses its middle: a name stands at the beginning, what is wrong with it at the end.
    """
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= limit else f"{text[:limit // 2]}…{text[1 - limit // 2:]}"
