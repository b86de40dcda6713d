// Command reference serves HTTP/2 by golang.org/x/net on a free port, for the differential test: it prints the port, and
// answers every request with its method, its path and its body.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"

	"golang.org/x/net/http2"
)

func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	fmt.Fprintf(w, "%s %s %s", r.Method, r.URL.RequestURI(), body)
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	server := &http2.Server{}
	for {
		conn, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		go server.ServeConn(conn, &http2.ServeConnOpts{Handler: http.HandlerFunc(echo)})
	}
}
