# Sourced by the other scripts: stand in the repository, within a virtual environment.
# One that is active (venv, or conda other than base) is used; otherwise .venv is made once.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [[ -z ${VIRTUAL_ENV:-} && ${CONDA_DEFAULT_ENV:-base} == base ]]; then
    if [[ ! -f .venv/bin/activate ]]; then
        echo "No virtual environment is active: making .venv"
        "${PYTHON:-python3}" -m venv --clear .venv
    fi
    source .venv/bin/activate
fi

# Install this package with the extra named in $1, at the versions it was tested with; once. A file
# says which checkout is installed, and below that with which extras.
# mmcv-lite comes along unless there is an mmcv already, which it would overwrite.
install_package() {
    local stamp extras=$1
    python -c 'import mmcv' 2>/dev/null || extras+=${extras:+,}standalone
    stamp=$(python -c 'import sys; print(sys.prefix)')/.f4d_mmaction_installed
    local wanted installed=""
    wanted="$PWD $(cat setup.py f4d_mmaction/version.py requirements/constraints.txt | cksum)"
    if [[ -f $stamp && $(head -n 1 "$stamp") == "$wanted" ]]; then
        installed=$(cat "$stamp")
    fi
    if ! grep -qxF "[$1]" <<< "$installed"; then
        echo "Installing f4d_mmaction${extras:+[$extras]} into $(python -c 'import sys; print(sys.prefix)')"
        python -m pip install --quiet --constraint requirements/constraints.txt \
            --editable ".${extras:+[$extras]}"
        printf '%s\n' "${installed:-$wanted}" "[$1]" > "$stamp"
    fi
}
