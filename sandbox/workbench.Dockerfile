# The builder's sandbox: what a developer expects to find on a machine. `FROM base` is replaced by
# the base image of this machine. uv is pinned; Debian's packages are what the release has.
FROM base
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      git python3 python3-venv python3-pip python3-dev build-essential nodejs npm \
      ripgrep jq curl patch unzip xz-utils procps file iproute2 tini \
 && rm -rf /var/lib/apt/lists/*
RUN pip3 install --no-cache-dir --no-compile --target /opt/uv uv==0.13.9 \
 && ln -s /opt/uv/bin/uv /opt/uv/bin/uvx /usr/local/bin/
WORKDIR /workbench
ENTRYPOINT ["/usr/bin/tini", "--"]
CMD ["sleep", "infinity"]
