# The sandbox image, where debian:bookworm-slim can be had. scripts/sandbox-setup.sh passes the
# packages; without the base image it makes the same root with mmdebstrap.
FROM debian:bookworm-slim
ARG PACKAGES
RUN apt-get update \
	&& DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ${PACKAGES} \
	&& rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --shell /bin/bash sandbox
USER sandbox
WORKDIR /home/sandbox
CMD ["sleep", "infinity"]
