package policy

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"time"
)

// SCTP's first two messages (RFC 9260, 5.1), on raw sockets: many kernels have no SCTP sockets, but all of them forward,
// track and filter its packets.
const (
	chunkInit, chunkInitAck, chunkAbort = 1, 2, 6

	protocolSCTP = "ip4:132"
)

// A packet with one chunk. tag: the verification tag.
func packet(from, to uint16, tag uint32, chunk byte, body []byte) []byte {
	made := make([]byte, 16, 16+len(body))
	binary.BigEndian.PutUint16(made[0:], from)
	binary.BigEndian.PutUint16(made[2:], to)
	binary.BigEndian.PutUint32(made[4:], tag)
	made[12] = chunk
	binary.BigEndian.PutUint16(made[14:], uint16(4+len(body)))
	made = append(made, body...)
	binary.LittleEndian.PutUint32(made[8:], crc32.Checksum(made, crc32.MakeTable(crc32.Castagnoli)))
	return made
}

// The body of INIT and INIT ACK: own tag, window, one stream each way, first TSN.
func hello(tag uint32) []byte {
	body := binary.BigEndian.AppendUint32(nil, tag)
	body = binary.BigEndian.AppendUint32(body, 65536)
	body = binary.BigEndian.AppendUint16(body, 1)
	body = binary.BigEndian.AppendUint16(body, 1)
	return binary.BigEndian.AppendUint32(body, 1)
}

// From INIT to INIT ACK; then the association is aborted.
func associate(address string, limit time.Duration) error {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	number, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return err
	}
	to, err := net.ResolveIPAddr("ip4", host)
	if err != nil {
		return err
	}
	socket, err := net.ListenPacket(protocolSCTP, "0.0.0.0")
	if err != nil {
		return err
	}
	defer socket.Close()
	if err := socket.SetDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	from, port, tag := uint16(32768+rand.IntN(28000)), uint16(number), rand.Uint32()|1
	if _, err := socket.WriteTo(packet(from, port, 0, chunkInit, hello(tag)), to); err != nil {
		return err
	}
	for buffer := make([]byte, 2048); ; {
		size, sender, err := socket.ReadFrom(buffer)
		if err != nil {
			return err
		}
		got := buffer[:size]
		if size < 20 || sender.String() != to.String() || binary.BigEndian.Uint16(got[2:]) != from ||
			binary.BigEndian.Uint16(got) != port || binary.BigEndian.Uint32(got[4:]) != tag || got[12] != chunkInitAck {
			continue
		}
		_, err = socket.WriteTo(packet(from, port, binary.BigEndian.Uint32(got[16:]), chunkAbort, nil), to)
		return err
	}
}

// Answers each INIT to one of these ports, until it is ended. It says "serving" when it listens.
func serve(ports []string) int {
	socket, err := net.ListenPacket(protocolSCTP, "0.0.0.0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("serving")
	cookie := []byte{0, 7, 0, 8, 's', 'e', 'a', 'l'} // State Cookie, which INIT ACK has to have
	for buffer := make([]byte, 2048); ; {
		size, sender, err := socket.ReadFrom(buffer)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		got := buffer[:size]
		if size < 20 || got[12] != chunkInit {
			continue
		}
		from, to := binary.BigEndian.Uint16(got), binary.BigEndian.Uint16(got[2:])
		if slices.Contains(ports, strconv.Itoa(int(to))) {
			body := append(hello(rand.Uint32()|1), cookie...)
			_, _ = socket.WriteTo(packet(to, from, binary.BigEndian.Uint32(got[16:]), chunkInitAck, body), sender)
		}
	}
}
