# Two images from one file:
#   docker build --target server     -t feature-atlas:server .       pages only, no torch
#   docker build --target precompute -t feature-atlas:precompute .   the job, CUDA where there is one
# An atlas is mounted at /data:
#   docker run -p 8000:8000 -v "$PWD:/data" feature-atlas:server

FROM python:3.11-slim-bookworm AS base
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN useradd --create-home --uid 1000 atlas && mkdir /data && chown atlas /data
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY app ./app
COPY templates ./templates
COPY static ./static

FROM base AS precompute
# The registry's own torch carries CUDA; give TORCH=torch==… with an index of CPU builds for a small image.
RUN grep -v '^torch==' constraints.txt > /tmp/constraints.txt \
    && pip install -c /tmp/constraints.txt '.[precompute]'
USER atlas
WORKDIR /data
ENTRYPOINT ["feature-atlas", "precompute"]

FROM base AS server
RUN pip install -c constraints.txt .
USER atlas
WORKDIR /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=3s --start-period=5s CMD \
    ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/-/health', timeout=2)"]
# FEATURE_ATLAS_ACCESS_KEY must be set, or --public given: the server refuses to listen beyond this
# machine without one of them.
ENTRYPOINT ["feature-atlas", "serve", "--host", "0.0.0.0"]
CMD ["/data/atlas.db"]
