# A server of one page, as a script for a container, and who asks it.

WEB='mkdir /www; echo page > /www/index.html; exec httpd -f -p 80 -h /www'

# fetch ADDRESS: a script that prints the page. The server listens a moment after it has started.
fetch() {
	echo "for n in \$(seq 100); do wget -q -O - $1 && exit; sleep 0.1; done; exit 1"
}
