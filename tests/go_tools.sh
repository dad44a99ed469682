# Sourced by the scripts that build Go programs.

# Install the tools of the go.mod in this folder into FOLDER/bin, with these linker flags beside the usual; tells how far it is.
install_tools() {
    local out=$1 flags=${2:-} log=$1/build.log packages
    packages=$(go list -deps tool | wc -l)
    GOBIN=$out/bin go install -v -trimpath -ldflags="-s -w $flags" tool 2>&1 | tee "$log" |
        awk -v all="$packages" 'NR % 100 == 0 { printf "  %d of %d packages compiled\n", NR, all; fflush() }' ||
        { tail -n 30 "$log" >&2; return 1; }
}

# Say what is missing where there is no Go.
need_go() {
    command -v go >/dev/null || { echo "$1 is built by Go (1.26 or newer), and there is none: see https://go.dev/doc/install" >&2; exit 1; }
}
