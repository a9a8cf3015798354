FROM {{ base }}
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates patch python3 python3-venv tini{{ packages }} \
 && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 1000 --create-home --shell /bin/bash solver
ENV PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONDONTWRITEBYTECODE=1
COPY requirements.lock /opt/requirements.lock
RUN python3 -m venv /opt/venv \
 && pip install --no-cache-dir --require-hashes -r /opt/requirements.lock
# The project is installed in place, so that its metadata and commands exist; what the install
# leaves in the work tree goes with the tree, which is unpacked afresh below.
COPY start.tar.gz /tmp/start.tar.gz
RUN mkdir /app && tar -xzf /tmp/start.tar.gz -C /app \
 && {{ version_hint }}pip install --no-cache-dir --no-deps --no-build-isolation --config-settings editable_mode=compat -e /app \
 && rm -rf /app /tmp/start.tar.gz
RUN install -d -o solver -g solver /app
ADD start.tar.gz /app/
WORKDIR /app
ENTRYPOINT ["/usr/bin/tini", "--"]
CMD ["sleep", "infinity"]
