"""The list of all pages."""


def index(names):
    return "<ul>" + "".join(f'<li><a href="{n}.html">{n}</a></li>' for n in sorted(names)) + "</ul>"
