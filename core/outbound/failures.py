"""How an attempt can end without an answer, as the transport raises it."""

import errno

import httpx

from core.domain.cleaning import clean
from core.domain.delivery import ErrorKind

_NO_DESCRIPTOR_LEFT = {errno.EMFILE, errno.ENFILE}


class AttemptFailed(httpx.TransportError):
    """No status arrived. `kind` says at which step, and `detail` in our own words what was seen."""

    def __init__(self, kind: ErrorKind, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = clean(detail)


class KeptConnectionDied(AttemptFailed):
    """A kept connection ended before any answer came: nobody knows whether the request arrived."""


class NotWanted(Exception):
    """The last look said no: nothing was sent."""


class OursToMend(Exception):
    """This machine lacks something that sending needs, so nothing was sent. It says what the
    operator can do.
    """


class NoDescriptorLeft(OursToMend):
    """This process, or its machine, can open nothing more."""

    def __init__(self) -> None:
        super().__init__(
            "this machine has no file descriptors left, so deliveries wait a minute: "
            "raise LimitNOFILE or lower [delivery] concurrency"
        )


class NoNameResolved(OursToMend):
    """Name lookups fail, and none has succeeded for some time."""

    def __init__(self) -> None:
        super().__init__(
            "no name can be looked up, so deliveries wait a minute: see to this machine's "
            "connection and its resolver (/etc/resolv.conf)"
        )


def is_of_descriptors(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in _NO_DESCRIPTOR_LEFT
