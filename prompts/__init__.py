"""Every word a model reads, as Markdown files, strictly rendered.

An undefined variable in a prompt is an error, and so is a variable that the prompt does not use:
both mean that the code and the words have drifted apart.
"""

from __future__ import annotations

from importlib import resources

from jinja2 import Environment, StrictUndefined, meta


def render(name: str, **values: object) -> str:
    """The prompt `name`, with its variables filled in.

    Args:
        name: file name without `.md`.
        values: one value for each variable of the prompt, no more and no fewer.

    Raises:
        FileNotFoundError: there is no such prompt.
        ValueError: `values` and the prompt's variables differ.
    """
    text = (resources.files(__name__) / f"{name}.md").read_text(encoding="utf-8")
    # Prompts are plain text for a model; escaping for HTML would only garble them.
    environment = Environment(  # noqa: S701
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    wanted = meta.find_undeclared_variables(environment.parse(text))
    if wanted != set(values):
        raise ValueError(f"prompt {name!r} takes {sorted(wanted)}, but was given {sorted(values)}")
    return environment.from_string(text).render(**values)
