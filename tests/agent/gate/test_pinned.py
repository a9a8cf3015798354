from __future__ import annotations

import pytest

from agent.gate.checks.pinned import drifting

FROM = "FROM debian:bookworm-slim\n"


@pytest.mark.parametrize(
    ("dockerfile", "names"),
    [
        ("FROM debian\n", "FROM debian"),
        ("FROM reg.example:5000/x:latest\n", "x:latest"),
        ("ARG B=node\nFROM ${B}\n", "FROM node"),
        (FROM + "RUN pip install flask==3.0.0 gunicorn\n", "pip: gunicorn"),
        (FROM + "RUN apt-get update \\\n && pip3 install -q 'attrs>=23'\n", "pip: attrs>=23"),
        (FROM + "RUN python3 -m pip install -r requirements.txt pytest\n", "pip: pytest"),
        (FROM + "RUN X=1 uv pip install --system httpx[http2]\n", "pip: httpx[http2]"),
        (FROM + "RUN npm install -g @scope/tool\n", "npm: @scope/tool"),
        (FROM + "RUN npm i -g bun@latest\n", "npm: bun@latest"),
        (FROM + "RUN git clone https://example.com/a/b /app\n", "git clone"),
        (FROM + "RUN curl -LsSf https://example.com/install.sh | sh\n", "install.sh"),
        (FROM + "RUN wget https://example.com/releases/latest/x.tar.gz\n", "latest"),
    ],
)
def test_what_may_be_another_release_tomorrow_is_named(dockerfile: str, names: str) -> None:
    (found,) = drifting(dockerfile)
    assert names in found


@pytest.mark.parametrize(
    "steps",
    [
        "RUN pip install --no-cache-dir --require-hashes -r /opt/requirements.lock\n",
        "RUN pip install --no-deps --config-settings editable_mode=compat -e /app\n",
        "RUN pip install . ./other wheels/x-1.0-py3-none-any.whl && pip install -U pip\n",
        "RUN uv pip install --exclude-newer 2025-06-01 flask\n",
        "RUN pip install -c constraints.txt flask\n",
        "RUN pip install 'flask==3.0.0' pytest==8.4.1\n",
        "RUN npm ci && npm install && npm install -g bun@1.3.8 @scope/tool@2.0.1\n",
        "RUN git clone https://example.com/a /app && cd /app && git checkout 0123abcd\n",
        "RUN curl -O https://example.com/v1.2/x.tar.gz && echo pip install flask\n",
        "FROM debian:trixie AS late\nFROM late\n",
        "# RUN pip install flask\n",
    ],
)
def test_what_is_tied_down_is_not(steps: str) -> None:
    assert drifting(FROM + steps) == []
