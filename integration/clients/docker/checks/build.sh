# Building images, and compose.

write_dockerfile() {
	mkdir -p /tmp/build
	cat >/tmp/build/Dockerfile <<-'END'
		FROM busybox
		RUN echo built > /built && id -u > /who
		USER 1000
		RUN id -u >> /tmp/who
		ENTRYPOINT ["cat", "/built", "/who", "/tmp/who"]
	END
}

build_classic() {
	write_dockerfile
	DOCKER_BUILDKIT=0 docker build --network none -t built /tmp/build
	equals "built 0 1000" "$(docker run --rm built | xargs)"
	docker rmi built
	rm -r /tmp/build
}

# BuildKit's executor takes `runc` from PATH, or what this variable of the daemon's says.
build_with_buildkit() {
	[ "$DOCKER_BUILDKIT_RUNC_COMMAND" = /usr/local/sbin/trug ]
	write_dockerfile
	DOCKER_BUILDKIT=1 docker build --network none -t built /tmp/build
	equals "built 0 1000" "$(docker run --rm built | xargs)"
	docker rmi built
	docker builder prune -af
	rm -r /tmp/build
}

compose() {
	mkdir -p /tmp/compose
	cat >/tmp/compose/compose.yaml <<-'END'
		services:
		  web:
		    image: busybox
		    command: sh -c 'mkdir -p /www; echo composed > /www/index.html; echo serving; exec httpd -f -p 80 -h /www'
		  worker:
		    image: busybox
		    command: sh -c 'for n in $$(seq 100); do wget -q -O /data/page http://web/ && echo fetched && break; sleep 0.1; done; sleep 300'
		    volumes: [data:/data]
		    depends_on: [web]
		volumes:
		  data: {}
	END
	cd /tmp/compose
	compose() { timeout 60 docker-compose "$@"; }
	compose up -d
	until_line fetched docker-compose logs -f worker
	contains serving "$(compose logs web)"
	contains worker "$(compose ps)"
	equals composed "$(compose exec -T worker cat /data/page)"
	compose restart -t 1 worker
	equals composed "$(compose exec -T worker cat /data/page)"
	compose down -v -t 1
	equals "" "$(docker ps -aq)"
	cd /
	rm -r /tmp/compose
}

check "build (classic)" build_classic
check "build (BuildKit)" build_with_buildkit
check "compose up ps exec logs restart down" compose
