"""The errors an owner or operator can cause, each with a message that is ready to show."""

import os


class WebhooksError(Exception):
    """An error a person can cause; its message is one plain sentence that says how to mend it."""


class BlockedUrl(WebhooksError):
    """A URL, or the address behind its name, that may not be called."""


class BadConfig(WebhooksError):
    """A configuration file with an unknown key or a bad value."""


class BadDatabase(WebhooksError):
    """A database that cannot be opened, or whose schema is not this program's."""


class BadKeyFile(WebhooksError):
    """A key file that is missing, too widely readable or not a key file."""


class BadPayload(WebhooksError):
    """An event's payload, or a pushed change, that is not what it has to be."""


class BadInput(WebhooksError):
    """A value that a person typed that is not one of those allowed."""


class NotAllowed(WebhooksError):
    """The member's role does not allow this."""


class NotIncluded(WebhooksError):
    """Webhooks are not included in the business's edition, and the option is off."""


class Changed(WebhooksError):
    """Somebody else has changed it since it was read."""


class NotFound(WebhooksError):
    """No such business, member, webhook or delivery, or none this person may see."""


def system_words(error: OSError) -> str:
    """The system's words for the error's number: what others add may quote what it was about."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or type(error).__name__
