"""The names of the desk's leases."""


def lease_name(account_id: str) -> str:
    """The lease of an account: one desk at a time owns it.

    >>> lease_name("asha")
    'account asha'
    """
    return f"account {account_id}"
