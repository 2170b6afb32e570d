# The sandbox images, where debian:bookworm-slim can be had. scripts/sandbox-image passes the packages;
# without the base image it makes the same root with mmdebstrap.
FROM debian:bookworm-slim
ARG PACKAGES
# Of these only the files, without what they depend on.
ARG FILES_OF=
RUN apt-get update \
	&& DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ${PACKAGES} \
	&& cd /tmp \
	&& for name in ${FILES_OF}; do \
		apt-get download "$name" && dpkg-deb --extract "$name"_*.deb / && rm "$name"_*.deb || exit 1; \
	done \
	&& rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --shell /bin/bash sandbox
USER sandbox
WORKDIR /home/sandbox
CMD ["sleep", "infinity"]
