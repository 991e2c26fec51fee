"""How many POSTs may be in flight with the descriptors that this process has."""

import logging
import resource

log = logging.getLogger(__name__)

_KEPT = 128  # for databases, the queue, the log, name lookups and kept connections


def affordable(wanted: int) -> int:
    """As many as wanted, or as there are descriptors for; it is logged where that is fewer.

    With fewer descriptors than places, a claim could be neither sent nor looked at a last time, and
    would be claimed and given back for ever.
    """
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed == resource.RLIM_INFINITY or wanted <= allowed - _KEPT:
        return wanted
    most = max(1, allowed - _KEPT)
    log.warning(
        "fewer POSTs at once than [delivery] concurrency: raise the limit of open files "
        "(LimitNOFILE, ulimit -n)",
        extra={"concurrency": wanted, "at_once": most, "open_files": allowed},
    )
    return most
