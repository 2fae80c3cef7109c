// SPDX-License-Identifier: Apache-2.0

// service - a Go service that opens connections and closes them.
package main

import (
	"net"
	"time"
)

func main() {
	for {
		if connection, err := net.Dial("tcp", "127.0.0.1:7000"); err == nil {
			connection.Write([]byte("GET / HTTP/1.0\r\n\r\n"))
			connection.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
}
