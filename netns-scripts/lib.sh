# shellcheck shell=sh
# What run, test and doctor share: which things this machine lacks, which package brings each, and
# where Rust comes from. Plain POSIX sh; the script that reads this file has set $root to the
# repository's folder.
#
# Every function that finds something missing names it and ends with status 3, as calidiff does.

: "${root:?the script that reads lib.sh sets it}"

# The system tools live in sbin, which is not on everyone's PATH;
# rustup's Rust lives in the user's folder, and its profile may not have been read yet.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin:${CARGO_HOME:-${HOME:-/}/.cargo}/bin"
export PATH

say() {
    printf '%s\n' "$*" >&2
}

# What the kernel arms and the build need, by name; have() and package_of() know each.
needs='legacy-tools nft-tools ipset protocols linker certificates'

have_command() {
    command -v "$1" >/dev/null 2>&1
}

have() {
    case $1 in
    legacy-tools) have_command iptables-legacy-restore && have_command ip6tables-legacy-restore ;;
    nft-tools) have_command iptables-nft-restore && have_command ip6tables-nft-restore ;;
    ipset) have_command ipset ;;
    protocols) [ -s /etc/protocols ] ;;
    linker) have_command cc && has_libc ;;
    certificates)
        [ -s "${SSL_CERT_FILE:-}" ] || [ -s /etc/ssl/certs/ca-certificates.crt ] ||
            [ -s /etc/pki/tls/certs/ca-bundle.crt ] || [ -s /etc/ssl/ca-bundle.pem ] ||
            [ -s /etc/ssl/cert.pem ]
        ;;
    esac
}

# A compiler without the C library's start files can't link.
has_libc() {
    start=$(cc -print-file-name=crt1.o 2>/dev/null) || return 1
    case $start in
    /*) [ -e "$start" ] ;;
    *) [ "$(uname -s)" != Linux ] ;;
    esac
}

what_for() {
    case $1 in
    legacy-tools) echo 'iptables-legacy-restore and ip6tables-legacy-restore (the legacy arm)' ;;
    nft-tools) echo 'iptables-nft-restore and ip6tables-nft-restore (the nft arm)' ;;
    ipset) echo 'ipset (address sets)' ;;
    protocols) echo '/etc/protocols (protocol names in rules)' ;;
    linker) echo 'cc and the C library to link with (the build)' ;;
    certificates) echo 'CA certificates (crates.io over TLS)' ;;
    esac
}

# The packages that bring a thing; several where names differ between releases.
package_of() {
    case $manager:$1 in
    apt-get:legacy-tools | apt-get:nft-tools) echo iptables ;;
    dnf:legacy-tools) echo iptables-legacy ;;
    dnf:nft-tools) echo iptables-nft ;;
    apk:legacy-tools) echo iptables iptables-legacy ;;
    apk:nft-tools) echo iptables ;;
    pacman:legacy-tools) echo iptables iptables-legacy ;;
    pacman:nft-tools) echo iptables iptables-nft ;;
    zypper:legacy-tools) echo iptables ;;
    zypper:nft-tools) echo iptables-backend-nft ;;
    *:ipset) echo ipset ;;
    apt-get:protocols) echo netbase ;;
    dnf:protocols) echo setup ;;
    apk:protocols) echo alpine-baselayout-data ;;
    pacman:protocols) echo iana-etc ;;
    zypper:protocols) echo netcfg ;;
    apt-get:linker) echo gcc libc6-dev ;;
    dnf:linker) echo gcc glibc-devel ;;
    apk:linker) echo gcc musl-dev ;;
    pacman:linker) echo gcc ;;
    zypper:linker) echo gcc glibc-devel ;;
    *:certificates) echo ca-certificates ;;
    esac
}

find_manager() {
    for manager in apt-get dnf apk pacman zypper; do
        have_command "$manager" && return 0
    done
    manager=''
    return 1
}

lacking() {
    for need in $needs; do
        have "$need" || printf '%s ' "$need"
    done
}

name_lacking() {
    for need in $1; do
        say "  missing: $(what_for "$need")"
        [ -z "$manager" ] || say "           package $(package_of "$need") ($manager)"
    done
}

# --- becoming root, for packages only -----------------------------------------------------------

is_root() {
    [ "$(id -u)" -eq 0 ]
}

can_be_root() {
    is_root && return 0
    have_command sudo || return 1
    # With a terminal sudo may ask for a password; without one it must not need any.
    [ -t 0 ] || sudo -n true 2>/dev/null
}

as_root() {
    if is_root; then "$@"; else sudo "$@"; fi
}

# --- packages -----------------------------------------------------------------------------------

# What the package manager says is shown only where it fails.
install_packages() {
    say "installing: $1"
    log=$(mktemp)
    # shellcheck disable=SC2086
    case $manager in
    apt-get)
        apt_get install -y --no-install-recommends $1 >"$log" 2>&1 || {
            refresh_apt && apt_get install -y --no-install-recommends $1 >"$log" 2>&1
        }
        ;;
    *) install_one_by_one $1 >"$log" 2>&1 ;;
    esac || {
        say "$manager could not install all of it:"
        cat "$log" >&2
    }
    rm -f "$log"
}

# Elsewhere names differ between releases: one that is unknown must not stop the others.
install_one_by_one() {
    failed=0
    for package in "$@"; do
        case $manager in
        dnf) as_root dnf install -y -q --setopt=install_weak_deps=False "$package" ;;
        zypper) as_root zypper --non-interactive --quiet install --no-recommends "$package" ;;
        pacman) as_root pacman -Sy --noconfirm --needed --quiet "$package" ;;
        apk) as_root apk add --quiet "$package" ;;
        esac || failed=1
    done
    return "$failed"
}

apt_get() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@"
}

# At most once: a fresh machine has no lists, an old one has outdated ones.
refreshed=no
refresh_apt() {
    [ "$refreshed" = no ] || return 1
    refreshed=yes
    say 'apt-get update'
    apt_get update >&2
}

ensure_tools() {
    missing=$(lacking)
    [ -n "$missing" ] || return 0
    find_manager || {
        say 'No package manager that I know (apt-get, dnf, apk, pacman, zypper), and this is missing:'
        name_lacking "$missing"
        exit 3
    }
    can_be_root || {
        say 'This is missing, and only root can install it:'
        name_lacking "$missing"
        exit 3
    }
    packages=''
    for need in $missing; do
        for package in $(package_of "$need"); do
            case " $packages " in *" $package "*) ;; *) packages="${packages:+$packages }$package" ;; esac
        done
    done
    install_packages "$packages"
    missing=$(lacking)
    [ -z "$missing" ] || {
        say 'This could not be installed here:'
        name_lacking "$missing"
        exit 3
    }
}

# --- Rust ---------------------------------------------------------------------------------------

rust_needed() {
    sed -n 's/^rust-version = "\([0-9.]*\)".*/\1/p' "$root/Cargo.toml"
}

# at_least 1.95.0 1.88: whether the first version is not older than the second.
at_least() {
    have_major=${1%%.*}
    have_rest=${1#*.}
    want_major=${2%%.*}
    want_rest=${2#*.}
    [ "$have_major" -gt "$want_major" ] && return 0
    [ "$have_major" -eq "$want_major" ] && [ "${have_rest%%.*}" -ge "${want_rest%%.*}" ]
}

# The version that cargo's compiler has, or nothing. --version downloads nothing with rustup.
rust_here() {
    have_command cargo && have_command rustc || return 1
    (cd "$root" && RUSTUP_AUTO_INSTALL=0 rustc --version 2>/dev/null) |
        sed -n 's/^rustc \([0-9]*\.[0-9]*\.[0-9]*\).*/\1/p'
}

rust_is_ready() {
    rust=$(rust_here) && [ -n "$rust" ] && at_least "$rust" "$(rust_needed)"
}

# The version of a Rust package that the package manager offers, or nothing.
offered_version() {
    case $manager in
    apt-get) apt-cache policy "$1" | sed -n 's/^ *Candidate: \([0-9.]*\).*/\1/p' ;;
    dnf) dnf -q info "$1" 2>/dev/null | sed -n 's/^Version *: *\([0-9.]*\).*/\1/p' | tail -n 1 ;;
    apk) apk list -q "$1" 2>/dev/null | sed -n "s/^$1-\\([0-9.]*\\)-r.*/\\1/p" | tail -n 1 ;;
    pacman) pacman -Si "$1" 2>/dev/null | sed -n 's/^Version *: *\([0-9]*:\)\{0,1\}\([0-9.]*\).*/\2/p' ;;
    zypper) zypper --quiet info "$1" 2>/dev/null | sed -n 's/^Version *: *\([0-9.]*\).*/\1/p' ;;
    esac
}

rust_packages() {
    case $manager in
    pacman) echo rust ;;
    dnf) echo cargo rust clippy rustfmt ;;
    apk | zypper) echo cargo rust ;;
    *) echo cargo rustc ;;
    esac
}

# The distribution's Rust where it is new enough, else its rustup.
install_rust() {
    compiler=rustc
    [ "$manager" = apt-get ] || compiler=rust
    [ "$manager" != apt-get ] || [ -n "$(offered_version rustc)" ] || refresh_apt || true
    offered=$(offered_version "$compiler")
    if [ -n "$offered" ] && at_least "$offered" "$(rust_needed)"; then
        install_packages "$(rust_packages)"
    elif [ -n "$(offered_version rustup)" ]; then
        install_packages rustup
        have_command rustup || rustup-init -y --no-modify-path --profile minimal >&2
        use_rustup
    fi
    rust_is_ready
}

use_rustup() {
    say "rustup toolchain install stable (Rust $(rust_needed) or newer is needed)"
    rustup toolchain install stable --profile minimal --component clippy --component rustfmt >&2 &&
        RUSTUP_TOOLCHAIN=stable && export RUSTUP_TOOLCHAIN && rust_is_ready
}

ensure_rust() {
    rust_is_ready && return 0
    have_command rustup && use_rustup && return 0
    find_manager && can_be_root && install_rust && return 0
    say 'This could not be installed here:'
    explain_rust
    exit 3
}

explain_rust() {
    say "  missing: Rust $(rust_needed) or newer (cargo and rustc)"
    [ -z "${rust:-}" ] || say "           found: Rust $rust, too old"
    [ -z "${offered:-}" ] || say "           $manager offers Rust $offered, too old"
    if is_root && [ -n "${SUDO_USER:-}" ] && [ "$SUDO_USER" != root ]; then
        say "           If $SUDO_USER has Rust: run this without sudo; it asks for sudo where it must."
    fi
    say "           To get it (https://rustup.rs; it needs curl):"
    say "             curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal"
    say "           then run this again; \$HOME/.cargo/bin is looked into."
}

# --- building and running -----------------------------------------------------------------------

target_folder() {
    echo "${CARGO_TARGET_DIR:-$root/target}"
}

build_release() {
    (cd "$root" && cargo build --release --locked --bin calidiff >&2)
}

# Whether this user may program a network namespace: as root, or in a user namespace that has its
# capabilities (some systems grant the namespace and refuse those).
can_make_namespaces() {
    is_root || { can_use_tun && user_namespaces_work; }
}

can_use_tun() {
    [ -r /dev/net/tun ] && [ -w /dev/net/tun ]
}

user_namespaces_work() {
    unshare --user --map-root-user --net iptables-nft-save >/dev/null 2>&1
}

needs_sudo() {
    ! can_make_namespaces && can_be_root &&
        say 'This user may not program a network namespace here: going on through sudo.'
}

# Says so before anything is built, where neither way is open.
ensure_namespaces() {
    can_make_namespaces || can_be_root || {
        say 'The kernel arms need a network namespace, and this user may not program one:'
        user_namespaces_work ||
            say '  missing: user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone,
           kernel.apparmor_restrict_unprivileged_userns: those that exist)'
        can_use_tun || say '  missing: leave to read and write /dev/net/tun (chmod 666 /dev/net/tun, as udev has it)'
        say '  or run this as root, or let this user call sudo'
        exit 3
    }
}

calidiff() {
    if needs_sudo; then
        sudo "$(target_folder)/release/calidiff" "$@"
    else
        "$(target_folder)/release/calidiff" "$@"
    fi
}
