#!/bin/sh
# Makes the sandbox image for building software: the plain one's packages, compilers, Node.js.
set -eu
here=$(dirname "$0")
exec "$here/sandbox-image" "${1:-creel-sandbox-common:bookworm-slim}" \
	"$here/../images/sandbox.packages" "$here/../images/sandbox-common.packages"
