#!/bin/sh
# Installs what a Samba AD domain controller needs from Debian, for 'ptabench
# directory --kind samba', which provisions and runs it as its own child. None of
# the system's own services is started.
set -eu
exec "$(dirname "$0")/install-quietly.sh" samba samba-ad-dc samba-ad-provision samba-dsdb-modules winbind python3-cryptography ldb-tools
