#!/bin/sh
# Fetches what the report page embeds and what its tests use, from npm, at
# pinned versions, and with their licences. The files are committed: neither a
# build nor a run fetches anything.
set -eu

uplot=1.6.32
axe=4.14.1

cd "$(dirname "$0")/../page"
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT

# npm checks the archive against the registry's digest.
fetch() { # package version
	(cd "$temp" && npm pack --silent "$1@$2" >/dev/null && tar -xzf "$1-$2.tgz" && mv package "$1")
}

fetch uplot "$uplot"
cp "$temp/uplot/dist/uPlot.iife.min.js" assets/uplot.js
cp "$temp/uplot/dist/uPlot.min.css" assets/uplot.css
cp "$temp/uplot/LICENSE" assets/uplot.LICENSE
echo "$uplot" >assets/uplot.version

fetch axe-core "$axe"
cp "$temp/axe-core/axe.min.js" testdata/axe.js
cp "$temp/axe-core/LICENSE" testdata/axe.LICENSE
echo "$axe" >testdata/axe.version
