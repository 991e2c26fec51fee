"""How many POSTs in flight the descriptors of this process allow."""

import logging
import resource

log = logging.getLogger(__name__)

_KEPT = 128  # for databases, the queue, the log, name lookups and connections that are kept


def affordable(wanted: int) -> int:
    """As many as wanted, or as there are descriptors for: told where that is fewer.

    With fewer descriptors than places, what is claimed could neither be sent nor looked at last,
    and would be claimed and given back for ever.
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
