# Creel's gateway as a container, built from this source tree:
#	docker build --file images/gateway.Dockerfile --tag creel-gateway:local .
# scripts/gateway-image makes the same where debian:bookworm-slim cannot be had.
FROM debian:bookworm-slim AS build
COPY . /src
WORKDIR /src
RUN apt-get update && scripts/install-deps build \
	&& meson setup /build --prefix=/usr --buildtype=release -Dtests=false \
	&& ninja -C /build && DESTDIR=/out meson install -C /build --no-rebuild

FROM debian:bookworm-slim
ARG PACKAGES="bash ca-certificates libcurl4 libevent-core-2.1-7 libsqlite3-0"
ARG FILES_OF="novnc"
RUN apt-get update \
	&& DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ${PACKAGES} \
	&& cd /tmp \
	&& for name in ${FILES_OF}; do \
		apt-get download "$name" && dpkg-deb --extract "$name"_*.deb / && rm "$name"_*.deb || exit 1; \
	done \
	&& rm -rf /var/lib/apt/lists/*
COPY --from=build /out/ /
# The user is whoever owns the directories that are mounted: docker run --user.
ENV HOME=/home/creel
RUN mkdir -m 0777 /home/creel
ENTRYPOINT ["/usr/libexec/creel/creel-gateway"]
