# The site in a container, built with the same make targets as on a machine.
#
#   docker build -t facerec .
#   docker run -p 8000:8000 -v facerec:/data facerec
#
# The first start fetches the weights into the volume, and shows the administrator's password once
# (docker logs), unless ADMIN_PASSWORD is given.
FROM python:3.11-slim-bookworm AS build
RUN apt-get update -q && apt-get install -y -q --no-install-recommends make
WORKDIR /app
# The environment comes first, so that a change of the code does not build it again.
COPY Makefile ./
COPY tools tools
COPY requirements requirements
# Also build the client of MySQL, so that DATABASE_URL may name a MySQL server.
RUN make install DATABASE_URL=mysql://

FROM python:3.11-slim-bookworm
RUN apt-get update -q \
    && apt-get install -y -q --no-install-recommends libmariadb3 make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 facerec \
    && install -d -o facerec -g facerec -m 700 /data
WORKDIR /app
COPY --from=build /app/.venv .venv
COPY . .
USER facerec
ENV FACEREC_VAR=/data HOST=0.0.0.0 PYTHONUNBUFFERED=1
VOLUME /data
EXPOSE 8000
# Draining takes up to 25 seconds: docker stop -t 30.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=300s \
    CMD [".venv/bin/python", "-c", "import urllib.request as r; r.urlopen('http://localhost:8000/health/live', timeout=4)"]
CMD ["make", "run"]
