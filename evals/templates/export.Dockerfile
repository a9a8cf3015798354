FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates git nodejs patch procps python3 \
    python3-pip python3-venv tini \
 && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 2000 --create-home --shell /bin/bash builder \
 && git config --system --add safe.directory '*'
COPY {{ session }} /task/{{ session }}
COPY kit/ /task/kit/
COPY repository.bundle /tmp/repository.bundle
RUN git clone --quiet /tmp/repository.bundle /task/repository \
 && git -C /task/repository remote remove origin && rm /tmp/repository.bundle \
 && install -d -o builder -g builder /task/environment && chown -R builder:builder /task/repository
WORKDIR /task
ENTRYPOINT ["/usr/bin/tini", "--"]
CMD ["sleep", "infinity"]
