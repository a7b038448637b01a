FROM python:3.11-slim AS packages
COPY requirements.lock .
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock

FROM python:3.11-slim
RUN useradd --system --uid 10001 --no-create-home ujung && install -d -o ujung /data
WORKDIR /srv/ujung
COPY --from=packages /venv /venv
COPY alembic.ini ./
COPY migrations migrations
COPY app app
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    UJUNG_HOST=0.0.0.0 \
    UJUNG_PORT=8000 \
    UJUNG_DATA_DIR=/data \
    UJUNG_LOG_JSON=true
USER ujung
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["python", "-c", \
    "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"UJUNG_PORT\"]}/healthz', timeout=3)"]
ENTRYPOINT ["python", "-m", "app.cli"]
CMD ["serve"]
