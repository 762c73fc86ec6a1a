# Networks.

connect_and_disconnect() {
	docker network create other
	docker run -d --name box busybox sleep 300
	docker network connect other box
	contains eth1 "$(docker exec box ls /sys/class/net)"
	docker network disconnect other box
	lacks eth1 "$(docker exec box ls /sys/class/net)"
	docker rm -f box
	docker network rm other
}

network_modes() {
	equals lo "$(docker run --rm --network none busybox ls /sys/class/net)"
	equals "$(readlink /proc/self/ns/net)" "$(docker run --rm --network host busybox readlink /proc/self/ns/net)"
	docker run -d --name box busybox sleep 300
	equals "$(docker exec box readlink /proc/self/ns/net)" "$(docker run --rm --network container:box busybox readlink /proc/self/ns/net)"
	contains eth0 "$(docker exec box ls /sys/class/net)"
}

dns_and_hosts() {
	contains "10.9.8.7" "$(docker run --rm --add-host there:10.9.8.7 busybox cat /etc/hosts)"
	contains "nameserver 10.9.8.6" "$(docker run --rm --dns 10.9.8.6 busybox cat /etc/resolv.conf)"
}

check "network: alias, published port" alias_and_published_port
check "network connect disconnect" connect_and_disconnect
check "--network none host container:" network_modes
check "--dns --add-host" dns_and_hosts
