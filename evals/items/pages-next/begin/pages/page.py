"""One page."""

from html import escape


def render(title, text):
    parts = "".join(f"<p>{escape(part)}</p>" for part in text.split("\n\n"))
    return f"<h1>{escape(title)}</h1>{parts}"
