package policy

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// As /agnhost in a pod this program is the one command of agnhost that the suite calls there, and a server of SCTP:
//
//	connect --timeout=3s --protocol=tcp HOST:PORT
//	sctp PORT …
//
// `connect` says nothing when it is answered; else TIMEOUT, REFUSED, DNS or OTHER on the standard error.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "agnhost" && len(os.Args) > 1 {
		switch os.Args[1] {
		case "connect":
			os.Exit(connect(os.Args[2:]))
		case "sctp":
			os.Exit(serve(os.Args[2:]))
		}
	}
	flag.Parse()
	os.Exit(m.Run())
}

func connect(args []string) int {
	asked := flag.NewFlagSet("connect", flag.ExitOnError)
	limit := asked.Duration("timeout", 0, "")
	protocol := asked.String("protocol", "tcp", "")
	_ = asked.Parse(args)
	var err error
	switch *protocol {
	case "tcp", "udp":
		err = try(*protocol, asked.Arg(0), *limit)
	case "sctp":
		err = associate(asked.Arg(0), *limit)
	default:
		err = fmt.Errorf("protocol %s is not known", *protocol)
	}
	if err == nil {
		return 0
	}
	var (
		late net.Error
		name *net.DNSError
	)
	switch {
	case errors.As(err, &name):
		fmt.Fprintln(os.Stderr, "DNS:", err)
	case errors.Is(err, syscall.ECONNREFUSED):
		fmt.Fprintln(os.Stderr, "REFUSED")
	case errors.As(err, &late) && late.Timeout():
		fmt.Fprintln(os.Stderr, "TIMEOUT")
	default:
		fmt.Fprintln(os.Stderr, "OTHER:", err)
	}
	return 1
}

// A connection of TCP; of UDP, a datagram and the first of its answer.
func try(protocol, address string, limit time.Duration) error {
	connection, err := net.DialTimeout(protocol, address, limit)
	if err != nil || protocol == "tcp" {
		return err
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	if _, err := connection.Write([]byte("hostname\n")); err != nil {
		return err
	}
	_, err = connection.Read(make([]byte, 1024))
	return err
}
