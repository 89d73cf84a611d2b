"""Numbers of things, in words."""


def counted(number: int, what: str) -> str:
    """With the right plural.

    >>> counted(1, "order"), counted(2, "order"), counted(0, "order")
    ('1 order', '2 orders', '0 orders')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"
