# The one image of every service: Airflow with its providers, the project, and what rendering needs.
#   docker build -t emailketing .

FROM python:3.11-slim-bookworm

# Those that `bin/setup runtime` installs on a machine; a test keeps the two lists the same.
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        libpango-1.0-0 \
        libpangoft2-1.0-0 \
        libharfbuzz-subset0 \
        fontconfig \
        fonts-dejavu-core \
        fonts-inter \
        fonts-noto-color-emoji \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/emailketing
ENV PATH=/opt/emailketing/.venv/bin:$PATH \
    PYTHONPATH=/opt/emailketing/plugins \
    PYTHONUNBUFFERED=1 \
    AIRFLOW_HOME=/var/lib/airflow

# requirements.txt is the only source of versions, here as on a machine. What only development needs leaves again.
COPY requirements.in requirements.txt ./
COPY bin/setup bin/setup
RUN export UV_NO_CACHE=1 \
    && bin/setup python \
    && sed -n '/^# Development/,$ s/^\([a-z][a-z-]*\).*/\1/p' requirements.in >/tmp/development.txt \
    && .venv/bin/uv pip uninstall --quiet --python .venv/bin/python -r /tmp/development.txt \
    && rm /tmp/development.txt

COPY bin bin
COPY plugins plugins
COPY dags dags
COPY include include
COPY demo demo

# A named volume takes over the owner of the folder it is mounted upon.
RUN useradd --uid 50000 --create-home emailketing \
    && install -d -o emailketing -g emailketing /var/lib/airflow /var/lib/airflow/logs /var/lib/mail /var/lib/phone var \
    && .venv/bin/python -m compileall -q plugins demo
USER 50000

CMD ["airflow", "version"]
