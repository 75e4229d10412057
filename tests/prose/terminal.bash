# terminal.bash - what the shell of a terminal does first. run then types into its script, which is a
# FIFO: it sources a file, and says in another FIFO that this has ended.
#
# The FIFOs are opened for each word anew or closed on exec, for what runs here inherits no
# descriptor but the first three, as in a terminal. Which commands failed stands in "$1/failed". A
# command that dies of Ctrl-C ends all that bash is in the midst of, so there is no loop around it.
# shellcheck shell=bash

for fd in "/proc/$$/fd/"*; do
    fd=${fd##*/}
    ((fd <= 2 || fd == 255)) || eval "exec $fd>&-"
done
unset fd
set -m # jobs have process groups of their own, for Ctrl-C
trap : INT
PROSE_TALK=$1
set --
# `source` itself fails as its last command does: that is not told twice.
trap 'PROSE_STATUS=$? PROSE_LINE=$LINENO
    [[ ${BASH_SOURCE[0]} != "$PROSE_TALK/command" ]] ||
        echo "$PROSE_STATUS $PROSE_LINE $BASH_COMMAND" >>"$PROSE_TALK/failed"' ERR
