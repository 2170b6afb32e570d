#!/bin/sh
# Makes the plain sandbox image: bash, curl, git, jq, python3, ripgrep. Another name than Creel's own
# as the argument: scripts/sandbox-setup.sh openclaw-sandbox:bookworm-slim
set -eu
here=$(dirname "$0")
exec "$here/sandbox-image" "${1:-creel-sandbox:bookworm-slim}" "$here/../images/sandbox.packages"
