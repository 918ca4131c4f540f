#!/bin/bash
# Regenerates wire/*.pb.go from wire/*.proto with pinned generators.
# protoc comes from Debian (package protobuf-compiler); the plugins are Go modules.
set -euo pipefail
cd "$(dirname "$0")/.."

protoc_gen_go=v1.36.12
protoc_gen_go_grpc=v1.6.2

tools=$PWD/bin/tools
GOBIN=$tools go install google.golang.org/protobuf/cmd/protoc-gen-go@$protoc_gen_go
GOBIN=$tools go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@$protoc_gen_go_grpc
PATH=$tools:$PATH protoc --go_out=. --go_opt=module=ptabench \
	--go-grpc_out=. --go-grpc_opt=module=ptabench wire/connector.proto
# The generator's header names protoc's version, which differs between Debian
# releases while the code does not.
sed -i '/^\/\/ [- ]*protoc  *v/d' wire/*.pb.go
