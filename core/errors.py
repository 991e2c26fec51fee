"""The errors an owner or operator can cause, each with a message that is ready to show."""

import os


class WebhooksError(Exception):
    """An error that a person can cause. Its message is one sentence that says how to mend it.

    In the sentence, names in braces stand for the values, so that it can be said in any language.
    """

    def __init__(self, sentence: str, **values: object) -> None:
        super().__init__(sentence.format(**values) if values else sentence)
        self.sentence, self.values = sentence, values


class BlockedUrl(WebhooksError):
    """A URL, or the address behind its name, that must not be called."""


class BadConfig(WebhooksError):
    """A configuration file with an unknown key or a bad value."""


class BadDatabase(WebhooksError):
    """A database that cannot be opened, or whose schema belongs to another version."""


class BadKeyFile(WebhooksError):
    """A key file that is missing, can be read by others, or is no key file at all."""


class BadPayload(WebhooksError):
    """The payload of an event, or a pushed change, that is not what it has to be."""


class BadInput(WebhooksError):
    """A value that a person typed, and that is not one of those allowed."""


class NotAllowed(WebhooksError):
    """The member's role does not allow this."""


class NotIncluded(WebhooksError):
    """The business's edition does not include webhooks, and it does not have the option."""


class Changed(WebhooksError):
    """Somebody else has changed it since this person read it."""


class NotFound(WebhooksError):
    """There is no such business, member, webhook or delivery, or none that this person may see."""


def system_words(error: OSError) -> str:
    """The system's words for the number of this error. What others add to it may quote a value."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or type(error).__name__
