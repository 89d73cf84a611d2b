"""Whether a process may still write the files of its sessions."""

from trademantra.kit.lease import LeaseLostError


def no_fence():
    """It may: nobody else can have the account."""


class Fence:
    """It may until its lease runs out."""

    is_up = False

    def __call__(self):
        if self.is_up:
            raise LeaseLostError("the lease ran out; nothing was written")
