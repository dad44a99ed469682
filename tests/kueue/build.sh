#!/usr/bin/env bash
# Build Kueue into the folder that is named.
set -euo pipefail
out=${1:?the folder to build into}
here=${0%/*}
. "$here/../go_tools.sh"
need_go "Kueue"
mkdir -p "$out/bin"
out=$(cd "$out" && pwd)
cd "$here"

echo "Building Kueue: five minutes the first time on two cores, a moment where Go has it cached"
install_tools "$out"

echo "Copying the manifests of Kueue"
kueue=$(go list -m -f '{{.Dir}}' sigs.k8s.io/kueue)/config/components
rm -rf "$out/manifests"
mkdir -p "$out/manifests/crds"
cp "$kueue"/crd/bases/*.yaml "$out/manifests/crds/"
cp "$kueue/webhook/manifests.yaml" "$out/manifests/webhooks.yaml"
chmod -R u+w "$out/manifests"
