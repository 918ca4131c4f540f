package kernel

import (
	"encoding/binary"
	"math"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"
)

// probe needs everything that rules are made of; it matches nothing, as
// nobody dials from the network's own address.
var probe = Rule{ID: "probe", Sources: []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 0})}, Ports: []uint16{9},
	Direction: Both, Verdict: Drop, Loss: 0.5}

// A hook is a place where rules stand: the chain of that name.
type hook struct {
	name string
	at   *nftables.ChainHook
}

var (
	input  = hook{"input", nftables.ChainHookInput}
	output = hook{"output", nftables.ChainHookOutput}
	hooks  = []hook{input, output}
)

// Where things stand in a packet, in bytes: RFC 791 and RFC 9293.
const (
	ipSource, ipDestination   = 12, 16
	tcpSource, tcpDestination = 0, 2
	tcpFlags                  = 13
	resetFlag                 = 0x04
)

// add puts the rule's commands into the batch of a connection.
func (r Rule) add(conn *nftables.Conn, table *nftables.Table) error {
	sources := &nftables.Set{Table: table, Name: r.ID + "-sources", KeyType: nftables.TypeIPAddr}
	var elements []nftables.SetElement
	for _, s := range r.Sources {
		elements = append(elements, nftables.SetElement{Key: s.AsSlice()})
	}
	if err := conn.AddSet(sources, elements); err != nil {
		return err
	}
	var ports *nftables.Set
	if len(r.Ports) > 0 {
		ports = &nftables.Set{Table: table, Name: r.ID + "-ports", KeyType: nftables.TypeInetService}
		elements = nil
		for _, p := range r.Ports {
			elements = append(elements, nftables.SetElement{Key: binary.BigEndian.AppendUint16(nil, p)})
		}
		if err := conn.AddSet(ports, elements); err != nil {
			return err
		}
	}
	put := func(h hook, address, port uint32) {
		policy := nftables.ChainPolicyAccept
		chain := conn.AddChain(&nftables.Chain{Name: h.name, Table: table, Type: nftables.ChainTypeFilter,
			Hooknum: h.at, Priority: nftables.ChainPriorityFilter, Policy: &policy})
		exprs := matchAddress(sources, address)
		if ports != nil {
			exprs = append(exprs, matchPort(ports, port)...)
		}
		conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: append(exprs, r.act()...),
			UserData: userdata.AppendString(nil, userdata.TypeComment, r.ID)})
	}
	if r.Direction != In {
		put(input, ipSource, tcpDestination)
	}
	if r.Direction != Out {
		way := output
		if r.Sources[0].IsLoopback() {
			way = input
		}
		put(way, ipDestination, tcpSource)
	}
	return nil
}

// matchAddress goes on when the IPv4 address at an offset is in the set.
func matchAddress(set *nftables.Set, offset uint32) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.NFPROTO_IPV4}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: 4},
		&expr.Lookup{SourceRegister: 1, SetName: set.Name, SetID: set.ID},
	}
}

// matchPort goes on when the packet is TCP's and the port at an offset is in
// the set.
func matchPort(set *nftables.Set, offset uint32) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2},
		&expr.Lookup{SourceRegister: 1, SetName: set.Name, SetID: set.ID},
	}
}

// act counts the packet and does away with it.
func (r Rule) act() []expr.Any {
	if r.Verdict == Reject {
		// Its own reset comes past here as well, and must arrive.
		return []expr.Any{
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: tcpFlags, Len: 1},
			&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{resetFlag}, Xor: []byte{0}},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{0}},
			&expr.Counter{},
			&expr.Reject{Type: unix.NFT_REJECT_TCP_RST},
		}
	}
	var exprs []expr.Any
	if r.Loss > 0 && r.Loss < 1 {
		// The comparison is of bytes, so the number must be big-endian.
		const all = 1 << 30
		below := uint32(math.Round(r.Loss * all))
		exprs = append(exprs,
			&expr.Numgen{Register: 1, Modulus: all, Type: unix.NFT_NG_RANDOM},
			&expr.Byteorder{SourceRegister: 1, DestRegister: 1, Op: expr.ByteorderHton, Len: 4, Size: 4},
			&expr.Cmp{Op: expr.CmpOpLt, Register: 1, Data: binaryutil.BigEndian.PutUint32(max(1, below))},
		)
	}
	return append(exprs, &expr.Counter{}, &expr.Verdict{Kind: expr.VerdictDrop})
}
