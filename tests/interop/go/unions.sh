#!/bin/sh
# unions.sh: unions.go, which lists every member of every union of the SDK's services; reflection cannot enumerate a package.
set -eu
cd "$1"
printf '// Made by unions.sh from the source of the SDK.\npackage main\n\nimport (\n'
for service in bedrockruntime bedrock bedrockagentruntime; do
  printf '\t%s "github.com/aws/aws-sdk-go-v2/service/%s/types"\n' $service $service
done
printf ')\n\nvar unions = []any{\n'
for service in bedrockruntime bedrock bedrockagentruntime; do
  sed -nE "s/^type ([A-Za-z0-9]+Member[A-Za-z0-9]+) struct.*/\t$service.\1{},/p" \
    "$(go list -f '{{.Dir}}' "github.com/aws/aws-sdk-go-v2/service/$service/types")"/types.go
done
printf '}\n'
