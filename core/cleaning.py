def clean(text: str, limit: int | None = None) -> str:
    return text[:limit]


def clean_body(raw: bytes, limit: int = 500) -> str:
    return raw.decode("utf-8", "replace")[:limit]
