// SPDX-License-Identifier: Apache-2.0

// client - a static Go program that runs already when it is attached.
//
//	client fill ADDRESS: for each line with a number so many connections, as tests/system/attach_client.c
//	client http URL COUNT: after a line of input so many requests, each by a connection of its own; prints the
//	seconds and how many failed
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"
)

func fill(address string) {
	var held []net.Conn
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		asked, _ := strconv.Atoi(lines.Text())
		failed, number := 0, syscall.Errno(0)
		for i := 0; i < asked; i++ {
			connection, why := net.Dial("tcp", address)
			if why != nil {
				failed++
				errors.As(why, &number)
				continue
			}
			held = append(held, connection)
		}
		fmt.Printf("%d connected, %d failed, errno %d\n", asked-failed, failed, int(number))
	}
}

func get(url, count string) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	asked, _ := strconv.Atoi(count)
	failed := 0
	bufio.NewScanner(os.Stdin).Scan()
	began := time.Now()
	for i := 0; i < asked; i++ {
		answer, why := client.Get(url)
		if why != nil {
			failed++
			continue
		}
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
	fmt.Printf("%.6f %d\n", time.Since(began).Seconds(), failed)
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "fill" {
		fill(os.Args[2])
	} else if len(os.Args) == 4 && os.Args[1] == "http" {
		get(os.Args[2], os.Args[3])
	} else {
		os.Exit(2)
	}
}
