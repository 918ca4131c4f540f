#!/bin/sh
# install-quietly.sh PACKAGE...: installs packages whose programs ptabench runs as
# its own children. The system's services that come with them are not to be in the
# way of that, nor to serve anybody: they are neither started nor enabled, and
# stopped where something starts them all the same. Packages that were there
# before, and their services, are left as they are.
set -eu

new=
for package in "$@"; do
	case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || :) in
	installed) ;;
	*) new="$new $package" ;;
	esac
done

# Nothing may start, whatever the machine's own policy says: an installation fails
# as a whole where one of its services cannot start. That policy is back
# afterwards, and when an installation was killed, after the next.
policy=/usr/sbin/policy-rc.d
kept=$policy.kept
restore() {
	rm -f "$policy"
	if [ -e "$kept" ]; then mv "$kept" "$policy"; fi
}
trap restore EXIT
trap 'exit 1' HUP INT TERM
if [ -e "$policy" ] && ! grep -q install-quietly.sh "$policy"; then
	mv -f "$policy" "$kept"
fi
rm -f "$policy" # it may be a link
printf '#!/bin/sh\n# Of install-quietly.sh, while it runs.\nexit 101\n' >"$policy"
chmod 755 "$policy"

# A machine that has just started may be busy with updates of its own.
wait='-o DPkg::Lock::Timeout=300'
apt-get $wait update -qq
DEBIAN_FRONTEND=noninteractive apt-get $wait install -y -qq --no-install-recommends "$@"

for package in $new; do
	dpkg -L "$package" | sed -n 's,^/etc/init\.d/,,p; s,.*/systemd/system/\([^/@]*\)\.service$,\1,p'
done | sort -u | while read -r service; do
	service "$service" stop >/dev/null 2>&1 || : # it does not run, as it should be
	update-rc.d "$service" disable >/dev/null 2>&1 || : # what is masked cannot be
done
