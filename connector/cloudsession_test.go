package connector

import (
	"bytes"
	"context"
	"crypto/hpke"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"ptabench/wire"
)

// A fakeSession is one request stream that was welcomed.
type fakeSession struct {
	cloud  *fakeCloud
	port   string
	source string
	hello  *wire.Hello
	end    context.CancelFunc // ends the stream from the cloud's side
	done   chan struct{}      // closed when it has ended
	closed atomic.Bool        // the connector closed its side

	mu       sync.Mutex
	stream   grpc.BidiStreamingServer[wire.ConnectorMessage, wire.CloudMessage]
	sender   *hpke.Sender
	statuses []*wire.Status
	beats    int
	respond  context.CancelFunc // ends the response stream
}

func (s *fakeSession) send(m *wire.CloudMessage) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stream.Send(m)
}

// seal begins a new sealing context.
func (s *fakeSession) seal() error {
	key, err := kem.NewPublicKey(s.hello.GetHpkePublicKey())
	if err != nil {
		return err
	}
	enc, sender, err := hpke.NewSender(key, kdf, aead, []byte("ptabench seal 1"))
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sender = sender
	return s.stream.Send(&wire.CloudMessage{Kind: &wire.CloudMessage_Seal{Seal: &wire.SealContext{Enc: enc}}})
}

// A given is a sign-in to give; without a password its bytes are garbage.
type given struct {
	id             uint64
	user, password string
	garbage        bool
	budget         time.Duration
}

// give sends sign-ins in one batch.
func (s *fakeSession) give(all ...given) {
	s.cloud.t.Helper()
	batch := &wire.Batch{}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range all {
		sealed := bytes.Repeat([]byte{1}, 40)
		if !g.garbage {
			aad := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, g.id), 1)
			var err error
			if sealed, err = s.sender.Seal(aad, []byte(g.password)); err != nil {
				s.cloud.t.Fatal(err)
			}
		}
		if g.budget == 0 {
			g.budget = patience
		}
		batch.SignIns = append(batch.SignIns, &wire.SignIn{Id: g.id, Attempt: 1, User: g.user, Password: sealed, BudgetNs: uint64(g.budget)})
	}
	if err := s.stream.Send(&wire.CloudMessage{Kind: &wire.CloudMessage_Batch{Batch: batch}}); err != nil {
		s.cloud.t.Errorf("giving sign-ins: %v", err)
	}
}

func (s *fakeSession) lastStatus() *wire.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.statuses) == 0 {
		return nil
	}
	return s.statuses[len(s.statuses)-1]
}
