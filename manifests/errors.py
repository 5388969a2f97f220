"""The one exception whose text is meant for the user's eyes."""


class UserError(ValueError):
    """Something the user can mend: one sentence that names the file, the row or the field. The CLI exits with 2."""
