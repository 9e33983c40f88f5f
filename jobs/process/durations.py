"""Durations as text for people."""


def duration(seconds: float) -> str:
    """Return a duration in its two largest units: `2 h 5 min`, `3 min 20 s` or `45 s`; below 10 seconds with one decimal."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole_seconds = round(seconds)
    if whole_seconds < 60:
        return f"{whole_seconds} s"
    if whole_seconds < 3600:
        return f"{whole_seconds // 60} min {whole_seconds % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60:,} h {minutes % 60} min"
