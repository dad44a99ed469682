#!/usr/bin/env bash
# Build etcd, kube-apiserver, kube-controller-manager, kubectl, JobSet and Kubeflow Trainer into the folder that is named.
set -euo pipefail
out=${1:?the folder to build into}
here=${0%/*}
. "$here/../go_tools.sh"
need_go "The real control plane"
mkdir -p "$out/bin"
out=$(cd "$out" && pwd)
cd "$here"
echo "Building the real control plane: nine minutes the first time on two cores, a moment where Go has it cached"
kubernetes=$(go list -m -f "{{.Version}}" k8s.io/kubernetes)
kubernetes=${kubernetes#v}
minor=${kubernetes#*.}
# Without a version kube-apiserver calls itself v0.0.0-master, which clients refuse to parse.
version="-X k8s.io/component-base/version.gitVersion=v$kubernetes -X k8s.io/component-base/version.gitMajor=${kubernetes%%.*} -X k8s.io/component-base/version.gitMinor=${minor%%.*}"
install_tools "$out" "$version"

echo "Copying the manifests of Trainer and JobSet"
trainer=$(go list -m -f '{{.Dir}}' github.com/kubeflow/trainer/v2)/manifests/base
jobset=$(go list -m -f '{{.Dir}}' sigs.k8s.io/jobset)/config/components
rm -rf "$out/manifests"
mkdir -p "$out/manifests/crds"
cp "$trainer"/crds/trainer*.yaml "$jobset"/crd/bases/*.yaml "$out/manifests/crds/"
cp "$trainer/webhook/manifests.yaml" "$out/manifests/trainer-webhooks.yaml"
cp "$jobset/webhook/manifests.yaml" "$out/manifests/jobset-webhooks.yaml"
cp -r "$trainer/runtimes" "$out/manifests/runtimes"
for version in 2.1.0 2.2.1; do # whose CRDs alone are of interest
    folder=$(go mod download -json "github.com/kubeflow/trainer/v2@v$version" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
    mkdir -p "$out/manifests/crds-$version"
    cp "$folder"/manifests/base/crds/trainer*.yaml "$out/manifests/crds-$version/"
done
chmod -R u+w "$out/manifests"
