package connector

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
)

// window is how many bytes a peer may send ahead, per stream and connection.
// Stating it turns off gRPC's bandwidth probes, which cost a ping now and then.
const window = 1 << 20

// newDialer makes the TCP connections of this connector, from its own address
// when it has one. They are plain TCP: multipath TCP cannot be broken and
// healed the way tests of a connector do it.
func newDialer(source string) *net.Dialer {
	d := &net.Dialer{}
	if source != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(source)}
	}
	d.SetMultipathTCP(false)
	return d
}

// dialCloud prepares a connection to one of the cloud's ports, which its first
// call then opens. Every attempt gets a new one and fails on its own: gRPC's
// waits between attempts, which grow to two minutes, never come into play.
func (a *connector) dialCloud(port string, certificate *tls.Certificate) (*grpc.ClientConn, error) {
	cloud := a.cloud.Load()
	address := cloud.at[port]
	if address == "" {
		return nil, fmt.Errorf("the cloud has no port %s", port)
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	return grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(credentials.NewTLS(a.cloudTLS(cloud, host, certificate))),
		grpc.WithContextDialer(func(ctx context.Context, to string) (net.Conn, error) {
			return a.dialer.DialContext(ctx, "tcp", to)
		}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: a.cfg.ConnectTimeout, MaxDelay: a.cfg.ConnectTimeout, Multiplier: 1},
			MinConnectTimeout: a.cfg.ConnectTimeout,
		}),
		grpc.WithInitialWindowSize(window),
		grpc.WithInitialConnWindowSize(window),
		grpc.WithDisableRetry(),
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableHealthCheck(),
		grpc.WithIdleTimeout(0),
		grpc.WithUserAgent("ptabench-connector/"+a.cfg.Version),
	)
}
