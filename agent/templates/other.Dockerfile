FROM {{ base }}
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates patch python3 tini{{ packages }} \
 && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 1000 --create-home --shell /bin/bash solver
RUN install -d -o solver -g solver /app
ADD start.tar.gz /app/
WORKDIR /app
ENTRYPOINT ["/usr/bin/tini", "--"]
CMD ["sleep", "infinity"]
