FROM {{ base }}
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates nodejs npm patch python3 tini{{ packages }} \
 && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 1000 --create-home --shell /bin/bash solver
{% if bun %}
RUN npm install -g --no-audit --no-fund bun@{{ bun }} && rm -rf /root/.npm
{% endif %}
# Node looks for modules in every folder above the work tree, so they can lie outside it, where the
# solver cannot write.
COPY deps/ /opt/deps/
RUN cd /opt/deps && npm ci --ignore-scripts --no-audit --no-fund && rm -rf /root/.npm /root/.bun /tmp/* \
 && mkdir -p node_modules && ln -s /opt/deps/node_modules /node_modules
ENV PATH=/opt/deps/node_modules/.bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
RUN install -d -o solver -g solver /app
ADD start.tar.gz /app/
WORKDIR /app
ENTRYPOINT ["/usr/bin/tini", "--"]
CMD ["sleep", "infinity"]
