"""Numbers as a page shows them."""

from math import isfinite, isnan

_SYMBOLS = {"INR": "₹", "USD": "$", "EUR": "€", "GBP": "£"}
UNDEFINED = "–"
_MINUS = "\u2212"
_LAKH_DIGITS = 3  # India groups the last three digits, then pairs


def grouped(digits: str, currency: str) -> str:
    """Whole digits with separators, as readers of the currency group them.

    >>> grouped("12345678", "INR"), grouped("12345678", "USD")
    ('1,23,45,678', '12,345,678')
    """
    if currency != "INR":
        return f"{int(digits):,}"
    head, tail = digits[:-_LAKH_DIGITS], digits[-_LAKH_DIGITS:]
    pairs = [head[max(0, end - 2) : end] for end in range(len(head), 0, -2)][::-1]
    return ",".join([*pairs, tail])


def money(value: float, currency: str, decimals: int = 0) -> str:
    """An amount with its currency's sign.

    >>> money(1042914.578, "INR"), money(-3.5, "USD", 2), money(float("nan"), "INR")
    ('₹10,42,915', '−$3.50', '–')
    """
    if not isfinite(value):
        return _not_finite(value)
    whole, _, fraction = f"{abs(value):.{decimals}f}".partition(".")
    sign = _MINUS if value < 0.0 and float(f"{value:.{decimals}f}") != 0.0 else ""
    symbol = _SYMBOLS.get(currency, f"{currency} ")
    return f"{sign}{symbol}{grouped(whole, currency)}{'.' if fraction else ''}{fraction}"


def percent(value: float, decimals: int = 1, *, signed: bool = False) -> str:
    """A fraction as percent.

    >>> percent(0.0429), percent(-0.29267, 2), percent(0.05, signed=True)
    ('4.3%', '−29.27%', '+5.0%')
    """
    if not isfinite(value):
        return _not_finite(value)
    return decimal(100.0 * value, decimals, signed=signed) + "%"


def decimal(value: float, decimals: int = 2, *, signed: bool = False) -> str:
    """A plain number with a true minus sign.

    >>> decimal(-0.004), decimal(1.3333), decimal(float("inf"))
    ('0.00', '1.33', '∞')
    """
    if not isfinite(value):
        return _not_finite(value)
    text = f"{abs(value):,.{decimals}f}"
    if float(text.replace(",", "")) == 0.0:
        return text
    if value < 0.0:
        return _MINUS + text
    return f"+{text}" if signed else text


def count(value: float) -> str:
    """A whole number."""
    return decimal(value, 0)


def _not_finite(value: float) -> str:
    if isnan(value):
        return UNDEFINED
    return "∞" if value > 0.0 else f"{_MINUS}∞"
