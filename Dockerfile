# docker build -t tusd-py .
# docker run --read-only -p 1080:1080 -v uploads:/data tusd-py

FROM node:22-slim AS page

WORKDIR /page
COPY tusd_py/page .
RUN npm ci --no-audit --no-fund \
 && node build.mjs


FROM python:3.12-slim AS builder

WORKDIR /source
COPY setup.cfg pyproject.toml README.md LICENSE ./
COPY tusd_py tusd_py
COPY --from=page /page/static tusd_py/page/static
RUN python -m pip wheel --no-cache-dir --wheel-dir /wheels '.[jwt,content]'
# Installed into an environment of its own, so that the image below gets it in one layer, without
# the wheels. Bytecode is compiled here: the container may be unable to write any.
RUN python -m venv /opt/tusd-py \
 && /opt/tusd-py/bin/python -m pip install --no-cache-dir --no-index --find-links /wheels \
      'tusd-py[jwt,content]'


FROM python:3.12-slim

LABEL org.opencontainers.image.title="tusd-py" \
      org.opencontainers.image.description="A resumable-upload server that speaks tus 1.0.0" \
      org.opencontainers.image.licenses="MIT"

# What content_rules tell types by.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends libmagic1 \
 && rm -rf /var/lib/apt/lists/*
# The user is named by number, so that an orchestrator can see that it is not root.
RUN groupadd --system --gid 10001 tusd-py \
 && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /data \
      --shell /usr/sbin/nologin tusd-py \
 && install --directory --owner 10001 --group 10001 --mode 0750 /data
COPY --from=builder /opt/tusd-py /opt/tusd-py

# Nothing outside /data is ever written: run it with --read-only.
ENV PATH=/opt/tusd-py/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TUSD_PY_HOST=0.0.0.0 \
    TUSD_PY_DATA_DIR=/data

WORKDIR /data
VOLUME /data
EXPOSE 1080
USER 10001:10001
STOPSIGNAL SIGTERM

# An opener without proxies: a container's HTTP_PROXY must not answer for the server.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 \
  CMD ["python", "-c", "from urllib.request import ProxyHandler, build_opener; build_opener(ProxyHandler({})).open('http://127.0.0.1:1080/healthz', timeout=4)"]

ENTRYPOINT ["tusd-py"]
CMD ["serve"]
