# A soak: dockerd making, entering and removing containers, eight at once, for SOAK_SECONDS.

source docker/client.sh
keep_as docker start_client

: "${SOAK_SECONDS:=3600}" "${SOAK_AT_ONCE:=8}"
CHECK_SECONDS=$((SOAK_SECONDS + 1500))
FIGURES=$LOGS/figures
# It is run beside other work, whose turn may be first.
PATIENCE=300

# A daemon that debugs itself tells what of its memory is in use.
start_client() {
	docker_start_client '{"debug": true}'
}
