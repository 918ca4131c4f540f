# ptabench: see README.md. `make run` needs nothing but Go and make; `make test`
# needs root or sudo on a Debian system too, for what it installs.

SHELL := /bin/bash
export CGO_ENABLED := 0

staticcheck := honnef.co/go/tools/cmd/staticcheck@v0.8.2
root := $(filter 0,$(shell id -u))
sudo := $(if $(root),,sudo)

# Tests of the kernel's faults and of network namespaces need root; as root, in
# CI and everywhere else, they must run and are never skipped.
ifneq ($(root),)
test unit endtoend: export PTABENCH_REQUIRE_ROOT_TESTS := 1
endif

# Nor are tests of real directories, which root alone can start where they have
# ports below 1024.
ifneq ($(root),)
test unit endtoend: export PTABENCH_REQUIRE_DIRECTORY_TESTS := 1
endif

# Nor are tests of pages, which need a browser.
test unit: export PTABENCH_REQUIRE_BROWSER_TESTS := 1

.PHONY: run test build bench lint generate generated unit endtoend cross clean pictures

# The main job: real processes, three faults, a verdict and a report.
run: build
	bin/ptabench run quickstart

# Everything that CI runs.
test: lint generated cross unit endtoend

build:
	@mkdir -p bin
	go build -trimpath -o bin/ptabench ./cmd/ptabench

# Formatting, vet, staticcheck.
lint:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
	if [ -n "$$unformatted" ]; then echo "gofmt differs in:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	go run $(staticcheck) ./...

# All tests but those of whole runs, which load both cores and so run alone.
# The race detector needs cgo, the binary does not. Three packages at a time: many
# tests wait more than they work.
unit: cc network openssl chromium systemd directories
	CGO_ENABLED=1 go test -race -shuffle=on -timeout 10m -p 3 $$(go list ./... | grep -v /endtoend)

# Real scenarios, end to end, on the binary that users get.
endtoend: cc network directories
	CGO_ENABLED=1 go test -race -shuffle=on -count=1 -timeout 10m ./endtoend

# The binary builds wherever it is promised to: each system and each processor
# once.
cross:
	GOOS=linux GOARCH=arm64 go build -o /dev/null ./cmd/ptabench
	GOOS=darwin GOARCH=arm64 go build -o /dev/null ./cmd/ptabench

# Generates wire/*.pb.go anew.
generate: protoc
	scripts/generate.sh

# Fails when generated code is not what its source gives.
generated: generate
	@git diff --exit-code --stat -- wire || { echo "wire/*.pb.go is stale: run 'make generate' and commit"; exit 1; }

.PHONY: protoc cc network openssl chromium systemd directories page-assets
cc:
	@command -v gcc >/dev/null || { $(sudo) apt-get update -qq && $(sudo) apt-get install -y -qq gcc libc6-dev; }
protoc:
	@command -v protoc >/dev/null || { $(sudo) apt-get update -qq && $(sudo) apt-get install -y -qq protobuf-compiler; }
# Tests look from outside, by nft and ip, at what the program does without them.
network:
	@PATH=$$PATH:/usr/sbin:/sbin; command -v nft >/dev/null && command -v ip >/dev/null || { $(sudo) apt-get update -qq && $(sudo) apt-get install -y -qq nftables iproute2; }

# Tests have the usual tool look at certificates and revocation lists.
openssl:
	@command -v openssl >/dev/null || { $(sudo) apt-get update -qq && $(sudo) apt-get install -y -qq openssl; }

# Tests start OpenLDAP and Samba.
directories:
	@PATH=$$PATH:/usr/sbin:/sbin; command -v slapd >/dev/null || $(sudo) scripts/install-slapd.sh
	@PATH=$$PATH:/usr/sbin:/sbin; command -v samba >/dev/null && command -v samba-tool >/dev/null && command -v ldbsearch >/dev/null || $(sudo) scripts/install-samba.sh

# Tests open the report pages in a browser.
chromium:
	@command -v chromium >/dev/null || { $(sudo) apt-get update -qq && $(sudo) apt-get install -y -qq chromium; }

# Fetches anew what the report page embeds, at the versions that the script pins.
page-assets:
	scripts/page-assets.sh

# Tests have systemd read the unit that 'ptabench connector install' writes.
test unit: export PTABENCH_REQUIRE_SYSTEMD := 1
systemd:
	@command -v systemd-analyze >/dev/null || { $(sudo) apt-get update -qq && $(sudo) apt-get install -y -qq systemd; }

# Figures: hot paths, then the whole system.
bench: build
	go test -run '^$$' -bench . -benchmem $$(go list ./... | grep -v /endtoend)
	go test -run '^$$' -bench . -benchtime 1x -timeout 30m ./endtoend

# The pictures in README.md, from a fresh run of quickstart.
pictures: build
	rm -rf runs/pictures
	bin/ptabench run quickstart --quiet --out runs/pictures
	for chart in overview heatmap; do \
		bin/ptabench report runs/pictures --format svg --chart $$chart > docs/quickstart-$$chart.svg || exit 1; done

clean:
	rm -rf bin runs
