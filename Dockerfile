FROM python:3.11-slim AS packages
COPY requirements.lock .
RUN python -m venv --without-pip /venv \
    && pip --python /venv/bin/python install --no-cache-dir --require-hashes -r requirements.lock

FROM python:3.11-slim
RUN groupadd --gid 10001 ujung \
    && useradd --uid 10001 --gid ujung --no-create-home --shell /usr/sbin/nologin ujung \
    && install -d -o ujung -g ujung -m 700 /data
WORKDIR /srv/ujung
COPY --from=packages /venv /venv
COPY pyproject.toml alembic.ini ./
COPY migrations migrations
COPY app app
RUN python -m compileall -q app migrations && chmod -R a+rX .
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    UJUNG_HOST=0.0.0.0 \
    UJUNG_PORT=8000 \
    UJUNG_DATA_DIR=/data \
    UJUNG_LOG_JSON=true
USER 10001:10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python", "-c", \
    "import os, urllib.request as web; web.urlopen(f'http://127.0.0.1:{os.environ[\"UJUNG_PORT\"]}/healthz', timeout=3)"]
ENTRYPOINT ["python", "-m", "app.cli"]
CMD ["serve"]
