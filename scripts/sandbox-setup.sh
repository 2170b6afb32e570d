#!/bin/sh
# Makes the plain sandbox image: bash, curl, git, jq, python3, ripgrep. Another name than Creel's own
# as the argument: scripts/sandbox-setup.sh openclaw-sandbox:bookworm-slim
set -eu
exec "$(dirname "$0")/sandbox-image" "${1:-creel-sandbox:bookworm-slim}" sandbox.packages
