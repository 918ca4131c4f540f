#!/bin/sh
# install-quietly.sh [--answer SELECTION] PACKAGE...: installs packages whose
# programs ptabench runs as its own children, and answers a question of theirs as
# debconf-set-selections takes it. The system's services that come with them are
# not to be in the way of that, nor to serve anybody: they are neither started nor
# enabled, and stopped where something starts them all the same. Packages that were
# there before, and their services, are left as they are.
set -eu

die() {
	echo "$(basename "$0"): $*" >&2
	exit 1
}

answer=
if [ "${1-}" = --answer ]; then
	answer=${2-}
	shift 2
fi
[ $# -gt 0 ] || die 'expected the packages to install'
PATH=$PATH:/usr/sbin:/sbin # su leaves them out, and dpkg wants them
for program in apt-get dpkg-query debconf-set-selections; do
	command -v "$program" >/dev/null || die "$program is not there: expected Debian; elsewhere install what corresponds to: $*"
done

# Those of an installation that was killed, or that runs, count as new.
policy=/usr/sbin/policy-rc.d
mark='# Of install-quietly.sh, while it installs:'
new=$(sed -n "s/^$mark//p" "$policy" 2>/dev/null || :)
for package in "$@"; do
	case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || :) in
	installed) ;;
	*) new="$new $package" ;;
	esac
done
if [ -z "$new" ]; then exit 0; fi
[ "$(id -u)" = 0 ] || die "expected root, for instance by sudo, to install:$new"

# One at a time: the policy below is the machine's.
exec 9<"$0"
flock -w 900 9 || die 'another installation has not ended in 15 minutes'

# Nothing may start, whatever the machine's own policy says: an installation fails
# as a whole where one of its services cannot start. That policy is back
# afterwards, and when an installation was killed, after the next.
kept=$policy.kept
there() { [ -e "$1" ] || [ -L "$1" ]; } # it may be a link, to nothing too
ours() { grep -q "^$mark" "$policy" 2>/dev/null; }
restore() {
	if ours; then rm -f "$policy"; fi
	if there "$kept" && ! there "$policy"; then mv "$kept" "$policy"; fi
}
# However it ends, some of the packages may be installed by then.
quieten() {
	for package in $new; do
		dpkg -L "$package" 2>/dev/null | sed -n 's,^/etc/init\.d/,,p; s,.*/systemd/system/\([^/@]*\)\.service$,\1,p'
	done | sort -u | while read -r service; do
		service "$service" stop >/dev/null 2>&1 </dev/null || :        # it does not run, as it should be
		update-rc.d "$service" disable >/dev/null 2>&1 </dev/null || : # what is masked cannot be
	done
}
trap 'quieten; restore' EXIT
trap 'exit 1' HUP INT TERM
if there "$policy" && ! ours; then
	mv -f "$policy" "$kept"
fi
rm -f "$policy"
printf '#!/bin/sh\n%s%s\nexit 101\n' "$mark" "$new" >"$policy"
chmod 755 "$policy"

export DEBIAN_FRONTEND=noninteractive
# A machine that has just started may be busy with updates of its own. What
# somebody configured for a package that is to come back is kept.
apt() {
	apt-get -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@" </dev/null 9<&-
}
# One source of packages that is away need not matter.
apt update -qq || echo "$(basename "$0"): going on with the lists of packages that are there" >&2
if [ -n "$answer" ]; then echo "$answer" | debconf-set-selections; fi
# shellcheck disable=SC2086 # a word a package
apt install -y -qq --no-install-recommends $new ||
	die "apt-get has not installed:$new; it says why above. They are of Debian 12 and later; without a network it needs a package source that is reachable"
