#!/bin/sh
# Makes the sandbox image for building software: the plain one's packages, compilers, Node.js.
set -eu
exec "$(dirname "$0")/sandbox-image" "${1:-creel-sandbox-common:bookworm-slim}" \
	sandbox.packages sandbox-common.packages
