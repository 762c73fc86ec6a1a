# A soak: dockerd making, entering and removing containers, eight at once, for SOAK_SECONDS.

source docker/client.sh

: "${SOAK_SECONDS:=3600}" "${SOAK_AT_ONCE:=8}"
CHECK_SECONDS=$((SOAK_SECONDS + 300))
FIGURES=$LOGS/figures
