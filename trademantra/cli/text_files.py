"""Text files that a person names."""

from pathlib import Path

from trademantra.core.errors import BadInputError


def text_of(file: Path, *, hint: str = "") -> str:
    """What a file of text says.  Errors: `BadInputError` in plain words."""
    try:
        return file.expanduser().read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise BadInputError(file, "cannot be read: there is no such file", hint=hint) from error
    except IsADirectoryError as error:
        raise BadInputError(
            file, "cannot be read: it is a folder", hint=hint or "name a file in it"
        ) from error
    except PermissionError as error:
        raise BadInputError(file, "cannot be read: its owner has not allowed it", hint=hint) from error
    except UnicodeDecodeError as error:
        raise BadInputError(file, "cannot be read: it is no text in UTF-8", hint=hint) from error
    except OSError as error:
        raise BadInputError(file, f"cannot be read: {error.strerror or error}", hint=hint) from error
