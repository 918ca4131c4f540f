#!/bin/sh
# Installs OpenLDAP's server from Debian, for 'ptabench directory --kind slapd',
# which runs it as its own child. The system's own instance is neither set up nor
# started: it would listen on every address, in the way of others.
set -eu
exec "$(dirname "$0")/install-quietly.sh" --answer 'slapd slapd/no_configuration boolean true' slapd
