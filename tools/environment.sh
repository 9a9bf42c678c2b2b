# Sourced by the other scripts: stand in the repository, within a virtual environment.
# One that is active (venv or conda) is used as it is; otherwise .venv is made once.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [[ -z ${VIRTUAL_ENV:-} && -z ${CONDA_PREFIX:-} ]]; then
    if [[ ! -x .venv/bin/python ]]; then
        echo "No virtual environment is active: making .venv"
        "${PYTHON:-python3}" -m venv .venv
    fi
    source .venv/bin/activate
fi

# Install this package with the extras named in $1, at the versions it was tested with; once.
install_package() {
    local stamp
    stamp=$(python -c 'import sys; print(sys.prefix)')/.f4d_mmaction_installed
    local wanted
    wanted="$PWD $1 $(cat setup.py f4d_mmaction/version.py requirements/constraints.txt | cksum)"
    if [[ ! -f $stamp || $(cat "$stamp") != "$wanted" ]]; then
        echo "Installing f4d_mmaction[$1]"
        python -m pip install --quiet --constraint requirements/constraints.txt --editable ".[$1]"
        echo "$wanted" > "$stamp"
    fi
}
