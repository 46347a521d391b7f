// Command tool is the only program in the containers of the conformance tests.
package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"strconv"
	"time"
)

func main() {
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(command string, args []string) error {
	switch command {
	case "write": // PATH TEXT
		return os.WriteFile(args[0], []byte(args[1]), 0o644)
	case "random": // PATH: what a second run would not write again
		time.Sleep(300 * time.Millisecond)
		return os.WriteFile(args[0], []byte(rand.Text()), 0o644)
	case "fill": // PATH BYTES
		size, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		data := make([]byte, size)
		rand.Read(data)
		return os.WriteFile(args[0], data, 0o644)
	case "environment": // PATH NAME: whether the variable is there, and how long it is
		value, found := os.LookupEnv(args[1])
		return os.WriteFile(args[0], fmt.Append(nil, found, " ", len(value)), 0o644)
	case "size": // PATH FILE
		data, err := os.ReadFile(args[1])
		return os.WriteFile(args[0], fmt.Append(nil, len(data), " ", err == nil), 0o644)
	case "fail": // LINES CODE
		lines, err := strconv.Atoi(args[0])
		if err != nil {
			return err
		}
		for i := range lines {
			fmt.Println("line", i+1)
		}
		code, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		os.Exit(code)
	case "sleep": // NAME, which tells this process from others
		time.Sleep(10 * time.Minute)
	}
	return nil
}
