# shellcheck shell=bash
#
# Sourced by the scripts beside it: finds Python, keeps .venv up to date, and installs Debian
# packages where that is allowed. Everything here is quick when there is nothing to do.

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
venv=$root/.venv

say() { printf '%s\n' "$*" >&2; }

die() {
  say "$(basename -- "$0"): $*"
  exit 1
}

# True when Debian packages can be installed without asking anybody for a password.
may_install_packages() {
  command -v apt-get >/dev/null || return 1
  [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null
}

# Installs the named Debian packages; false when that is not allowed or does not work.
install_packages() {
  may_install_packages || return 1
  local as_root=(env)
  [ "$(id -u)" -eq 0 ] || as_root=(sudo -n env)
  say "Installing Debian packages: $*"
  local apt_get=("${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0)
  # A list that cannot be refreshed may still be good enough to install from.
  "${apt_get[@]}" update >/dev/null || say "The package lists could not be refreshed; trying with the old ones."
  "${apt_get[@]}" install --yes --no-install-recommends "$@" >/dev/null
}

# Prints the newest usable Python. It is run rather than looked for: a version manager leaves
# commands on the path that only say that nothing is installed behind them.
find_python() {
  local python
  for python in python3.14 python3.13 python3.12 python3.11 python3 python; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$python"
      return
    fi
  done
  return 1
}

# Leaves a working virtual environment in .venv, made anew if the Python behind it has gone.
make_venv() {
  "$venv/bin/python" -c 'import pip' 2>/dev/null && return
  local python package
  python=$(find_python) || die "needs Python 3.11 or newer, and finds none on the path. On Debian 12," \
    "Ubuntu 24.04 or newer: apt-get install python3 python3-venv"
  if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    package=$("$python" -c 'import sys; print("python{}.{}-venv".format(*sys.version_info))')
    install_packages "$package" ||
      die "$python cannot make a virtual environment. Run as root: apt-get install $package"
  fi
  say "Setting up .venv with $("$python" --version)"
  "$python" -m venv --clear "$venv"
}

# up_to_date STAMP FILE... is true while the files are those that mark_up_to_date saw.
up_to_date() {
  local stamp=$1
  shift
  [ -f "$stamp" ] && [ "$(<"$stamp")" = "$(cksum -- "$@")" ]
}

mark_up_to_date() {
  local stamp=$1
  shift
  cksum -- "$@" >"$stamp"
}

# install_project EXTRAS installs the package editable, with the comma-separated extras or none.
# It is done again when the requirements changed or the checkout was moved.
install_project() {
  local extras=$1
  local stamp=$venv/installed-${extras:-alone}
  local requirements=("$root/setup.cfg" "$root/pyproject.toml")
  make_venv
  up_to_date "$stamp" "${requirements[@]}" && return
  say "Installing tusd_py and what it needs into .venv (a minute at most, and only when that changes)"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    --editable "$root${extras:+[$extras]}" >&2 ||
    die "could not install what tusd_py needs; pip's reason stands above"
  mark_up_to_date "$stamp" "${requirements[@]}"
}
